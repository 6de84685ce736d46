"""Who may read money: finance, admins and auditors; a developer that of the own teams. And who may try a route."""

from django.db.models import Q

from controlplane.kernel.errors import Forbidden, NotFound
from controlplane.kernel.principal import Principal
from policies.identity.access import sees_tenant

READERS = ("finance", "admin", "auditor")
DOSSIER_READERS = ("auditor", "approver", "admin")


def may_read_money(principal: Principal) -> bool:
    """Whether any money page is open."""
    return principal.tenants_with(*READERS, "developer") != frozenset()


def reads_every_tenant(principal: Principal) -> bool:
    """Whether the money of all tenants is open."""
    return principal.tenants_with(*READERS) is None


def require_money(principal: Principal) -> None:
    """Raises Forbidden unless a money page is open."""
    if not may_read_money(principal):
        raise Forbidden(
            f"budgets are read by finance, admins, auditors and developers; {principal.name} is none of them"
        )


def spend_of(principal: Principal) -> Q:
    """The condition on calls whose cost counts for this reader."""
    tenants = principal.tenants_with(*READERS)
    if tenants is None:
        return Q()
    condition = Q(pk__in=[])
    if tenants:
        condition |= Q(tenant__in=tenants)
    for tenant, team in principal.teams:
        if principal.holds("developer", tenant):
            condition |= Q(tenant=tenant, team=team)
    return condition


def sees_budget(principal: Principal, scope: dict[str, object], tenant: str) -> bool:
    """Whether a budget of this scope is the reader's affair. `tenant` is the budget document's own."""
    place = str(scope.get("tenant") or tenant)
    tenants = principal.tenants_with(*READERS)
    if tenants is None or (place and place in tenants):
        return True
    team = str(scope.get("team", ""))
    own = {pair for pair in principal.teams if principal.holds("developer", pair[0])}
    if place and team:
        return (place, team) in own
    return bool(team) and not place and any(name == team for _, name in own)


def require_try(principal: Principal, tenant: str, team: str) -> None:
    """A dry run: authors and admins anything of the tenant, developers their own team's. Raises NotFound, Forbidden."""
    if not sees_tenant(principal, tenant):
        raise NotFound(f'there is no tenant "{tenant}"')
    if principal.holds("author", tenant) or principal.holds("admin", tenant):
        return
    if not ((tenant, team) in principal.teams and principal.holds("developer", tenant)):
        raise Forbidden(
            f"a route is tried by authors, admins and the team's developers; {principal.name} is none of them"
        )


def may_read_dossiers(principal: Principal) -> bool:
    """Whether the register of use cases and its dossiers are open in any place."""
    return principal.tenants_with(*DOSSIER_READERS) != frozenset()


def dossier_tenants(principal: Principal) -> frozenset[str] | None:
    """The tenants whose dossiers are open; None for all, the organisation's own among them."""
    return principal.tenants_with(*DOSSIER_READERS)


def require_dossiers(principal: Principal) -> None:
    """Raises Forbidden unless the register is open."""
    if not may_read_dossiers(principal):
        raise Forbidden(
            f"dossiers are read by auditors, approvers and admins; {principal.name} is none of them"
        )


def require_dossier(principal: Principal, tenant: str) -> None:
    """A dossier of one tenant; of the organisation ("") for who reads every tenant's. Raises Forbidden, NotFound."""
    require_dossiers(principal)
    tenants = dossier_tenants(principal)
    if tenants is not None and tenant not in tenants:
        if tenant and not sees_tenant(principal, tenant):
            raise NotFound(f'there is no tenant "{tenant}"')
        raise Forbidden(
            f"this dossier is for auditors, approvers and admins {'there' if tenant else 'of the organisation'}; "
            f"{principal.name} is none of them"
        )
