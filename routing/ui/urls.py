"""Addresses of the pages of calls and money."""

from django.urls import path, register_converter

from routing.ui import (
    budgets,
    call,
    calls,
    dossier,
    duties,
    entry,
    evidence,
    models,
    notifications,
    overview,
    playground,
    report,
    reviews,
    search,
    supposing,
)

register_converter(entry.EntryId, "entry")
urlpatterns = [
    path("", overview.overview, name="overview"),
    path("calls/", calls.calls, name="calls"),
    path("calls/<str:name>/", call.call, name="call"),
    path("calls/<str:name>/again/", call.again, name="call-again"),
    path("calls/<str:name>/content/", call.content, name="call-content"),
    path("calls/<str:name>/receipt/", call.receipt, name="call-receipt"),
    path("calls/<str:name>/cancel/", call.cancel, name="call-cancel"),
    path("calls/<str:name>/test/", supposing.make, name="call-test"),
    path("reviews/", reviews.reviews, name="reviews"),
    path("reviews/next/", reviews.take_next, name="review-next"),
    path("reviews/<uuid:review>/", reviews.review, name="review"),
    path("reviews/<uuid:review>/claim/", reviews.claim, name="review-claim"),
    path("reviews/<uuid:review>/release/", reviews.release, name="review-release"),
    path("reviews/<uuid:review>/decide/", reviews.decide, name="review-decide"),
    path("budgets/", budgets.budgets, name="budgets"),
    path("reports/spend/", report.spend, name="report-spend"),
    path("reports/ai-act/", duties.duties, name="ai-act"),
    path("log/evidence/", evidence.bundles, name="evidence"),
    path("log/evidence/<uuid:evidence>/", evidence.download, name="evidence-download"),
    path("log/<entry:identity>/", entry.entry, name="log-entry"),
    path("use-cases/", dossier.use_cases, name="use-cases"),
    path("use-cases/<str:tenant>/<str:name>/dossier/", dossier.dossier, name="dossier"),
    path("search/", search.search, name="search"),
    path("playground/", playground.page, name="playground"),
    path("settings/notifications/", notifications.notifications, name="notifications"),
    path("models/", models.models, name="models"),
]
