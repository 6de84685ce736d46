"""Addresses of calls and money under `/api/v1/`."""

from django.urls import path

from routing.api import reports, views

urlpatterns = [
    path("calls/", views.Calls.as_view(), name="api-calls"),
    path("calls/<str:name>/", views.OneCall.as_view(), name="api-call"),
    path("calls/<str:name>/explain/", views.Explain.as_view(), name="api-call-explain"),
    path("calls/<str:name>/replay/", views.Replay.as_view(), name="api-call-replay"),
    path("calls/<str:name>/cancel/", views.CancelCall.as_view(), name="api-call-cancel"),
    path("decide/", views.Decide.as_view(), name="api-decide"),
    path("budgets/", views.Budgets.as_view(), name="api-budgets"),
    path("reports/spend/", reports.Spend.as_view(), name="api-report-spend"),
]
