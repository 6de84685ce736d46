"""Which calls a principal may see, open and cancel. Pages and API both begin here."""

from uuid import UUID

from django.db.models import Q, QuerySet

from controlplane.kernel.errors import Forbidden, NotFound
from controlplane.kernel.ids import call_name
from controlplane.kernel.principal import Principal
from routing.calls.models import Call

READERS = ("admin", "author", "approver", "reviewer", "auditor", "finance")
CONTENT_READERS = ("auditor",)


def visible(principal: Principal) -> QuerySet[Call]:
    """The calls of the tenants one has a reading role in, and those of one's own teams."""
    tenants = reading_tenants(principal)
    if tenants is None:
        return Call.objects.all()
    condition = Q(pk__in=[])
    if tenants:
        condition |= Q(tenant__in=tenants)
    for tenant, team in principal.teams:
        if principal.kind == "key" or principal.holds("developer", tenant):
            condition |= Q(tenant=tenant, team=team)
    return Call.objects.filter(condition)


def reading_tenants(principal: Principal) -> frozenset[str] | None:
    """The tenants all of whose calls are open, whatever the team; None for every tenant."""
    return principal.tenants_with(*READERS)


def get(principal: Principal, call: UUID) -> Call:
    """One call. Raises NotFound, also for one of another tenant or team."""
    found = visible(principal).filter(pk=call).first()
    if found is None:
        raise NotFound(f'there is no call "{call_name(call)}"')
    return found


def may_open(principal: Principal, call: Call) -> bool:
    """Whether the prompt and the answer may be read: by an auditor there, with a reason."""
    return any(principal.holds(role, call.tenant) for role in CONTENT_READERS)


def require_open(principal: Principal, call: Call) -> None:
    """Raises Forbidden unless the content may be read."""
    if not may_open(principal, call):
        raise Forbidden(
            f"prompts and answers are opened by auditors; {principal.name} is none in {call.tenant}"
        )


def may_cancel(principal: Principal, call: Call) -> bool:
    """Whether the call may be cancelled: by an admin there, a developer of its team, or its team's key."""
    own = (call.tenant, call.team) in principal.teams
    return principal.holds("admin", call.tenant) or (
        own and (principal.kind == "key" or principal.holds("developer", call.tenant))
    )


def require_cancel(principal: Principal, call: Call) -> None:
    """Raises Forbidden unless the call may be cancelled."""
    if not may_cancel(principal, call):
        raise Forbidden(f"a call is cancelled by its team or an admin; {principal.name} is neither")
