"""Addresses of the audit explorer."""

from django.urls import path

from audit.ui import exports, saved, views

urlpatterns = [
    path("log/", views.log, name="log"),
    path("log/verify/", views.verify, name="log-verify"),
    path("log/export/", exports.export_entries, name="log-export"),
    path("log/views/", saved.save, name="log-view-save"),
    path("log/views/<uuid:view>/", saved.view, name="log-view"),
    path("log/views/<uuid:view>/remove/", saved.remove, name="log-view-remove"),
    path("log/<str:identity>/", views.entry, name="log-entry"),
    path("log/<str:identity>/receipt/", views.receipt, name="log-receipt"),
]
