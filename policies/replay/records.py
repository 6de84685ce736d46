"""The recorded decisions of a window, batch by batch in the order of their calls: never more than one batch is held."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec
from django.db.models import QuerySet

from controlplane.kernel.errors import Unavailable
from controlplane.kernel.ids import uuid7_floor
from policies.bundles.snapshot import bundle_at
from policies.decisions.models import Decision
from policies.engine.bundle import Bundle
from policies.replay.answers import Spoken
from policies.replay.values import Answer, Attempted, Batch, Given, Read
from policies.replay.words import Asked

ROWS: Final = 2000
"""Records that one reading takes."""
_COLUMNS: Final = ("call", "no", "stage", "revision", "tenant", "facts")
_KEPT_BUNDLES: Final = 4
SHADOW: Final = b'"shadow":{'
"""In the bytes of facts, of shadow runs alone: no name in them has an object for its value, and quotes in words are escaped."""


class World(Protocol):
    """What lies beyond policy: what calls used and what their answers said."""

    def attempts(self, calls: Sequence[UUID]) -> Mapping[UUID, Sequence[Attempted]]:
        """What each attempt of these calls used, where it is known."""

    def said(self, call: UUID, no: int) -> Spoken | None:
        """What the answer weighed under a number said; 0: what the caller got. None where it is gone."""

    def asked(self, calls: Sequence[UUID]) -> Mapping[UUID, Asked]:
        """What the requests of these calls named; without those that were denied, or erased."""


@dataclass(frozen=True, slots=True)
class Window:
    """Whose decisions, from when until when: of one tenant, or (tenant "") of all."""

    tenant: str
    since: datetime
    until: datetime


def of(window: Window) -> "QuerySet[Decision]":
    """The records of a window; partitions outside of it are not touched."""
    rows = Decision.objects.filter(
        call__gte=uuid7_floor(window.since), call__lt=uuid7_floor(window.until)
    )
    # INVARIANT: one tenant's replay never reads another's records
    return rows.filter(tenant=window.tenant) if window.tenant else rows


@dataclass(slots=True)
class Reader:
    """Reads a window. What the rules of each past revision read is asked once, and only that is kept of it."""

    window: Window
    world: World
    rows: int = ROWS
    _reads: dict[tuple[int, str], Read | None] = field(default_factory=dict)
    _bundles: dict[int, Bundle | None] = field(default_factory=dict)

    def batches(self, after: UUID | None = None) -> Iterator[tuple[Batch, UUID]]:
        """Each batch with the last call in it, from the one after a call on. A call is never cut in two."""
        while True:
            rows = self._next(after)
            if not rows:
                return
            whole = len(rows) < self.rows
            kept = rows if whole else _without_last(rows)
            after = kept[-1][0]
            yield self._batch(kept), after
            if whole:
                return

    def _next(self, after: UUID | None) -> list[tuple[Any, ...]]:
        rows = of(self.window)
        if after is not None:
            rows = rows.filter(call__gt=after)
        return list(rows.order_by("call", "no").values_list(*_COLUMNS)[: self.rows])

    def _batch(self, rows: Sequence[tuple[Any, ...]]) -> Batch:
        found, reads, places = [], list[Read](), dict[tuple[int, str], int]()
        used = self.world.attempts(list(dict.fromkeys(row[0] for row in rows)))
        for call, group in groupby(rows, key=lambda row: row[0]):
            given = _given(call, list(group), tuple(used.get(call, ())))
            if given is None:
                continue
            key = (given.revision, given.tenant)
            if key not in places:
                read = self._read(*key)
                places[key] = len(reads) if read else -1
                reads += [read] if read else []
            found.append(msgspec.structs.replace(given, reads=places[key]))
        return Batch(tuple(reads), tuple(found))

    def _read(self, revision: int, tenant: str) -> Read | None:
        key = (revision, tenant)
        if key not in self._reads:
            bundle = self._bundle(revision)
            self._reads[key] = Read.of(bundle.scope(tenant).reads) if bundle else None
        return self._reads[key]

    def _bundle(self, revision: int) -> Bundle | None:
        if revision not in self._bundles:
            if len(self._bundles) >= _KEPT_BUNDLES:
                self._bundles.clear()
            try:
                self._bundles[revision] = bundle_at(revision)
            except Unavailable:
                self._bundles[revision] = None
        return self._bundles[revision]


def _without_last(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """All but the last call, of which there may be more; a call with more records than a batch is taken as it is."""
    last = rows[-1][0]
    return [row for row in rows if row[0] != last] or rows


def _given(
    call: UUID, rows: Sequence[tuple[Any, ...]], used: tuple[Attempted, ...]
) -> Given | None:
    """A call by its last decision before models. None where that was not recorded (there is no such call), and for a shadow run.

    What a draft would do with those is no caller's loss.
    """
    asked = [row for row in rows if row[2] == "request"]
    if not asked:
        return None
    _, _, _, revision, tenant, facts = asked[-1]
    if SHADOW in bytes(facts):
        return None
    return Given(
        call=call.bytes,
        revision=revision,
        tenant=tenant,
        facts=bytes(facts),
        reads=-1,
        records=len(rows),
        answers=tuple(
            Answer(no, bytes(said)) for _, no, stage, _, _, said in rows if stage != "request"
        ),
        attempts=used,
    )
