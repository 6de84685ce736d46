"""Read the log: pages for an explorer, one entry with its proof, and how the log is doing. Who may read is asked above."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, Func, QuerySet, TextField, Value
from django.db.models.functions import Concat

from audit.log.kinds import KINDS, EntryKind, Group, of_group
from audit.log.models import Checkpoint, Entry, Leaf, Verified
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

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, by day and by night."""
        return not self.findings

    def stale(self, now: datetime) -> bool:
        """Whether the check of every minute has not come for several."""
        return now - self.checked_at > STALE_AFTER


def page(wanted: Filter, *, before: UUID | None = None, limit: int = PAGE) -> Page:
    """Return up to `limit` entries older than `before`, newest first."""
    found = matching(wanted)
    if before is not None:
        found = found.filter(id__lt=before)
    rows = list(found.order_by("-id")[: limit + 1])
    lines = tuple(_lines(rows[:limit]))
    return Page(lines, rows[limit - 1].id if len(rows) > limit else None)


def of_call(call: UUID) -> tuple[Line, ...]:
    """Return a call's entries in the order in which they were made."""
    return tuple(_lines(list(Entry.objects.filter(call=call).order_by("id"))))


def entry(identity: UUID) -> Proven | None:
    """Return one entry with its proof; None when there is none of this id."""
    row = Entry.objects.filter(id=identity).first()
    if row is None:
        return None
    line = next(_lines([row]))
    leaf = Leaf.objects.filter(entry=identity).first()
    head = _newest()
    proof = None
    if leaf is not None and head is not None and leaf.index < head.size:
        with connection.cursor() as cursor:
            path = inclusion(Nodes(TileReader(cursor, leaf.log)), leaf.index, head.size)
        proof = ProofFile(leaf.index, tuple(path), head.note)
    return Proven(line, bytes(row.body), bytes(leaf.hash) if leaf else None, proof)


def state() -> LogState:
    """Return the state of the log; cheap enough for a page (the count of `outside` looks at the last ten minutes)."""
    head = _newest()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(e.recorded_at)), 0)
            FROM audit_tree_state s JOIN audit_entry e ON e.log = s.log AND e.xid >= s.horizon WHERE s.log = %s
            """,
            [LOG],
        )
        waiting, lag = cursor.fetchone()
        cursor.execute(
            """
            SELECT count(*) FROM audit_entry e
            WHERE id >= uuid7_floor(now() - interval '10 minutes') AND recorded_at < now() - interval '1 minute'
              AND NOT EXISTS (SELECT FROM audit_leaf WHERE entry = e.id)
            """
        )
        outside = cursor.fetchone()[0]
    if head is None:
        return LogState(0, 0, "", None, waiting, float(lag), outside)
    return LogState(
        head.size, head.seq + 1, head.note, head.signed_at, waiting, float(lag), outside
    )


def self_check() -> SelfCheck | None:
    """Return what the log's own checks found last; None before the first."""
    rows = {row.scope: row for row in Verified.objects.filter(log=LOG)}
    recent, whole = rows.get("recent"), rows.get("whole")
    if recent is None:
        return None
    night = whole.findings if whole else []
    return SelfCheck(
        checked_at=recent.checked_at,
        held_at=recent.held_at,
        whole_held_at=whole.held_at if whole else None,
        findings=tuple(dict.fromkeys([*recent.findings, *night])),
    )


def signed_at() -> datetime | None:
    """Return when the newest checkpoint was signed; None before the first."""
    newest = Checkpoint.objects.filter(log=LOG).order_by("-seq").values_list("signed_at", flat=True)
    return newest.first()


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


def _lines(rows: Sequence[Entry]) -> Iterator[Line]:
    places = dict(
        Leaf.objects.filter(entry__in=[row.id for row in rows]).values_list("entry", "index")
    )
    for row in rows:
        said = json.loads(bytes(row.body))
        yield Line(
            id=row.id,
            at=uuid7_time(row.id),
            recorded_at=row.recorded_at,
            kind=KINDS[row.kind],
            actor=said["actor"],
            tenant=row.tenant,
            call=row.call,
            subject=said["subject"],
            data=said["data"],
            index=places.get(row.id),
        )


def _newest() -> Checkpoint | None:
    return Checkpoint.objects.filter(log=LOG).order_by("-seq").first()
