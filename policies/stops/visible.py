"""Which stops a principal may know of: those of the organisation touch everybody, a tenant's own only its people."""

from uuid import UUID

from django.db.models import Q

from controlplane.kernel.errors import NotFound
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.stops.models import Stop


def visible(principal: Principal) -> Q:
    """The condition on stops. A key's own stop is its tenant's affair, as is the stop of a tenant."""
    if principal.roles.get(ORGANISATION):
        return Q()
    tenants = sorted(
        {*principal.roles, *(tenant for tenant, _ in principal.teams)} - {ORGANISATION}
    )
    organisation = Q(scope__tenant=ORGANISATION) & ~Q(scope__kind="tenant")
    return (
        organisation
        | Q(scope__tenant__in=tenants)
        | Q(scope__kind="tenant", scope__name__in=tenants)
    )


def get(principal: Principal, stop: UUID) -> Stop:
    """One stop. Raises NotFound, also for one of another tenant."""
    row = Stop.objects.filter(visible(principal), pk=stop).first()
    if row is None:
        raise NotFound(f'there is no stop "{stop}"')
    return row
