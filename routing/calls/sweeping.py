"""What is done about calls that nobody carries: judged here, carried out by `sweep_call`, which checks everything again."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from psycopg.rows import TupleRow

from audit.log.entry import Entry
from routing.calls import questions
from routing.calls.pool import Database, ask, ask_all, seconds
from routing.calls.steps import expect

GRACE_SECONDS = 5.0
"""How long after its deadline a call that nobody has is ended."""
LIVE_GRACE_SECONDS = 30.0
"""The same for a call whose worker is alive: it should have ended it itself."""
BATCH = 200

Verdict = Literal["wake", "again", "failed", "cancelled", "leave"]


@dataclass(frozen=True, slots=True)
class Found:
    """An open call that needs somebody. `lost`: its worker was buried; `overdue` is below zero before the deadline."""

    call: UUID
    tenant: str
    state: str
    worker: UUID | None
    lost: bool
    overdue: timedelta
    cancelled: bool
    relayed: bool
    lost_retries: int
    waiting: timedelta
    stream: bool
    reply_to: UUID | None
    dialect: str
    open_nos: tuple[int, ...]
    open_states: tuple[str, ...]

    def becomes(self) -> tuple[str, ...]:
        """What each open attempt turns into when its worker is given up."""
        return tuple("voided" if state == "reserved" else "unknown" for state in self.open_states)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What to do, and the code that the call's row gets when it ends."""

    verdict: Verdict
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One judgement to carry out. `attempts` has the entry of each open attempt (`attempt.voided`, `.unknown`), in order."""

    found: Found
    judgement: Judgement
    attempts: Sequence[Entry] = ()
    entry: Entry | None = None

    def __post_init__(self) -> None:
        for becomes, entry in zip(self.found.becomes(), self.attempts, strict=True):
            expect(entry, f"attempt.{becomes}", self.found.call)
        if self.judgement.verdict in {"failed", "cancelled"}:
            if self.entry is None:
                raise ValueError("a call does not end without its entry")
            expect(self.entry, f"call.{self.judgement.verdict}", self.found.call)


@dataclass(frozen=True, slots=True)
class Unknown:
    """An attempt whose cost nobody knows, holding `reserved_nano` since `unknown_at`."""

    call: UUID
    tenant: str
    no: int
    reserved_nano: int
    unknown_at: datetime


def judge(found: Found) -> Judgement:
    """Pure. Cancel what somebody wants cancelled; end what is overdue; give back what may be tried again; else it failed."""
    overdue = found.overdue.total_seconds() >= grace_of(found)
    carried = found.worker is not None and not found.lost
    if found.cancelled and (overdue or not carried):
        return Judgement("cancelled", "cancelled")
    if overdue:
        return Judgement("failed", "deadline_exceeded")
    if carried:
        return Judgement("leave")
    if found.worker is None:
        return Judgement("wake")
    if not found.relayed and (found.lost_retries > 0 or not found.open_nos):
        return Judgement("again")
    return Judgement("failed", "worker_lost")


def grace_of(found: Found) -> float:
    """The grace under which `judge` ended it; `sweep_call` checks with the same."""
    return GRACE_SECONDS if found.worker is None or found.lost else LIVE_GRACE_SECONDS


async def sweep_find(db: Database, *, limit: int = BATCH) -> list[Found]:
    """Open calls without a worker, with a lost one, or past their deadline; oldest first, no lock taken."""
    rows = await ask_all(db, questions.SWEEP_FIND, (seconds(GRACE_SECONDS), limit))
    return [_found(row) for row in rows]


def _found(row: TupleRow) -> Found:
    fields: dict[str, Any] = dict(zip(_FIELDS, row, strict=True))
    fields["open_nos"], fields["open_states"] = tuple(row[-2]), tuple(row[-1])
    return Found(**fields)


_FIELDS = tuple(field.name for field in dataclasses.fields(Found))


async def sweep_call(db: Database, sweep: Sweep) -> bool:
    """Carry out `again`, `failed` or `cancelled`. False: somebody was first, or holds the row; nothing was written."""
    found, judgement, entry = sweep.found, sweep.judgement, sweep.entry
    params = (
        found.call,
        found.worker,
        *questions.NOT_DECIDED,
        judgement.verdict,
        judgement.code,
        seconds(grace_of(found)),
        list(found.open_nos),
        list(found.becomes()),
        [e.id for e in sweep.attempts],
        [e.body for e in sweep.attempts],
        *(questions.NO_ENTRY if entry is None else (entry.id, entry.body)),
    )
    answer, _state = await ask(db, questions.SWEEP, params)
    return bool(answer == judgement.verdict)


async def reconcile_find(db: Database, *, age: timedelta, limit: int = BATCH) -> list[Unknown]:
    """Attempts that have been unknown for longer than `age`, oldest first."""
    return [Unknown(*row) for row in await ask_all(db, questions.RECONCILE_FIND, (age, limit))]


async def idempotency_expire(db: Database, *, limit: int = 1000, rounds: int = 10_000) -> int:
    """Delete Idempotency-Keys that mean nothing any more, `limit` to a transaction until none is left; how many."""
    gone = 0
    for _ in range(rounds):
        (some,) = await ask(db, "SELECT idempotency_expire(%s::int)", (limit,))
        gone += int(some)
        if some < limit:
            break
    return gone
