"""What is published, for people: the documents of the bundle in force as plain values. No decision is made from these.

A process keeps the last bundle it read; one small query says whether it still is the one in force.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from controlplane.kernel.principal import ORGANISATION
from policies.bundles.models import Bundle
from policies.bundles.snapshot import stored_at
from policies.documents.kinds import KINDS
from policies.order.lock import in_force, mandate_now

_cached: "dict[int, Published]" = {}


@dataclass(frozen=True, slots=True)
class Governed:
    """One published document. `tenant` is "" for the organisation's own; `spec` has every default written out."""

    kind: str
    tenant: str
    name: str
    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]

    @property
    def title(self) -> str:
        """`insurance / claims-triage`, or the bare name."""
        return f"{self.tenant} / {self.name}" if self.tenant else self.name


@dataclass(frozen=True, slots=True)
class Published:
    """One revision. Before `init` there is none: revision 0, no documents."""

    revision: int
    digest: str
    engine: int
    actor: str
    flagged: bool
    published_at: datetime | None
    documents: tuple[Governed, ...]

    def of(self, kind: str) -> Iterator[Governed]:
        """Every document of a kind, sorted by tenant and name."""
        return (document for document in self.documents if document.kind == kind)

    def find(self, kind: str, tenant: str, name: str) -> Governed | None:
        """The document that a reference from `tenant` means: its own first, then the organisation's."""
        for place in (tenant, ORGANISATION):
            for document in self.of(kind):
                if (document.tenant, document.name) == (place, name):
                    return document
        return None

    def exists(self, kind: str, tenant: str, name: str) -> bool:
        """Whether exactly this identity is published."""
        return any((d.tenant, d.name) == (tenant, name) for d in self.of(kind))

    @property
    def organisation(self) -> Mapping[str, Any]:
        """The Organisation's spec; empty before `init`."""
        return next((document.spec for document in self.of("Organisation")), {})

    @property
    def organisation_name(self) -> str:
        """How the organisation is shown."""
        found = next(self.of("Organisation"), None)
        if found is None:
            return "not initialised"
        return str(found.metadata.get("description") or found.name.replace("-", " ").title())

    @property
    def currency(self) -> str:
        """The organisation's currency."""
        return str(self.organisation.get("currency", "EUR"))

    @property
    def zone(self) -> ZoneInfo:
        """The organisation's time zone."""
        return ZoneInfo(str(self.organisation.get("timeZone", "UTC")))

    @property
    def single_operator(self) -> bool:
        """Whether one person may do what otherwise takes two."""
        return self.organisation.get("mode") == "single-operator"


NOTHING = Published(0, "", 0, "", flagged=False, published_at=None, documents=())


_seen: ContextVar[tuple[Published, datetime] | None] = ContextVar("published", default=None)


@contextmanager
def one_reading() -> Iterator[Published]:
    """What is in force now, asked once: for a request that changes nothing, whatever it asks again."""
    revision, at = in_force()
    found = at_revision(revision) or NOTHING
    token = _seen.set((found, at))
    try:
        yield found
    finally:
        _seen.reset(token)


def published() -> Published:
    """What is in force now."""
    seen = _seen.get()
    return seen[0] if seen is not None else at_revision(in_force()[0]) or NOTHING


def moment() -> datetime:
    """PostgreSQL's clock; in `one_reading` the moment at which that was made. For what is shown, never for a command."""
    seen = _seen.get()
    return seen[1] if seen is not None else mandate_now()


def at_revision(revision: int) -> Published | None:
    """One revision, or None when there is no such. Raises BundleRefused where it is not what was published."""
    found = _cached.get(revision)
    if found is None:
        row = Bundle.objects.defer("checked", "text").filter(revision=revision).first()
        if row is None:
            return None
        found = _read(row, stored_at(revision).text)
        if len(_cached) >= 8:
            _cached.clear()
        _cached[revision] = found
    return found


def _read(row: Bundle, text: bytes) -> Published:
    content = json.loads(text)
    documents = sorted(
        (_document(value) for value in content["documents"]),
        key=lambda document: (document.kind, document.tenant, document.name),
    )
    return Published(
        revision=row.revision,
        digest=bytes(row.digest).hex(),
        engine=row.engine,
        actor=row.actor,
        flagged=row.flagged,
        published_at=row.published_at,
        documents=tuple(documents),
    )


def _document(value: Mapping[str, Any]) -> Governed:
    metadata = value.get("metadata", {})
    return Governed(
        kind=value["kind"],
        tenant=metadata.get("tenant", ORGANISATION),
        name=metadata["name"],
        metadata=metadata,
        spec=KINDS[value["kind"]].filled(value["spec"]),
    )
