"""Who sees whether the money is right, and who brings providers' invoices in: finance. Who reads: also admins and auditors."""

from django.db.models import QuerySet

from controlplane.kernel.errors import Forbidden, NotFound
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.bundles.published import Governed, Published
from policies.identity.access import sees_tenant
from routing.reconcile.models import Invoice, Standing

READERS = ("finance", "admin", "auditor")


def may_read(principal: Principal) -> bool:
    """Whether the invoices of any tenant, or of the organisation, are open."""
    return principal.tenants_with(*READERS) != frozenset()


def invoices(principal: Principal) -> "QuerySet[Invoice]":
    """The imports that are theirs to see: of their tenants' own providers, or all. Raises Forbidden."""
    found = principal.tenants_with(*READERS)
    if found == frozenset():
        raise Forbidden(
            f"invoices are read by finance, admins and auditors; {principal.name} is none of them"
        )
    # INVARIANT: an account of the organisation, or of another tenant, is not told to who reads one tenant's money
    return Invoice.objects.all() if found is None else Invoice.objects.filter(tenant__in=found)


def standing(principal: Principal) -> Standing | None:
    """What the last check of the ledger said, for who reads every tenant's money; None for others, and before the first."""
    if principal.tenants_with(*READERS) is not None:
        return None
    return Standing.objects.filter(pk="ledger").first()


def unpriced(principal: Principal) -> Standing | None:
    """What was served at service tiers without a price, as of the last look; for who reads every tenant's money."""
    if principal.tenants_with(*READERS) is not None:
        return None
    return Standing.objects.filter(pk="tiers").first()


def may_import(principal: Principal, tenant: str = ORGANISATION) -> bool:
    """Whether they may bring in what a provider of that tenant, or of the organisation, billed."""
    return principal.holds("finance", tenant)


def require_import(principal: Principal, tenant: str) -> None:
    """Raises Forbidden unless they are finance there, NotFound where they see no such tenant."""
    if may_import(principal, tenant):
        return
    if tenant and not sees_tenant(principal, tenant):
        raise NotFound(f'there is no tenant "{tenant}"')
    raise Forbidden(f"invoices are imported by finance; {principal.name} is not, there")


def providers(principal: Principal, found: Published) -> list[Governed]:
    """The providers whose invoices they may bring in."""
    return [one for one in found.of("Provider") if may_import(principal, one.tenant)]
