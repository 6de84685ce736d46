"""Who may press the button: finance and admins of the organisation."""

from controlplane.kernel.errors import Forbidden
from controlplane.kernel.principal import Principal

ROLES = ("finance", "admin")


def may_fire(principal: Principal) -> bool:
    """Whether the button is there for this person, where there is one."""
    return any(principal.holds(role) for role in ROLES)


def require_fire(principal: Principal) -> None:
    """Raises Forbidden for anybody else."""
    if not may_fire(principal):
        raise Forbidden(
            f"the demo's calls are fired by finance and admins of the organisation; {principal.name} is neither"
        )
