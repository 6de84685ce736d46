"""Addresses of the pages of policies."""

from django.urls import path

from policies.ui import documents, joining, keys, members, settings, stops, tenants

urlpatterns = [
    path("documents/", documents.documents, name="documents"),
    path("documents/<str:kind>/<str:tenant>/<str:name>/", documents.document, name="document"),
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
