"""Addresses of calls and money under `/api/v1/`."""

from django.urls import path

from routing.api import (
    dossiers,
    evidence,
    notifications,
    reports,
    retention,
    reviews,
    supposing,
    unknown,
    views,
)

urlpatterns = [
    path("calls/", views.Calls.as_view(), name="api-calls"),
    path("calls/<str:name>/", views.OneCall.as_view(), name="api-call"),
    path("calls/<str:name>/explain/", views.Explain.as_view(), name="api-call-explain"),
    path("calls/<str:name>/replay/", views.Replay.as_view(), name="api-call-replay"),
    path("calls/<str:name>/cancel/", views.CancelCall.as_view(), name="api-call-cancel"),
    path("calls/<str:name>/test/", supposing.MakeTest.as_view(), name="api-call-test"),
    path(
        "calls/<str:name>/attempts/<int:no>/settle/",
        unknown.Settle.as_view(),
        name="api-attempt-settle",
    ),
    path("unknown-attempts/", unknown.UnknownAttempts.as_view(), name="api-unknown-attempts"),
    path("decide/", views.Decide.as_view(), name="api-decide"),
    path("budgets/", views.Budgets.as_view(), name="api-budgets"),
    path("reports/spend/", reports.Spend.as_view(), name="api-report-spend"),
    path("reports/dossiers/", dossiers.Dossiers.as_view(), name="api-dossiers"),
    path("audit/evidence/", evidence.Bundles.as_view(), name="api-evidence"),
    path("audit/evidence/<uuid:evidence>/", evidence.OneBundle.as_view(), name="api-evidence-one"),
    path(
        "audit/evidence/<uuid:evidence>/download/",
        evidence.Download.as_view(),
        name="api-evidence-download",
    ),
    path("notifications/", notifications.Notifications.as_view(), name="api-notifications"),
    path(
        "notifications/<uuid:delivery>/repeat/",
        notifications.NotificationRepeat.as_view(),
        name="api-notification-repeat",
    ),
    path("reviews/", reviews.Reviews.as_view(), name="api-reviews"),
    path("reviews/<uuid:review>/", reviews.OneReview.as_view(), name="api-review"),
    path("reviews/<uuid:review>/content/", reviews.Content.as_view(), name="api-review-content"),
    path("reviews/<uuid:review>/claim/", reviews.Claim.as_view(), name="api-review-claim"),
    path("reviews/<uuid:review>/release/", reviews.Release.as_view(), name="api-review-release"),
    path("reviews/<uuid:review>/approve/", reviews.Approve.as_view(), name="api-review-approve"),
    path("reviews/<uuid:review>/edit/", reviews.Edit.as_view(), name="api-review-edit"),
    path("reviews/<uuid:review>/redact/", reviews.Redact.as_view(), name="api-review-redact"),
    path("reviews/<uuid:review>/reject/", reviews.Reject.as_view(), name="api-review-reject"),
    path("holds/", retention.Holds.as_view(), name="api-holds"),
    path("holds/<uuid:hold>/lift/", retention.LiftHold.as_view(), name="api-hold-lift"),
    path("erasures/", retention.Erasures.as_view(), name="api-erasures"),
    path(
        "erasures/<uuid:erasure>/confirm/",
        retention.ConfirmErasure.as_view(),
        name="api-erasure-confirm",
    ),
    path("subjects/", retention.Subjects.as_view(), name="api-subjects"),
    path("subjects/export/", retention.SubjectExport.as_view(), name="api-subject-export"),
]
