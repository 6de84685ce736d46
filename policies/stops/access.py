"""Who may set and lift a stop. Commands ask here again."""

from controlplane.kernel.errors import Forbidden
from controlplane.kernel.principal import Principal, require

LIFTERS = ("admin", "approver")


def require_set(principal: Principal, place: str) -> None:
    """Set: an admin where the stopped thing is (`place` "" is the organisation). Raises Forbidden."""
    require(principal, "admin", tenant=place)


def require_set_anywhere(principal: Principal) -> None:
    """Set: an admin of any place at all. Raises Forbidden."""
    if principal.tenants_with("admin") == frozenset():
        raise Forbidden(f"a stop is set by an admin; {principal.name} is none")


def require_lift(principal: Principal, place: str) -> None:
    """Ask for a lifting or confirm it: an admin or approver there. Raises Forbidden."""
    require(principal, *LIFTERS, tenant=place)


def may_set(principal: Principal, place: str) -> bool:
    """Whether one may stop something there: what a page offers."""
    return principal.holds("admin", place)


def may_lift(principal: Principal, place: str) -> bool:
    """Whether one may ask for a lifting there, or confirm it."""
    return any(principal.holds(role, place) for role in LIFTERS)
