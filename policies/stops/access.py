"""Who may set and lift a stop. Commands ask here again."""

from controlplane.kernel.principal import Principal, require


def require_set(principal: Principal, place: str) -> None:
    """Set: an admin where the stopped thing is (`place` "" is the organisation). Raises Forbidden."""
    require(principal, "admin", tenant=place)


def require_lift(principal: Principal, place: str) -> None:
    """Ask for a lifting or confirm it: an admin or approver there. Raises Forbidden."""
    require(principal, "admin", "approver", tenant=place)
