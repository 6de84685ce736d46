"""Admissions that would wait for each other go in together: one statement, one commit, each with an answer of its own.

A hot budget's row is held until its commit is on disk, so one admission a commit is all that it can take. While one is on its
way, those that come queue; then all of them go as one. Nobody waits for others to come: a lone admission goes at once.
"""

import asyncio
from contextvars import Context
from dataclasses import dataclass, field
from time import monotonic
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from routing.calls import answers, questions
from routing.calls.admitting import AdmitAnswer, admission_row, admit
from routing.calls.pool import Database, LostRace, ask, seconds
from routing.calls.steps import Admission

MOST = 16
"""Admissions in one batch."""
MOST_BYTES = 256 * 1024
"""What the sealed requests of one batch may come to."""
LARGE_BYTES = 64 * 1024
"""An admission with more than this goes by itself."""


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
    """The one way in of a process: `admit`, and what waits there for each other."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._turn = asyncio.Semaphore(1)
        self._last: _Batch | None = None
        self._away_at = 0.0

    async def admit(self, admission: Admission) -> AdmitAnswer:
        """As `admitting.admit`, and with its answers and errors."""
        if not _shares(admission):
            return await admit(self._db, admission)
        if not self._turn.locked():
            return (await self._at_once([admission]))[admission.asked.call]
        answer = await self._with_others(admission)
        # INVARIANT: a refusal is always the answer of `admit` itself
        return await admit(self._db, admission) if answer is None else answer

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
        async with self._turn:
            if self._last is batch:
                self._last = None
            if batch.since < self._away_at:
                raise PoolTimeout("those before waited for a connection in vain")
            return await self._ask(list(batch.waiting.values()))

    async def _at_once(self, admissions: list[Admission]) -> dict[UUID, AdmitAnswer]:
        async with self._turn:
            return await self._ask(admissions)

    async def _ask(self, admissions: list[Admission]) -> dict[UUID, AdmitAnswer]:
        try:
            return await _admit_all(self._db, admissions)
        except PoolTimeout:
            # who came meanwhile does not wait as long again, one after the other
            self._away_at = monotonic()
            raise


async def _admit_all(db: Database, admissions: list[Admission]) -> dict[UUID, AdmitAnswer]:
    """The answers by call; who is not among them asks alone. Raises PoolTimeout, after which nothing was asked."""
    if len(admissions) < 2:
        return {one.asked.call: await admit(db, one) for one in admissions}
    try:
        return await admit_together(db, admissions)
    except PoolTimeout:
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
