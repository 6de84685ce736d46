"""Who may see whose part of a replay, and who may take models away on trial. Every rule takes a Principal."""

from uuid import UUID

from django.db.models import Q, QuerySet

from controlplane.kernel.errors import Forbidden, NotFound
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.decisions.access import READERS
from policies.replay.models import DRILL, PLAN, Replay, ReplaySample

DRILLERS = ("admin", "author", "approver", "auditor")


def tenants_seen(principal: Principal) -> frozenset[str] | None:
    """The tenants whose sums one sees: those in which one holds a role or belongs to a team; None: all."""
    if principal.kind == "cli" or principal.roles.get(ORGANISATION):
        return None
    own = {*principal.roles, *(tenant for tenant, _ in principal.teams)} - {ORGANISATION}
    return frozenset(own)


def samples(principal: Principal, replay: Replay) -> "QuerySet[ReplaySample]":
    """The samples one may open: of calls in tenants that one reads, and of one's own teams."""
    rows = replay.samples.all()
    tenants = None if principal.kind == "cli" else principal.tenants_with(*READERS)
    if tenants is None:
        return rows
    # INVARIANT: a sample is a call, and a call is for who may see it
    seen = Q(tenant__in=sorted(tenants))
    for tenant, team in principal.teams:
        if principal.holds("developer", tenant):
            seen |= Q(tenant=tenant, team=team)
    return rows.filter(seen)


def may_drill(principal: Principal, tenant: str) -> bool:
    """Whether one may take models away on trial: who writes, approves, administers or audits there."""
    return any(principal.holds(role, tenant) for role in DRILLERS)


def drills_somewhere(principal: Principal) -> bool:
    """Whether there is any place where one may."""
    return principal.tenants_with(*DRILLERS) != frozenset()


def require_drill(principal: Principal, tenant: str) -> None:
    """Raises NotFound for a tenant that does not exist for this principal, else Forbidden."""
    if may_drill(principal, tenant):
        return
    seen = tenants_seen(principal)
    if tenant and seen is not None and tenant not in seen:
        raise NotFound(f'there is no tenant "{tenant}"')
    place = f'of tenant "{tenant}"' if tenant else "of the organisation"
    raise Forbidden(
        f"an exit drill {place} is run by its admins, authors, approvers or auditors; "
        f"{principal.name} is none of them"
    )


def drills(principal: Principal) -> "QuerySet[Replay]":
    """The exit drills that exist for a principal: those of places where one could run one."""
    rows = Replay.objects.filter(what=DRILL)
    tenants = principal.tenants_with(*DRILLERS)
    return rows if tenants is None else rows.filter(tenant__in=sorted(tenants))


def drill(principal: Principal, replay: UUID) -> Replay:
    """One exit drill. Raises NotFound, also for one of another place."""
    row = drills(principal).filter(pk=replay).first()
    if row is None:
        raise NotFound(f'there is no exit drill "{replay}"')
    return row


def planned(principal: Principal, replay: UUID) -> Replay:
    """The replay of a plan. Raises NotFound, also for another's."""
    # INVARIANT: what a folder would have done is for who has the folder
    row = Replay.objects.filter(what=PLAN, actor=principal.actor, pk=replay).first()
    if row is None:
        raise NotFound(f'there is no replay "{replay}" of a plan of yours')
    return row


def opens(principal: Principal, tenant: str, team: str) -> bool:
    """Whether one may open a call of this team: the rule of `samples`, for one that is no row."""
    tenants = None if principal.kind == "cli" else principal.tenants_with(*READERS)
    if tenants is None or tenant in tenants:
        return True
    return (tenant, team) in principal.teams and principal.holds("developer", tenant)
