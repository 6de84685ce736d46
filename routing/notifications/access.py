"""Who may see what was sent: whoever reads the log, for deliveries tell of its entries. Who may send it again: admins."""

from django.db.models import QuerySet

from audit.log.access import readable_tenants
from controlplane.kernel.errors import Forbidden
from controlplane.kernel.principal import Principal
from routing.notifications.models import Delivery


def readable(principal: Principal) -> QuerySet[Delivery]:
    """The deliveries that this reader may see. Raises Forbidden for who may see none."""
    tenants = readable_tenants(principal)
    if tenants is None:
        return Delivery.objects.all()
    if not tenants:
        raise Forbidden(
            f"deliveries are read by auditors, approvers and admins; {principal.name} is none of them"
        )
    return Delivery.objects.filter(tenant__in=tenants)


def may_repeat(principal: Principal, tenant: str) -> bool:
    """Whether this principal may send a delivery of a tenant, or of the organisation, again."""
    return principal.kind != "key" and principal.holds("admin", tenant)


def require_repeat(principal: Principal, tenant: str) -> None:
    """Raises Forbidden."""
    if not may_repeat(principal, tenant):
        raise Forbidden(
            f"a delivery is sent again by an admin {'there' if tenant else 'of the organisation'}; "
            f"{principal.name} is none"
        )
