"""Questions about keys, tokens, teams and invitations, narrowed to what the asker may see."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet

from controlplane.kernel.errors import NotFound
from controlplane.kernel.principal import Principal
from policies.identity import access
from policies.identity.models import ApiKey, Invitation, Team, Tenant, Token, User

SOON = timedelta(days=14)
STATES = ("stands", "ends soon", "ended", "revoked")


def keys(principal: Principal) -> QuerySet[ApiKey]:
    """The keys of one's own teams as developer, of one's tenants as admin or auditor."""
    tenants = access.key_tenants(principal)
    if tenants is None:
        return ApiKey.objects.all()
    condition = Q(tenant__in=tenants)
    for tenant, team in access.key_teams(principal):
        condition |= Q(tenant=tenant, team=team)
    return ApiKey.objects.filter(condition)


def key(principal: Principal, key_id: str) -> ApiKey:
    """One key. Raises NotFound, also for one that this principal may not read."""
    found = keys(principal).filter(pk=key_id).first()
    if found is None:
        raise NotFound(f'there is no key "{key_id}"')
    return found


def in_state(state: str, now: datetime) -> Q:
    """The keys in one of the STATES."""
    ended = Q(expires_at__lte=now)
    soon = Q(expires_at__gt=now, expires_at__lte=now + SOON)
    return {
        "revoked": Q(revoked_at__isnull=False),
        "ended": Q(revoked_at=None) & ended,
        "ends soon": Q(revoked_at=None) & soon,
        "stands": Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now + SOON)),
    }[state]


def state_of(row: ApiKey | Token, now: datetime) -> str:
    """Which of the STATES a key or token is in."""
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at is None or row.expires_at > now + SOON:
        return "stands"
    return "ended" if row.expires_at <= now else "ends soon"


def tokens(user: User) -> QuerySet[Token]:
    """A person's own tokens, those that stand first."""
    return Token.objects.filter(user=user).order_by("-revoked_at", "-created_at", "-pk")


@dataclass(frozen=True, slots=True)
class TeamRow:
    """One team with what belongs to it."""

    tenant: str
    name: str
    archived_at: datetime | None
    members: int
    keys: int


def tenants(principal: Principal) -> QuerySet[Tenant]:
    """The tenants that one sees, by name."""
    own = access.own_tenants(principal)
    found = Tenant.objects.order_by("slug")
    return found if own is None else found.filter(slug__in=own)


def tenant(principal: Principal, name: str) -> Tenant:
    """One tenant. Raises NotFound, also for another's."""
    found = tenants(principal).filter(slug=name).first()
    if found is None:
        raise NotFound(f'there is no tenant "{name}"')
    return found


def teams(principal: Principal, now: datetime) -> list[TeamRow]:
    """Every team of the tenants that one sees, with its members and its keys that can still be shown."""
    own = access.own_tenants(principal)
    rows = Team.objects.select_related("tenant").order_by("tenant__slug", "slug")
    if own is not None:
        rows = rows.filter(tenant__slug__in=own)
    counted = rows.annotate(
        people=Count("memberships", filter=Q(memberships__user__is_active=True))
    )
    standing = ApiKey.objects.filter(revoked_at=None).exclude(expires_at__lte=now)
    of_team = {
        (tenant, team): number
        for tenant, team, number in standing.values_list("tenant", "team").annotate(Count("pk"))
    }
    return [
        TeamRow(
            row.tenant.slug,
            row.slug,
            row.archived_at or row.tenant.archived_at,
            row.people,
            of_team.get((row.tenant.slug, row.slug), 0),
        )
        for row in counted
    ]


def key_teams(principal: Principal) -> list[tuple[str, str]]:
    """The teams in use for which one may make keys."""
    rows = Team.objects.filter(archived_at=None, tenant__archived_at=None)
    pairs = rows.order_by("tenant__slug", "slug").values_list("tenant__slug", "slug")
    return [pair for pair in pairs if access.may_make_keys(principal, *pair)]


def invitations(principal: Principal) -> QuerySet[Invitation]:
    """Open invitations, also those whose time is over, newest first. Raises Forbidden for all but admins."""
    access.require_members(principal)
    return Invitation.objects.filter(accepted_at=None, withdrawn_at=None).order_by("-created_at")
