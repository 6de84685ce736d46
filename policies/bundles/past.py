"""Documents as they were written at any revision, from their history."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from policies.bundles.models import Document
from policies.bundles.ownership import digest_of
from policies.documents.document import Identity


@dataclass(frozen=True, slots=True)
class Version:
    """One step of a document's history. `source` is the YAML after it; what was deleted is the text before."""

    number: int
    revision: int
    what: str
    actor: str
    origin: str
    at: datetime
    source: str


_LOOKED_AT = 200
_WHAT = {"+": "created", "~": "changed", "-": "deleted"}


def sources_at(revision: int) -> dict[Identity, str]:
    """The YAML of every document that was in force at a revision."""
    past: Any = Document.history
    rows = (
        past.filter(revision__lte=revision)
        .order_by("kind", "tenant", "name", "-history_id")
        .distinct("kind", "tenant", "name")
        .values_list("kind", "tenant", "name", "history_type", "source")
    )
    return {(k, t, n): source for k, t, n, what, source in rows if what != "-"}


def some_at(revision: int, wanted: Collection[Identity]) -> dict[Identity, str]:
    """The same for some identities."""
    found: dict[Identity, str] = {}
    past: Any = Document.history
    for kind, tenant, name in wanted:
        row = (
            past.filter(kind=kind, tenant=tenant, name=name, revision__lte=revision)
            .order_by("-history_id")
            .values_list("history_type", "source")
            .first()
        )
        if row is not None and row[0] != "-":
            found[kind, tenant, name] = row[1]
    return found


def with_digest(identity: Identity, digest: str) -> str | None:
    """The newest text of a document that has this digest; None where none of its versions does."""
    kind, tenant, name = identity
    past: Any = Document.history
    rows = past.filter(kind=kind, tenant=tenant, name=name).order_by("-history_id")
    texts = rows.values_list("source", flat=True)[:_LOOKED_AT]
    return next((text for text in texts if digest_of(text) == digest), None)


def number_at(identity: Identity, revision: int) -> int | None:
    """The number of the version in force at a revision; None where there was none."""
    kind, tenant, name = identity
    past: Any = Document.history
    row = (
        past.filter(kind=kind, tenant=tenant, name=name, revision__lte=revision)
        .order_by("-history_id")
        .values_list("history_type", "history_id")
        .first()
    )
    return None if row is None or row[0] == "-" else int(row[1])


def versions(identity: Identity) -> Iterator[Version]:
    """Every version, newest first."""
    kind, tenant, name = identity
    past: Any = Document.history
    for row in past.filter(kind=kind, tenant=tenant, name=name).order_by("-history_id"):
        yield Version(
            number=row.history_id,
            revision=row.revision,
            what=_WHAT[row.history_type],
            actor=row.actor,
            origin=row.origin,
            at=row.history_date,
            source=row.source,
        )
