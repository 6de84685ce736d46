"""Who is asking, and what they may do: the value every `access.py` takes and every command checks again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from controlplane.kernel.errors import Forbidden

ROLES = ("admin", "author", "approver", "reviewer", "finance", "auditor", "developer")
ORGANISATION = ""
"""The key of roles that hold in the whole organisation."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A member (`kind` member), an API key (key), or the system (cli, job): `actor` is what entries record.

    `roles` maps a tenant's name, or ORGANISATION, to the roles held there; `teams` are the (tenant, team) pairs one belongs to.
    """

    kind: str
    id: str
    name: str
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    teams: frozenset[tuple[str, str]] = frozenset()

    @property
    def actor(self) -> str:
        """`member:ada@acme.example`, `key:ab12cd34`, `cli:root`."""
        return f"{self.kind}:{self.id}"

    def stored(self) -> dict[str, Any]:
        """As JSON, for a job that is to do later what this principal might then."""
        return {
            "kind": self.kind,
            "id": self.id,
            "name": self.name,
            "roles": {place: sorted(held) for place, held in self.roles.items()},
            "teams": sorted(list(pair) for pair in self.teams),
        }

    @classmethod
    def recalled(cls, stored: Mapping[str, Any]) -> Self:
        """The principal that `stored` wrote down."""
        return cls(
            kind=stored["kind"],
            id=stored["id"],
            name=stored["name"],
            roles={place: frozenset(held) for place, held in stored["roles"].items()},
            teams=frozenset((tenant, team) for tenant, team in stored["teams"]),
        )

    def holds(self, role: str, tenant: str = ORGANISATION) -> bool:
        """Whether the role holds in the tenant, given there or for the whole organisation."""
        return role in self.roles.get(ORGANISATION, ()) or (
            tenant != ORGANISATION and role in self.roles.get(tenant, ())
        )

    def tenants_with(self, *wanted: str) -> frozenset[str] | None:
        """The tenants in which any of these roles holds; None means all of them."""
        if self.roles.get(ORGANISATION, frozenset()) & set(wanted):
            return None
        return frozenset(
            t for t, held in self.roles.items() if t != ORGANISATION and held & set(wanted)
        )


def require(principal: Principal, *roles: str, tenant: str = ORGANISATION) -> None:
    """Raises Forbidden unless one of the roles holds in the tenant (or the organisation)."""
    if not any(principal.holds(role, tenant) for role in roles):
        place = f'in "{tenant}"' if tenant else "in the organisation"
        raise Forbidden(
            f"this needs the role {' or '.join(roles)} {place}; {principal.name} does not hold it"
        )
