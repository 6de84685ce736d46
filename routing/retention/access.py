"""Who may look a data subject up, and take along what is known of one."""

from controlplane.kernel.errors import Forbidden, InvalidRequest
from controlplane.kernel.principal import Principal, require

LOOKERS = ("admin", "auditor")


def require_look(principal: Principal, tenant: str) -> None:
    """See which calls a person's id touches: an admin or auditor of the tenant. Raises Forbidden."""
    require(principal, *LOOKERS, tenant=tenant)


def require_export(principal: Principal, tenant: str, reason: str) -> None:
    """Take content along: an auditor of the tenant, with a reason. Raises Forbidden, InvalidRequest."""
    require(principal, "auditor", tenant=tenant)
    if not reason.strip():
        raise InvalidRequest("say why you take it along: the reason stands in the log")


def may_export(principal: Principal, tenant: str) -> bool:
    """Whether a page offers to take content along."""
    return principal.holds("auditor", tenant)


def may_look_anywhere(principal: Principal) -> bool:
    """Whether there is a tenant whose data subjects one may look up."""
    return principal.tenants_with(*LOOKERS) != frozenset()


def require_look_anywhere(principal: Principal) -> frozenset[str] | None:
    """The tenants whose data subjects one may look up; None for all. Raises Forbidden where there are none."""
    places = principal.tenants_with(*LOOKERS)
    if places == frozenset():
        raise Forbidden(
            f"data subjects are looked up by admins and auditors; {principal.name} is neither"
        )
    return places
