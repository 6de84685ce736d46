"""Who sees anomalies, and who may cap: finance and admins of the tenant whose key it is."""

from uuid import UUID

from django.db.models import Q, QuerySet

from controlplane.kernel.errors import Forbidden, NotFound
from controlplane.kernel.principal import Principal
from routing.anomalies.models import Anomaly

READERS = ("finance", "admin", "auditor")
CAPPERS = ("finance", "admin")


def may_read(principal: Principal) -> bool:
    """Whether the list is open for any tenant; a developer sees the own team's."""
    return principal.tenants_with(*READERS, "developer") != frozenset()


def visible(principal: Principal) -> QuerySet[Anomaly]:
    """The anomalies of the tenants whose money one reads, and of the own teams."""
    tenants = principal.tenants_with(*READERS)
    if tenants is None:
        return Anomaly.objects.all()
    own = Q(tenant__in=tenants)
    for tenant, team in principal.teams:
        if principal.holds("developer", tenant):
            own |= Q(tenant=tenant, team=team)
    return Anomaly.objects.filter(own)


def require_read(principal: Principal) -> None:
    """Raises Forbidden for who reads no money."""
    if not may_read(principal):
        raise Forbidden(
            f"anomalies are read by finance, admins, auditors and developers; {principal.name} is none of them"
        )


def may_cap(principal: Principal, tenant: str) -> bool:
    """Whether a key of that tenant may be capped."""
    return any(principal.holds(role, tenant) for role in CAPPERS)


def one(principal: Principal, anomaly: UUID) -> Anomaly:
    """One of those they see. Raises Forbidden, NotFound."""
    require_read(principal)
    row = visible(principal).filter(pk=anomaly).first()
    if row is None:
        raise NotFound("there is no such anomaly")
    return row


def require_cap(principal: Principal, anomaly: UUID) -> Anomaly:
    """The anomaly, to cap its key. Raises NotFound where one may not see it, Forbidden for who only reads."""
    row = one(principal, anomaly)
    if not may_cap(principal, row.tenant):
        raise Forbidden(
            f"a key is capped by finance and admins; {principal.name} is neither in {row.tenant}"
        )
    return row


def require_still(roles: frozenset[str], principal: Principal) -> None:
    """Asked under the order lock, with the roles of the bundle in force. Raises Forbidden."""
    if not roles & set(CAPPERS):
        raise Forbidden(f"a key is capped by finance and admins; {principal.name} is neither now")


def require_only_a_cap(reasons: list[str]) -> None:
    """Raises Forbidden with why what would be published does more than cap one key."""
    if reasons:
        raise Forbidden(f"a cap only tightens: {'; '.join(reasons)}")
