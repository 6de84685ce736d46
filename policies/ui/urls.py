"""Addresses of the pages of policies."""

from django.urls import path

from policies.ui import (
    analysis,
    changes,
    conditions,
    documents,
    editing,
    edits,
    joining,
    keys,
    members,
    revisions,
    settings,
    steps,
    stops,
    tenants,
)

_ONE = "change-requests/<uuid:change>"
_DOCUMENT = "documents/<str:kind>/<str:tenant>/<str:name>"
urlpatterns = [
    path("documents/", documents.documents, name="documents"),
    path("documents/new/", editing.kinds, name="document-new"),
    path("documents/new/<str:kind>/", editing.new, name="document-new-kind"),
    path("documents/condition/", conditions.condition, name="condition"),
    path("documents/<str:kind>/<str:tenant>/<str:name>/edit/", editing.edit, name="document-edit"),
    path("documents/<str:kind>/<str:tenant>/<str:name>/", documents.document, name="document"),
    path(f"{_DOCUMENT}/versions/<int:number>/", revisions.version, name="version"),
    path("policy-tests/", analysis.policy_tests, name="policy-tests"),
    path("change-requests/", changes.changes, name="changes"),
    path("change-requests/new/", edits.new, name="change-new"),
    path(f"{_ONE}/", changes.change, name="change"),
    path(f"{_ONE}/edits/", edits.add, name="change-add"),
    path(f"{_ONE}/edits/<str:kind>/<str:tenant>/<str:name>/", edits.edit, name="change-edit"),
    path(f"{_ONE}/<slug:what>/", steps.act, name="change-act"),
    path("revisions/", revisions.revisions, name="revisions"),
    path("revisions/<int:revision>/", revisions.revision, name="revision"),
    path("revisions/<int:revision>/rollback/", revisions.rollback, name="rollback"),
    path("stops/", stops.stops, name="stops"),
    path("stops/<uuid:stop>/lift/", stops.lift, name="stop-lift"),
    path("settings/", settings.settings, name="settings"),
    path("settings/tokens/<str:token>/revoke/", settings.revoke, name="token-revoke"),
    path("settings/sign-out/", settings.sign_out, name="sign-out-everywhere"),
    path("keys/", keys.keys, name="keys"),
    path("keys/new/", keys.new_key, name="key-new"),
    path("keys/<str:key>/", keys.one_key, name="key"),
    path("keys/<str:key>/rotate/", keys.rotate, name="key-rotate"),
    path("keys/<str:key>/revoke/", keys.revoke, name="key-revoke"),
    path("members/", members.all_members, name="members"),
    path(
        "members/invitations/<str:invitation>/withdraw/",
        members.withdraw,
        name="invitation-withdraw",
    ),
    path("members/<str:email>/", members.one_member, name="member"),
    path("members/<str:email>/<str:what>/", members.change_member, name="member-change"),
    path("tenants/", tenants.tenants, name="tenants"),
    path("tenants/<str:tenant>/archive/", tenants.archive_tenant, name="tenant-archive"),
    path("tenants/<str:tenant>/<str:team>/archive/", tenants.archive_team, name="team-archive"),
    path("join/<str:shown>/", joining.join, name="join"),
]
