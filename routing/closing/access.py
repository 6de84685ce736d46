"""Who closes months and decides on adjustments: finance there. Who reads them: also admins and auditors."""

from django.db.models import QuerySet

from controlplane.kernel.errors import Forbidden, NotFound
from controlplane.kernel.principal import Principal
from policies.identity.access import sees_tenant
from routing.closing.models import Adjustment, Statement

READERS = ("finance", "admin", "auditor")


def may_read(principal: Principal) -> bool:
    """Whether the statements of any tenant are open."""
    return principal.tenants_with(*READERS) != frozenset()


def may_close(principal: Principal, tenant: str) -> bool:
    """Whether they may prepare and close months there, and decide on adjustments."""
    return principal.holds("finance", tenant)


def tenants(principal: Principal) -> frozenset[str] | None:
    """The tenants whose statements are open; None: all. Raises Forbidden for none."""
    found = principal.tenants_with(*READERS)
    if found == frozenset():
        raise Forbidden(
            f"statements are read by finance, admins and auditors; {principal.name} is none of them"
        )
    return found


def statements(principal: Principal) -> "QuerySet[Statement]":
    """The statements that are theirs to see. Raises Forbidden."""
    found, rows = tenants(principal), Statement.objects.all()
    return rows if found is None else rows.filter(tenant__in=found)


def adjustments(principal: Principal) -> "QuerySet[Adjustment]":
    """The adjustments that are theirs to see. Raises Forbidden."""
    found, rows = tenants(principal), Adjustment.objects.all()
    return rows if found is None else rows.filter(tenant__in=found)


def require_read(principal: Principal, tenant: str) -> None:
    """Raises Forbidden, and NotFound for a tenant that is not theirs to see."""
    found = tenants(principal)
    if found is not None and tenant not in found:
        raise NotFound(f'there is no tenant "{tenant}"')


def require_close(principal: Principal, tenant: str) -> None:
    """Raises Forbidden unless they are finance there, NotFound where they see no such tenant."""
    if may_close(principal, tenant):
        return
    if not sees_tenant(principal, tenant):
        raise NotFound(f'there is no tenant "{tenant}"')
    raise Forbidden(f"months are closed by finance; {principal.name} is not, there")


def closes(principal: Principal) -> frozenset[str] | None:
    """The tenants whose months they close; None: all."""
    return principal.tenants_with("finance")
