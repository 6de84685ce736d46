"""What is done about calls that nobody carries: lost leases, lost messages, passed deadlines, unknown attempts.

Every worker sweeps each second, and web does while no worker lives. Any number may run at once: judgements are made from
a look without locks, and carried out under the call's row lock, where everything is checked again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from prometheus_client import Counter

from audit.log.entry import Entry, build
from controlplane.kernel.clock import Clock
from routing.calls import commands, steps
from routing.calls.pool import Database
from routing.calls.sweeping import Found, Judgement

log = structlog.get_logger(__name__)

LEASE_SECONDS = 5.0
RETURN_SECONDS = 20.0
"""After PostgreSQL's start nobody is declared lost: it recovers first, and its clients come back within seconds of that."""
WAITING_SECONDS = 1.0
"""A call younger than this is still on its way through Redis."""
LONGEST_PAUSE_SECONDS = 48.0
UNKNOWN_FOR = timedelta(hours=72)

swept = Counter("mandate_swept_total", "What the sweep did", ["verdict"])


@dataclass(slots=True)
class _Woken:
    """When a waiting call is woken next: `waiting` counts from its admission."""

    due_seconds: float
    pause_seconds: float


class Sweeper:
    """One per process. It remembers whom it woke, so that a long queue is not rung for at every pass."""

    def __init__(self, db: Database, new_id: Callable[[], UUID], clock: Clock) -> None:
        self._db = db
        self._new_id = new_id
        self._clock = clock
        self._woken: dict[UUID, _Woken] = {}

    async def once(self) -> list[UUID]:
        """Bury the lost, end what is over, and return the calls that wait for a worker."""
        for worker in await commands.bury(self._db, ttl_seconds=RETURN_SECONDS):
            log.error("sweep.buried", worker=worker.hex)
        found = await commands.sweep_find(self._db)
        self._forget({one.call for one in found})
        return [one.call for one in found if await self._needs_worker(one)]

    async def reconcile(self, age: timedelta = UNKNOWN_FOR) -> int:
        """Post what is unknown for longer than `age` at what it reserved; how many."""
        lost = await commands.reconcile_find(self._db, age=age)
        for one in lost:
            data: dict[str, object] = {
                "no": one.no,
                "amount": str(one.reserved_nano),
                "basis": "reserve",
            }
            settlement = steps.Settlement(
                call=one.call,
                no=one.no,
                was="unknown",
                becomes="reconciled",
                entry=self._entry("attempt.reconciled", one.call, one.tenant, data),
                amount_nano=one.reserved_nano,
                basis="reserve",
                error_class="worker_lost",
            )
            await commands.settle_attempt(self._db, settlement)
        return len(lost)

    async def _needs_worker(self, found: Found) -> bool:
        judgement = commands.judge(found)
        match judgement.verdict:
            case "leave":
                return False
            case "wake":
                return self._wake(found)
        done = await self._carry_out(found, judgement)
        return done and judgement.verdict == "again"

    def _wake(self, found: Found) -> bool:
        waiting = found.waiting.total_seconds()
        woken = self._woken.setdefault(found.call, _Woken(WAITING_SECONDS, WAITING_SECONDS))
        if waiting < woken.due_seconds:
            return False
        woken.pause_seconds = min(woken.pause_seconds * 2, LONGEST_PAUSE_SECONDS)
        woken.due_seconds = waiting + woken.pause_seconds
        return True

    def _forget(self, waiting: set[UUID]) -> None:
        for call in self._woken.keys() - waiting:
            del self._woken[call]

    async def _carry_out(self, found: Found, judgement: Judgement) -> bool:
        """End the call, or give it back to the queue. False where somebody was first."""
        attempts = [
            self._entry(
                f"attempt.{becomes}", found.call, found.tenant, {"no": no, "reason": "swept"}
            )
            for no, becomes in zip(found.open_nos, found.becomes(), strict=True)
        ]
        entry = None
        if judgement.verdict in {"failed", "cancelled"}:
            data: dict[str, object] = {"code": judgement.code}
            entry = self._entry(f"call.{judgement.verdict}", found.call, found.tenant, data)
        sweep = commands.Sweep(found=found, judgement=judgement, attempts=attempts, entry=entry)
        done = await commands.sweep_call(self._db, sweep)
        if done:
            swept.labels(judgement.verdict).inc()
            log.warning(
                "sweep.did", call=found.call.hex, verdict=judgement.verdict, code=judgement.code
            )
        return done

    def _entry(self, kind: str, call: UUID, tenant: str, data: dict[str, object]) -> Entry:
        return build(
            kind,
            id=self._new_id(),
            at=self._clock(),
            actor="job:sweep",
            tenant=tenant,
            call=call,
            data=data,
        )
