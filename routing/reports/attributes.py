"""What documents said of a tenant and of a route under any revision: cost centre, use case, task."""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controlplane.kernel.principal import ORGANISATION
from policies.bundles.models import Document

_Place = tuple[str, str, str]


@dataclass(slots=True)
class Timeline:
    """The versions of one document, oldest first; None from where it was deleted."""

    revisions: list[int] = field(default_factory=list)
    specs: list[Mapping[str, Any] | None] = field(default_factory=list)

    def at(self, revision: int) -> Mapping[str, Any] | None:
        """What it said under a revision; None before it was there and after it was deleted."""
        place = bisect_right(self.revisions, revision)
        return self.specs[place - 1] if place else None


@dataclass(frozen=True, slots=True)
class Attributes:
    """The versions there are. Without any, nothing is known."""

    timelines: Mapping[_Place, Timeline] = field(default_factory=dict)

    def cost_centre(self, tenant: str, revision: int) -> str:
        """That of the tenant then; "" where none was written."""
        spec = self._at(("Tenant", ORGANISATION, tenant), revision)
        return str((spec or {}).get("costCentre") or "")

    def of_route(self, tenant: str, route: str, revision: int) -> tuple[str, str]:
        """Use case and task of a route then: the tenant's own before the organisation's."""
        for place in (tenant, ORGANISATION):
            spec = self._at(("Route", place, route), revision)
            if spec is not None:
                return str(spec.get("useCase") or ""), str(spec.get("task") or "")
        return "", ""

    def _at(self, place: _Place, revision: int) -> Mapping[str, Any] | None:
        found = self.timelines.get(place)
        return found.at(revision) if found else None


def attributes() -> Attributes:
    """Read every version of tenants and routes, in one query."""
    past: Any = Document.history
    rows = (
        past.filter(kind__in=("Route", "Tenant"))
        .order_by("history_id")
        .values_list("kind", "tenant", "name", "revision", "history_type", "body")
    )
    found: dict[_Place, Timeline] = defaultdict(Timeline)
    for kind, tenant, name, revision, what, body in rows:
        line = found[kind, tenant, name]
        line.revisions.append(revision)
        line.specs.append(None if what == "-" else json.loads(body)["spec"])
    return Attributes(dict(found))
