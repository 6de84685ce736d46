"""Read the log: pages for an explorer, one entry with its proof, and how the log is doing. Who may read is asked above."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, F, Func, OuterRef, QuerySet, Subquery, TextField, Value
from django.db.models.functions import Concat

from audit.log.kinds import KINDS, EntryKind, Group, of_group
from audit.log.models import Entry, Leaf
from audit.log.tiles import TileReader
from audit.merkle.proof import ProofFile, inclusion
from audit.merkle.tiles import Nodes
from controlplane.kernel.ids import uuid7_floor, uuid7_time

LOG = 1
PAGE = 50
STALE_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Filter:
    """What to look for. `tenants` None means all; an empty one means none. Times are those of the entries' ids."""

    tenants: frozenset[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    actor_kind: str = ""
    groups: tuple[Group, ...] = ()
    subject: str = ""
    call: UUID | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as a person reads it. `index` is None until the sequencer has placed it."""

    id: UUID
    at: datetime
    recorded_at: datetime
    kind: EntryKind
    actor: str
    tenant: str
    call: UUID | None
    subject: str
    data: dict[str, Any]
    index: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """Lines, newest first, and the id to pass as `before` for the next page (None at the end)."""

    lines: tuple[Line, ...]
    next_before: UUID | None


@dataclass(frozen=True, slots=True)
class Proven:
    """One entry, its exact bytes, and its proof against the newest checkpoint; None while it has no place yet."""

    line: Line
    body: bytes
    leaf_hash: bytes | None
    proof: ProofFile | None


@dataclass(frozen=True, slots=True)
class Told:
    """One entry with its exact bytes."""

    line: Line
    body: bytes


@dataclass(frozen=True, slots=True)
class LogState:
    """How the log is doing. `outside` counts entries older than a minute without a place: it must be 0."""

    size: int
    checkpoints: int
    checkpoint: str
    signed_at: datetime | None
    waiting: int
    lag_seconds: float
    outside: int


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """What the log's own checks say (`audit.watch`): when the last one was, when one last held, and when all of it last did."""

    checked_at: datetime
    held_at: datetime | None
    whole_held_at: datetime | None
    findings: tuple[str, ...]
    acknowledged: tuple[str, ...] = ()
    """What they still find, and somebody has acknowledged: named, no alarm."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, by day and by night."""
        return not self.findings

    def stale(self, now: datetime) -> bool:
        """Whether the check of every minute has not come for several."""
        return now - self.checked_at > STALE_AFTER


_Found = tuple[UUID, UUID | None, datetime, str, str, bytes]
"""An entry's id, call, moment of recording, kind, tenant and body."""
_PROVEN = """
SELECT e.id, e.call, e.recorded_at, e.kind, e.tenant, e.body, l.index, l.hash, c.size, c.note, s.size, s.open_tiles
  FROM audit_entry e
  LEFT JOIN audit_leaf l ON l.entry = e.id
  LEFT JOIN LATERAL (
    SELECT size, note FROM audit_checkpoint WHERE log = e.log ORDER BY seq DESC LIMIT 1) c ON true
  LEFT JOIN audit_tree_state s ON s.log = e.log
 WHERE e.id = %s AND (%s::text[] IS NULL OR e.tenant = ANY (%s::text[]))
"""
_STATE = """
SELECT c.size, c.seq, c.note, c.signed_at, w.waiting, w.lag, o.outside
  FROM (SELECT count(*) AS waiting, coalesce(extract(epoch FROM clock_timestamp() - min(e.recorded_at)), 0) AS lag
          FROM audit_tree_state s JOIN audit_entry e ON e.log = s.log AND e.xid >= s.horizon WHERE s.log = %(log)s) w,
       (SELECT count(*) AS outside FROM audit_entry e
         WHERE id >= uuid7_floor(now() - interval '10 minutes') AND recorded_at < now() - interval '1 minute'
           AND NOT EXISTS (SELECT FROM audit_leaf WHERE entry = e.id)) o
  LEFT JOIN LATERAL (
    SELECT size, seq, note, signed_at FROM audit_checkpoint WHERE log = %(log)s ORDER BY seq DESC LIMIT 1) c ON true
"""
_CHECKED = """
SELECT (SELECT signed_at FROM audit_checkpoint WHERE log = %(log)s ORDER BY seq DESC LIMIT 1),
       r.checked_at, r.held_at, r.findings, w.held_at, w.findings,
       ARRAY(SELECT finding FROM audit_acknowledged WHERE log = %(log)s ORDER BY at)
  FROM (SELECT) one
  LEFT JOIN audit_verified r ON r.log = %(log)s AND r.scope = 'recent'
  LEFT JOIN audit_verified w ON w.log = %(log)s AND w.scope = 'whole'
"""


def page(wanted: Filter, *, before: UUID | None = None, limit: int = PAGE) -> Page:
    """Return up to `limit` entries older than `before`, newest first."""
    found = _placed(matching(wanted))
    if before is not None:
        found = found.filter(id__lt=before)
    rows = list(found.order_by("-id")[: limit + 1])
    lines = tuple(_lines(rows[:limit]))
    return Page(lines, rows[limit - 1].id if len(rows) > limit else None)


def number(wanted: Filter, size: int) -> int:
    """How many entries pass the filter and have their place below `size`."""
    return _below(wanted, size).count()


def oldest(wanted: Filter, size: int, after: UUID | None, limit: int) -> tuple[Told, ...]:
    """Up to `limit` of them after an entry, oldest first."""
    found = _placed(_below(wanted, size))
    if after is not None:
        found = found.filter(id__gt=after)
    rows = list(found.order_by("id")[:limit])
    return tuple(Told(line, bytes(row.body)) for line, row in zip(_lines(rows), rows, strict=True))


def of_call(call: UUID) -> tuple[Line, ...]:
    """Return a call's entries in the order in which they were made."""
    return tuple(_lines(list(_placed(Entry.objects.filter(call=call)).order_by("id"))))


def of_calls(
    calls: "QuerySet[Any, UUID]", kinds: Sequence[str], span: tuple[datetime, datetime]
) -> Iterator[Line]:
    """Entries of some kinds of these calls, in the order in which they were made, from one moment to another; unplaced."""
    rows = Entry.objects.filter(
        call__in=calls, kind__in=kinds, id__gte=uuid7_floor(span[0]), id__lt=uuid7_floor(span[1])
    )
    for row in rows.order_by("id").iterator():
        yield _line(
            (row.id, row.call, row.recorded_at, row.kind, row.tenant, bytes(row.body)), None
        )


def entry(identity: UUID, tenants: frozenset[str] | None = None) -> Proven | None:
    """Return one entry with its proof, in two queries; None when there is none of this id in these tenants (None: all)."""
    places = None if tenants is None else sorted(tenants)
    with connection.cursor() as cursor:
        cursor.execute(_PROVEN, [identity, places, places])
        row = cursor.fetchone()
        if row is None:
            return None
        found, (index, leaf_hash, size, note, tree_size, tiles) = row[:6], row[6:]
        body = bytes(row[5])
        proof = None
        if index is not None and size is not None and index < size:
            reader = TileReader(cursor, LOG, (tree_size, tiles))
            reader.fetch(index, size)
            proof = ProofFile(index, tuple(inclusion(Nodes(reader), index, size)), note)
    return Proven(_line(found, index), body, bytes(leaf_hash) if leaf_hash else None, proof)


def state() -> LogState:
    """Return the state of the log; cheap enough for a page (the count of `outside` looks at the last ten minutes)."""
    with connection.cursor() as cursor:
        cursor.execute(_STATE, {"log": LOG})
        size, seq, note, signed_at, waiting, lag, outside = cursor.fetchone()
    if size is None:
        return LogState(0, 0, "", None, waiting, float(lag), outside)
    return LogState(size, seq + 1, note, signed_at, waiting, float(lag), outside)


def checked() -> tuple[SelfCheck | None, datetime | None]:
    """Return what the log's own checks found last (None before the first), and when the newest checkpoint was signed."""
    with connection.cursor() as cursor:
        cursor.execute(_CHECKED, {"log": LOG})
        signed_at, checked_at, held_at, recent, whole_held_at, whole, known = cursor.fetchone()
    if checked_at is None:
        return None, signed_at
    every = dict.fromkeys([*recent, *(whole or ())])
    findings = tuple(one for one in every if one not in known)
    return SelfCheck(checked_at, held_at, whole_held_at, findings, tuple(known)), signed_at


def matching(wanted: Filter) -> "QuerySet[Entry]":
    """Return the entries that pass the filter, in no order."""
    found = Entry.objects.all()
    if wanted.tenants is not None:
        found = found.filter(tenant__in=wanted.tenants)
    if wanted.since is not None:
        found = found.filter(id__gte=uuid7_floor(wanted.since))
    if wanted.until is not None:
        found = found.filter(id__lt=uuid7_floor(wanted.until))
    if wanted.call is not None:
        found = found.filter(call=wanted.call)
    if wanted.groups:
        kinds = [name for group in wanted.groups for name in of_group(group)]
        found = found.filter(kind__in=kinds)
        if all(KINDS[name].of_call.value == "never" for name in kinds):
            found = found.filter(call=None)  # the index of acts
    return _matching_body(found, wanted)


def _below(wanted: Filter, size: int) -> "QuerySet[Entry]":
    return matching(wanted).filter(
        Exists(Leaf.objects.filter(entry=OuterRef("pk"), index__lt=size))
    )


def _matching_body(found: "QuerySet[Entry]", wanted: Filter) -> "QuerySet[Entry]":
    """Look into the canonical bytes, which spell a member of the outermost object in one way only."""
    if not (wanted.actor_kind or wanted.subject):
        return found
    text = Func(F("body"), Value("UTF8"), function="convert_from", output_field=TextField())
    found = found.alias(text=text)
    if wanted.actor_kind:
        found = found.filter(text__startswith=f'{{"actor":{_quoted(wanted.actor_kind + ":")[:-1]}')
    if wanted.subject:
        ending = f',"subject":{_quoted(wanted.subject)},"tenant":"'
        whole = Concat(Value(ending), F("tenant"), Value('"}'), output_field=TextField())
        found = found.filter(text__endswith=whole)
    return found


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _placed(found: "QuerySet[Entry]") -> "QuerySet[Entry]":
    """With the place in the tree, so that a list of entries is one query."""
    place = Leaf.objects.filter(entry=OuterRef("pk")).values("index")[:1]
    return found.annotate(place=Subquery(place))


def _lines(rows: Sequence[Entry]) -> Iterator[Line]:
    for row in rows:
        found = row.id, row.call, row.recorded_at, row.kind, row.tenant, bytes(row.body)
        yield _line(found, vars(row)["place"])


def _line(found: _Found, index: int | None) -> Line:
    identity, call, recorded_at, kind, tenant, body = found
    said = json.loads(body)
    return Line(
        id=identity,
        at=uuid7_time(identity),
        recorded_at=recorded_at,
        kind=KINDS[kind],
        actor=said["actor"],
        tenant=tenant,
        call=call,
        subject=said["subject"],
        data=said["data"],
        index=index,
    )
