"""`/api/v1/members/`, `tenants/` and `teams/`: who is here, and what belongs together."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import CURSOR, MOST_ROWS, ApiView
from controlplane.kernel.clock import to_text
from policies.api.keys import Reason, plain, reason_of
from policies.api.once import SECRET_KEY, answered
from policies.api.pages import named
from policies.bundles.people import Person, people, person, visible
from policies.bundles.published import published
from policies.identity import commands, invitations, members, read
from policies.identity.invitations import Guest
from policies.identity.mail import mail_invitation
from policies.identity.models import Invitation
from policies.order.lock import mandate_now


class Place(serializers.Serializer[Any]):
    """A team of a tenant."""

    tenant = serializers.CharField()
    team = serializers.CharField()


class Granted(serializers.Serializer[Any]):
    """What one RoleGrant document gives; without a tenant in the whole organisation."""

    tenant = serializers.CharField(allow_blank=True)
    document = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())


class MemberSerializer(serializers.Serializer[Any]):
    """One member, with what of roles and teams the asker may know."""

    email = serializers.EmailField()
    name = serializers.CharField(allow_blank=True)
    active = serializers.BooleanField()
    grants = Granted(many=True)
    teams = Place(many=True)
    createdAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling


class MemberList(serializers.Serializer[Any]):
    """Members by address."""

    items = MemberSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class GuestWanted(serializers.Serializer[Any]):
    """Whom to invite. Roles are RoleGrant documents, which may name the address before the person comes."""

    email = serializers.EmailField()
    name = serializers.CharField(allow_blank=True, required=False, default="", max_length=60)
    teams = Place(many=True, required=False, default=list)


class InvitationSerializer(serializers.Serializer[Any]):
    """One open invitation."""

    id = serializers.CharField()
    email = serializers.EmailField()
    name = serializers.CharField(allow_blank=True)
    teams = serializers.ListField(child=serializers.CharField())
    createdAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling
    expiresAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling


class InvitationMade(InvitationSerializer):
    """A new invitation; `link` is shown only now, and works once."""

    link = serializers.CharField()
    mailed = serializers.BooleanField()


class InvitationList(serializers.Serializer[Any]):
    """Open invitations, newest first."""

    items = InvitationSerializer(many=True)


class TenantSerializer(serializers.Serializer[Any]):
    """One tenant's row; its attributes are its Tenant document."""

    name = serializers.CharField()
    archivedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815 - the API's spelling


class TenantList(serializers.Serializer[Any]):
    """Tenants by name."""

    items = TenantSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class TeamSerializer(Place):
    """One team, with how many members and standing keys it has."""

    members = serializers.IntegerField()
    keys = serializers.IntegerField()
    archivedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815 - the API's spelling


class TeamList(serializers.Serializer[Any]):
    """The teams of one's own tenants."""

    items = TeamSerializer(many=True)


class Done(serializers.Serializer[Any]):
    """It is done."""

    outcome = serializers.CharField()


class Members(ApiView):
    """Members."""

    @extend_schema(operation_id="members_list", responses=MemberList, parameters=[*CURSOR])
    def get(self, request: Request) -> Response:
        """List the members of one's own tenants; with a role in the organisation all."""
        found = published()
        rows = visible(self.principal, found)
        return Response(
            named(
                request,
                rows,
                "email",
                lambda users: [_member(p) for p in people(self.principal, found, users)],
            )
        )


class OneMember(ApiView):
    """One member."""

    @extend_schema(operation_id="members_read", responses=MemberSerializer)
    def get(self, request: Request, email: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Read one member by address."""
        return Response(_member(person(self.principal, published(), email)))


class MemberTeams(ApiView):
    """The teams of one member."""

    @extend_schema(operation_id="members_join", request=Place, responses=MemberSerializer)
    def post(self, request: Request, email: str) -> Response:
        """Put a member into a team."""
        tenant, team = _place(request)
        found = person(self.principal, published(), email)
        members.add_membership(self.principal, found.user, tenant, team)
        return Response(_member(person(self.principal, published(), email)))


class LeaveTeam(ApiView):
    """Out of a team."""

    @extend_schema(operation_id="members_leave", request=Place, responses=MemberSerializer)
    def post(self, request: Request, email: str) -> Response:
        """Take a member out of a team."""
        tenant, team = _place(request)
        found = person(self.principal, published(), email)
        members.end_membership(self.principal, found.user, tenant, team)
        return Response(_member(person(self.principal, published(), email)))


class Deactivate(ApiView):
    """The end of a membership."""

    @extend_schema(operation_id="members_deactivate", request=None, responses=MemberSerializer)
    def post(self, request: Request, email: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Let a member in no more: sessions and tokens end at once."""
        found = person(self.principal, published(), email)
        members.remove_member(self.principal, found.user)
        return Response(_member(found))


class Restore(ApiView):
    """Back again."""

    @extend_schema(operation_id="members_restore", request=None, responses=MemberSerializer)
    def post(self, request: Request, email: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Let a member sign in again."""
        found = person(self.principal, published(), email)
        members.restore_member(self.principal, found.user)
        return Response(_member(found))


class Invitations(ApiView):
    """Invitations."""

    @extend_schema(operation_id="invitations_list", responses=InvitationList)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """List the open ones."""
        rows = read.invitations(self.principal)[:MOST_ROWS]
        return Response({"items": [_invitation(row) for row in rows]})

    @extend_schema(
        operation_id="invitations_create",
        request=GuestWanted,
        responses={201: InvitationMade},
        parameters=[SECRET_KEY],
    )
    def post(self, request: Request) -> Response:
        """Invite a person by e-mail."""
        asked = GuestWanted(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        guest = Guest(
            email=given["email"],
            name=given["name"],
            teams=tuple((place["tenant"], place["team"]) for place in given["teams"]),
        )

        def work() -> tuple[int, Any]:
            made = invitations.invite(self.principal, guest)
            row = Invitation.objects.get(pk=made.id)
            link = request.build_absolute_uri(f"/join/{made.shown}/")
            told = {"inviter": self.principal.name, "organisation": published().organisation_name}
            mailed = mail_invitation(row.email, link, **told)
            return 201, {**_invitation(row), "link": link, "mailed": mailed}

        return answered(request, self.principal, work, "link")


class WithdrawInvitation(ApiView):
    """The end of an invitation."""

    @extend_schema(operation_id="invitations_withdraw", request=None, responses=Done)
    def post(self, request: Request, invitation: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Withdraw it: its link stops working."""
        invitations.withdraw_invitation(self.principal, invitation)
        return Response({"outcome": "withdrawn"})


class Tenants(ApiView):
    """Tenants."""

    @extend_schema(operation_id="tenants_list", responses=TenantList, parameters=[*CURSOR])
    def get(self, request: Request) -> Response:
        """List one's own tenants; with a role in the organisation all."""
        rows = read.tenants(self.principal)
        return Response(
            named(
                request,
                rows,
                "slug",
                lambda found: [
                    {
                        "name": row.slug,
                        "archivedAt": to_text(row.archived_at) if row.archived_at else None,
                    }
                    for row in found
                ],
            )
        )


class ArchiveTenant(ApiView):
    """The end of a tenant."""

    @extend_schema(operation_id="tenants_archive", request=Reason, responses=Done)
    def post(self, request: Request, tenant: str) -> Response:
        """Put a tenant with all its teams out of use: its keys stop working."""
        read.tenant(self.principal, tenant)
        commands.archive_tenant(self.principal, tenant, reason_of(request))
        return Response({"outcome": "archived"})


class Teams(ApiView):
    """Teams."""

    @extend_schema(
        operation_id="teams_list",
        responses=TeamList,
        parameters=[OpenApiParameter("tenant", str)],
    )
    def get(self, request: Request) -> Response:
        """List the teams of one's own tenants."""
        tenant = plain(request, "tenant")
        rows = read.teams(self.principal, mandate_now())
        return Response(
            {
                "items": [
                    {
                        "tenant": row.tenant,
                        "team": row.name,
                        "members": row.members,
                        "keys": row.keys,
                        "archivedAt": to_text(row.archived_at) if row.archived_at else None,
                    }
                    for row in rows
                    if not tenant or row.tenant == tenant
                ]
            }
        )


class ArchiveTeam(ApiView):
    """The end of a team."""

    @extend_schema(operation_id="teams_archive", request=Reason, responses=Done)
    def post(self, request: Request, tenant: str, team: str) -> Response:
        """Put a team out of use: its keys stop working."""
        read.tenant(self.principal, tenant)
        commands.archive_team(self.principal, tenant, team, reason_of(request))
        return Response({"outcome": "archived"})


def _place(request: Request) -> tuple[str, str]:
    asked = Place(data=request.data)
    asked.is_valid(raise_exception=True)
    return asked.validated_data["tenant"], asked.validated_data["team"]


def _member(found: Person) -> dict[str, object]:
    return {
        "email": found.user.email,
        "name": found.user.name,
        "active": found.active,
        "grants": [
            {"tenant": grant.tenant, "document": grant.document, "roles": list(grant.roles)}
            for grant in found.grants
        ],
        "teams": [{"tenant": tenant, "team": team} for tenant, team in found.teams],
        "createdAt": to_text(found.user.created_at),
    }


def _invitation(row: Invitation) -> dict[str, object]:
    return {
        "id": row.id,
        "email": row.email,
        "name": row.name,
        "teams": row.teams,
        "createdAt": to_text(row.created_at),
        "expiresAt": to_text(row.expires_at),
    }
