"""Admissions that would wait for each other go in together: one statement, one commit, each with an answer of its own.

A hot budget's row is held until its commit is on disk, so one admission a commit is all that it can take. While one is on its
way, those that come queue; then all of them go as one. Nobody waits for others to come: a lone admission goes at once.

Each tenant has a lane of its own, and its share of the connections: a row that is held for long holds up nobody else.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass, field
from time import monotonic
from uuid import UUID

import psycopg
from psycopg.errors import LockNotAvailable, QueryCanceled
from psycopg_pool import PoolTimeout

from routing.calls import answers, questions
from routing.calls.admitting import AdmitAnswer, admission_row, admit
from routing.calls.pool import Database, LostRace, ask, seconds
from routing.calls.shares import Shares
from routing.calls.steps import Admission

MOST = 16
"""Admissions in one batch."""
MOST_BYTES = 256 * 1024
"""What the sealed requests of one batch may come to."""
LARGE_BYTES = 64 * 1024
"""An admission with more than this goes by itself."""
_IN_VAIN = (PoolTimeout, LockNotAvailable, QueryCanceled)
"""Somebody waited for a connection or a row as long as anybody may; nothing was written."""


@dataclass(slots=True)
class _Batch:
    """Those that wait for the same commit, by call, in the order in which they came."""

    waiting: dict[UUID, Admission] = field(default_factory=dict)
    size_bytes: int = 0
    since: float = field(default_factory=monotonic)
    sent: "asyncio.Task[dict[UUID, AdmitAnswer]]" = field(init=False)

    def takes(self, admission: Admission) -> bool:
        return (
            len(self.waiting) < MOST
            and self.size_bytes + _size(admission) <= MOST_BYTES
            and admission.asked.call not in self.waiting
        )


class Admissions:
    """The one way in of a process: `admit`, by the lane of the tenant."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._shares = Shares(db)
        self._lanes: dict[str, _Lane] = {}

    async def admit(self, admission: Admission) -> AdmitAnswer:
        """As `admitting.admit`, and with its answers and errors. Raises also what ended a wait in vain for a row."""
        tenant = admission.asked.tenant
        lane = self._lanes.get(tenant)
        if lane is None:
            lane = self._lanes[tenant] = _Lane(self._db, self._shares, tenant)
        lane.inside += 1
        try:
            return await lane.admit(admission)
        finally:
            lane.inside -= 1
            if not lane.inside:
                del self._lanes[tenant]


class _Lane:
    """Where one tenant's admissions wait for each other, and for nobody else's."""

    def __init__(self, db: Database, shares: Shares, tenant: str) -> None:
        self.inside = 0
        self._db, self._shares, self._tenant = db, shares, tenant
        self._turn = asyncio.Semaphore(1)
        self._last: _Batch | None = None
        self._in_vain_at = 0.0

    async def admit(self, admission: Admission) -> AdmitAnswer:
        if not _shares(admission):
            return await self._by_itself(admission)
        if not self._turn.locked():
            async with self._turn:
                return await self._by_itself(admission)
        answer = await self._with_others(admission)
        # INVARIANT: a refusal is always the answer of `admit` itself
        return await self._by_itself(admission) if answer is None else answer

    async def _by_itself(self, admission: Admission) -> AdmitAnswer:
        async with self._place(monotonic()):
            return await admit(self._db, admission)

    async def _with_others(self, admission: Admission) -> AdmitAnswer | None:
        call, batch = admission.asked.call, self._last
        if batch is None or not batch.takes(admission):
            batch = self._last = _Batch()
            # it is nobody's call alone: no span is around it, and nobody who leaves takes it along
            batch.sent = asyncio.create_task(self._send(batch), context=Context())
        batch.waiting[call] = admission
        batch.size_bytes += _size(admission)
        try:
            return (await asyncio.shield(batch.sent)).get(call)
        finally:
            # who leaves before it is sent is not let in
            batch.waiting.pop(call, None)

    async def _send(self, batch: _Batch) -> dict[UUID, AdmitAnswer]:
        async with self._turn, self._place(batch.since):
            if self._last is batch:
                self._last = None
            return await _admit_all(self._db, list(batch.waiting.values()))

    @asynccontextmanager
    async def _place(self, since: float) -> AsyncIterator[None]:
        """Room for one statement. Raises PoolTimeout for who waited here while somebody waited for PostgreSQL in vain."""
        async with self._shares.of(self._tenant):
            if since < self._in_vain_at:
                raise PoolTimeout("those before waited in vain")
            try:
                yield
            except _IN_VAIN:
                # who came meanwhile does not wait as long again, one after the other
                self._in_vain_at = monotonic()
                raise


async def _admit_all(db: Database, admissions: list[Admission]) -> dict[UUID, AdmitAnswer]:
    """The answers by call; who is not among them asks alone. Raises what ended a wait in vain: nobody is let in."""
    if len(admissions) < 2:
        return {one.asked.call: await admit(db, one) for one in admissions}
    try:
        return await admit_together(db, admissions)
    except _IN_VAIN:
        raise
    except (LostRace, psycopg.Error):
        # INVARIANT: what is in doubt is asked again with the same ids, and one that cannot be fails alone
        return {}


async def admit_together(db: Database, admissions: list[Admission]) -> dict[UUID, AdmitAnswer]:
    """Let in all against whom nothing stands, in one commit; nothing is written for the others, who are not in the answer.

    Raises LostRace and psycopg's errors: then none of them is in, or it is in doubt.
    """
    columns = zip(*(admission_row(one) for one in admissions), strict=True)
    params = [list(column) for column in columns]
    places, moment = await ask(db, questions.ADMIT_TOGETHER, params, patience_seconds=0)
    return {
        one.call: answers.Admitted(one.call, moment, moment + seconds(one.deadline_seconds))
        for one in (admissions[place - 1].asked for place in places)
    }


def _shares(admission: Admission) -> bool:
    """Whether it may go with others: with an Idempotency-Key it may have to wait, without a reservation it is held."""
    return (
        admission.asked.idempotency is None
        and admission.reservation is not None
        and _size(admission) <= LARGE_BYTES
    )


def _size(admission: Admission) -> int:
    sealed = 0 if admission.request is None else len(admission.request.ciphertext)
    return sealed + len(admission.decision.facts) + len(admission.entry.body)
