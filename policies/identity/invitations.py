"""Invitations: a link that works once and makes a member. Each command writes with its entry in one transaction."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.principal import Principal
from policies.identity import access, credentials
from policies.identity.checks import check_name, pepper, team_in_use, text_of
from policies.identity.members import check_address, put_password
from policies.identity.models import Invitation, Membership, User
from policies.order.entries import append_entry
from policies.order.lock import mandate_now

LASTS = timedelta(days=7)
_REFUSED = "this invitation is unknown, used, withdrawn or over; ask an admin for a new one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """Whom to invite. `teams` are (tenant, team) pairs that the person joins on accepting; roles are RoleGrant documents."""

    email: str
    name: str = ""
    teams: tuple[tuple[str, str], ...] = ()


def invite(principal: Principal, guest: Guest) -> credentials.Credential:
    """Make an invitation, shown once; one for the same address that was still open is withdrawn.

    Raises Forbidden, InvalidRequest for what is no address, NotFound for a team not in use, Conflict for a member.
    """
    access.require_members(principal)
    address = guest.email.strip().lower()
    check_address(address)
    name = check_name(guest.name)
    teams = [team_in_use(tenant, team) for tenant, team in guest.teams]
    at = mandate_now()
    made = credentials.new_credential(credentials.INVITATION_PREFIX)
    with transaction.atomic():
        if User.objects.filter(email=address).exists():
            raise Conflict(f"{address} is a member already")
        Invitation.objects.filter(email=address, accepted_at=None, withdrawn_at=None).update(
            withdrawn_at=at
        )
        row = Invitation.objects.create(
            id=made.id,
            hash=credentials.digest(pepper(), made.shown),
            email=address,
            name=name,
            teams=[f"{team.tenant.slug}/{team.slug}" for team in teams],
            actor=principal.actor,
            created_at=at,
            expires_at=at + LASTS,
        )
        append_entry(
            "member.invited",
            actor=principal.actor,
            at=at,
            subject=f"member:{address}",
            data={"invitation": made.id, "teams": row.teams, "expiresAt": text_of(row.expires_at)},
        )
    return made


def withdraw_invitation(principal: Principal, invitation: str) -> None:
    """End an invitation. Raises Forbidden, NotFound, Conflict when it has ended."""
    access.require_members(principal)
    at = mandate_now()
    with transaction.atomic():
        row = Invitation.objects.select_for_update().filter(pk=invitation).first()
        if row is None:
            raise NotFound(f'there is no invitation "{invitation}"')
        if row.accepted_at is not None or row.withdrawn_at is not None:
            raise Conflict("this invitation has ended before")
        row.withdrawn_at = at
        row.save(update_fields=["withdrawn_at"])
        append_entry(
            "member.invited",
            actor=principal.actor,
            at=at,
            subject=f"member:{row.email}",
            data={"invitation": row.id, "withdrawn": True},
        )


def open_invitation(shown: str) -> Invitation:
    """The invitation behind a link. Raises NotFound, never saying why."""
    public = credentials.public_id(shown, credentials.INVITATION_PREFIX)
    row = Invitation.objects.filter(pk=public).first() if public else None
    kept = bytes(row.hash) if row else bytes(32)
    if not credentials.matches(pepper(), shown, kept) or row is None:
        raise NotFound(_REFUSED)
    if row.accepted_at or row.withdrawn_at or row.expires_at <= mandate_now():
        raise NotFound(_REFUSED)
    return row


def accept_invitation(shown: str, name: str, password: str) -> User:
    """Become a member: whoever has the link is the person. Raises NotFound for a link that is over, InvalidRequest, Conflict."""
    public = open_invitation(shown).pk
    if not name.strip():
        raise InvalidRequest("say what you are called")
    at = mandate_now()
    with transaction.atomic():
        row = Invitation.objects.select_for_update().get(pk=public)
        if row.accepted_at or row.withdrawn_at:
            raise NotFound(_REFUSED)
        if User.objects.filter(email=row.email).exists():
            raise Conflict(f"{row.email} is a member already; sign in")
        user = User(email=row.email, name=check_name(name))
        put_password(user, password)
        actor = f"member:{row.email}"
        user.save(force_insert=True, actor=actor)
        joined = _join(user, row, actor)
        row.accepted_at = at
        row.save(update_fields=["accepted_at"])
        append_entry(
            "member.added",
            actor=actor,
            at=at,
            subject=actor,
            data={"invitation": row.id, "invitedBy": row.actor, "teams": joined},
        )
    return user


def _join(user: User, row: Invitation, actor: str) -> list[str]:
    """Teams that were archived since are left out."""
    joined = []
    for place in row.teams:
        tenant, _, team = place.partition("/")
        try:
            found = team_in_use(tenant, team)
        except NotFound:
            continue
        Membership(user=user, tenant_id=found.tenant_id, team=found).save(actor=actor)
        joined.append(place)
    return joined
