"""Addresses of policy under `/api/v1/`."""

from django.urls import path

from policies.api import analysis, changes, folders, history, keys, members, publishing, views

_ONE = "change-requests/<uuid:change>"
urlpatterns = [
    path("documents/", views.Documents.as_view(), name="api-documents"),
    path("documents/<str:kind>/<str:name>/", views.OneDocument.as_view(), name="api-document"),
    path("documents/<str:kind>/<str:name>/history/", history.History.as_view(), name="api-history"),
    path("documents/<str:kind>/<str:name>/uses/", history.Uses.as_view(), name="api-uses"),
    path("schemas/<str:kind>/", history.Schema.as_view(), name="api-kind"),
    path("folders/", folders.Folders.as_view(), name="api-folders"),
    path("folders/plan/", folders.Plans.as_view(), name="api-folder-plan"),
    path("bundles/", views.Bundles.as_view(), name="api-bundles"),
    path("bundles/<int:revision>/", history.OneBundle.as_view(), name="api-bundle"),
    path("bundles/<int:revision>/diff/", history.Diff.as_view(), name="api-bundle-diff"),
    path("bundles/<int:revision>/rollback/", history.Rollback.as_view(), name="api-rollback"),
    path("findings/", analysis.Findings.as_view(), name="api-findings"),
    path("policy-tests/", analysis.PolicyTests.as_view(), name="api-policy-tests"),
    path(f"{_ONE}/analysis/", analysis.OfChange.as_view(), name="api-change-analysis"),
    path("change-requests/", changes.ChangeRequests.as_view(), name="api-changes"),
    path(f"{_ONE}/", changes.OneChangeRequest.as_view(), name="api-change"),
    path(f"{_ONE}/edits/", changes.Edits.as_view(), name="api-edits"),
    path(f"{_ONE}/edits/<str:kind>/<str:name>/", changes.OneEdit.as_view(), name="api-edit"),
    path(f"{_ONE}/check/", changes.CheckIt.as_view(), name="api-change-check"),
    path(f"{_ONE}/submit/", changes.Submit.as_view(), name="api-change-submit"),
    path(f"{_ONE}/schedule/", publishing.Schedule.as_view(), name="api-change-schedule"),
    path(f"{_ONE}/break-glass/", publishing.BreakGlass.as_view(), name="api-change-break-glass"),
    path(f"{_ONE}/review-glass/", publishing.ReviewGlass.as_view(), name="api-change-review-glass"),
    path(f"{_ONE}/approve/", changes.Approve.as_view(), name="api-change-approve"),
    path(f"{_ONE}/request-changes/", changes.RequestChanges.as_view(), name="api-change-return"),
    path(f"{_ONE}/withdraw/", changes.Withdraw.as_view(), name="api-change-withdraw"),
    path(f"{_ONE}/publish/", changes.Publish.as_view(), name="api-change-publish"),
    path(f"{_ONE}/rebase/", publishing.Rebase.as_view(), name="api-change-rebase"),
    path("stops/", views.Stops.as_view(), name="api-stops"),
    path("stops/<uuid:stop>/lift/", views.LiftStop.as_view(), name="api-stop-lift"),
    path("keys/", keys.Keys.as_view(), name="api-keys"),
    path("keys/<str:key>/", keys.OneKey.as_view(), name="api-key"),
    path("keys/<str:key>/rotate/", keys.RotateKey.as_view(), name="api-key-rotate"),
    path("keys/<str:key>/revoke/", keys.RevokeKey.as_view(), name="api-key-revoke"),
    path("tokens/", keys.Tokens.as_view(), name="api-tokens"),
    path("tokens/<str:token>/revoke/", keys.RevokeToken.as_view(), name="api-token-revoke"),
    path("members/", members.Members.as_view(), name="api-members"),
    path("members/<str:email>/", members.OneMember.as_view(), name="api-member"),
    path("members/<str:email>/join/", members.MemberTeams.as_view(), name="api-member-join"),
    path("members/<str:email>/leave/", members.LeaveTeam.as_view(), name="api-member-leave"),
    path("members/<str:email>/deactivate/", members.Deactivate.as_view(), name="api-member-off"),
    path("members/<str:email>/restore/", members.Restore.as_view(), name="api-member-restore"),
    path("invitations/", members.Invitations.as_view(), name="api-invitations"),
    path(
        "invitations/<str:invitation>/withdraw/",
        members.WithdrawInvitation.as_view(),
        name="api-invitation-withdraw",
    ),
    path("tenants/", members.Tenants.as_view(), name="api-tenants"),
    path(
        "tenants/<str:tenant>/archive/", members.ArchiveTenant.as_view(), name="api-tenant-archive"
    ),
    path("teams/", members.Teams.as_view(), name="api-teams"),
    path(
        "teams/<str:tenant>/<str:team>/archive/",
        members.ArchiveTeam.as_view(),
        name="api-team-archive",
    ),
]
