"""Who may see what stayed unknown, and settle it: finance and admins of the tenant whose money it holds."""

from django.db.models import QuerySet

from controlplane.kernel.errors import Forbidden
from controlplane.kernel.principal import Principal
from routing.calls import access as calls
from routing.calls.models import Attempt, Call

SETTLERS = ("finance", "admin")
READERS = (*SETTLERS, "auditor")


def may_read(principal: Principal) -> bool:
    """Whether the list of unknown attempts is open for any tenant."""
    return principal.tenants_with(*READERS) != frozenset()


def unknown_attempts(principal: Principal) -> QuerySet[Attempt]:
    """The attempts nobody knows the cost of, of the tenants whose money one may read. Raises Forbidden for who reads none."""
    if not may_read(principal):
        raise Forbidden(
            f"unknown attempts are read by finance, admins and auditors; {principal.name} is none of them"
        )
    tenants = principal.tenants_with(*READERS)
    rows = Attempt.objects.filter(unknown_at__isnull=False)
    return rows if tenants is None else rows.filter(call__tenant__in=tenants)


def may_settle(principal: Principal, tenant: str) -> bool:
    """Whether an unknown attempt of that tenant may be settled."""
    return any(principal.holds(role, tenant) for role in SETTLERS)


def require_settle(principal: Principal, call: Call) -> None:
    """Raises Forbidden unless an unknown attempt of the call may be settled; NotFound where one may not see the call."""
    if may_settle(principal, call.tenant):
        return
    calls.get(principal, call.id)
    raise Forbidden(
        f"unknown attempts are settled by finance and admins; {principal.name} is neither in {call.tenant}"
    )
