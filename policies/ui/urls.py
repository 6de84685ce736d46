"""Addresses of the pages of policies."""

from django.urls import path

from policies.ui import documents, settings, stops

urlpatterns = [
    path("documents/", documents.documents, name="documents"),
    path("documents/<str:kind>/<str:tenant>/<str:name>/", documents.document, name="document"),
    path("stops/", stops.stops, name="stops"),
    path("stops/<uuid:stop>/lift/", stops.lift, name="stop-lift"),
    path("settings/", settings.settings, name="settings"),
    path("settings/tokens/<str:token>/revoke/", settings.revoke, name="token-revoke"),
]
