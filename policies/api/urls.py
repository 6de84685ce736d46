"""Addresses of policy under `/api/v1/`."""

from django.urls import path

from policies.api import views

urlpatterns = [
    path("documents/", views.Documents.as_view(), name="api-documents"),
    path("documents/<str:kind>/<str:name>/", views.OneDocument.as_view(), name="api-document"),
    path("bundles/", views.Bundles.as_view(), name="api-bundles"),
    path("stops/", views.Stops.as_view(), name="api-stops"),
    path("stops/<uuid:stop>/lift/", views.LiftStop.as_view(), name="api-stop-lift"),
]
