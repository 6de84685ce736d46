"""Addresses of the audit explorer."""

from django.urls import path

from audit.ui import views

urlpatterns = [
    path("log/", views.log, name="log"),
    path("log/verify/", views.verify, name="log-verify"),
    path("log/<str:identity>/", views.entry, name="log-entry"),
    path("log/<str:identity>/receipt/", views.receipt, name="log-receipt"),
]
