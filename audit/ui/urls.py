"""Addresses of the audit explorer. The page of one entry joins facts of other apps: `routing/ui/entry.py`."""

from django.urls import path

from audit.ui import exports, saved, state, views

urlpatterns = [
    path("log/", views.log, name="log"),
    path("log/verify/", views.verify, name="log-verify"),
    path("log/state/", state.state, name="log-state"),
    path("log/state/acknowledge/", state.acknowledge, name="log-acknowledge"),
    path("log/export/", exports.export_entries, name="log-export"),
    path("log/views/", saved.save, name="log-view-save"),
    path("log/views/<uuid:view>/", saved.view, name="log-view"),
    path("log/views/<uuid:view>/remove/", saved.remove, name="log-view-remove"),
    path("log/<str:identity>/receipt/", views.receipt, name="log-receipt"),
]
