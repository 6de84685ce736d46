"""Who may hold, lift, erase and look. Commands ask here again."""

from controlplane.kernel.errors import Forbidden
from controlplane.kernel.principal import Principal, require

SECOND = ("admin", "approver")
READERS = ("auditor", "approver", "admin")


def require_hold(principal: Principal, tenant: str) -> None:
    """Set a hold: an admin there (`tenant` "" is the organisation). Raises Forbidden."""
    require(principal, "admin", tenant=tenant)


def require_lift(principal: Principal, tenant: str) -> None:
    """Ask for a hold's lifting, or confirm it: an admin or approver there. Raises Forbidden."""
    require(principal, *SECOND, tenant=tenant)


def require_ask(principal: Principal, tenant: str) -> None:
    """Ask for an erasure: an admin there. Raises Forbidden."""
    require(principal, "admin", tenant=tenant)


def require_confirm(principal: Principal, tenant: str) -> None:
    """Confirm an erasure: an admin or approver there. Raises Forbidden."""
    require(principal, *SECOND, tenant=tenant)


def require_retire(principal: Principal) -> None:
    """Ask that a tenant's own key be deleted: an admin of the organisation. Raises Forbidden."""
    require(principal, "admin")


def require_confirm_retirement(principal: Principal) -> None:
    """Confirm that: an admin or approver of the organisation. Raises Forbidden."""
    require(principal, *SECOND)


def may_hold(principal: Principal, tenant: str) -> bool:
    """Whether one may set a hold or ask for an erasure there: what a page offers."""
    return principal.holds("admin", tenant)


def may_confirm(principal: Principal, tenant: str) -> bool:
    """Whether one may be the second person there."""
    return any(principal.holds(role, tenant) for role in SECOND)


def require_look(principal: Principal) -> None:
    """See holds and erasures at all. Raises Forbidden."""
    if readable_tenants(principal) == frozenset():
        raise Forbidden(
            f"holds and erasures are read by auditors, approvers and admins; {principal.name} is none of them"
        )


def readable_tenants(principal: Principal) -> frozenset[str] | None:
    """The tenants whose holds and erasures are open; None for all."""
    return principal.tenants_with(*READERS)
