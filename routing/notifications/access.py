"""Who may see what was sent: whoever reads the log, for deliveries tell of its entries; one's own tenants' or all."""

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
