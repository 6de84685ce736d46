"""One process of the chaos test: eight clients that make calls in every good and bad way, a sweeper, a heartbeat.

Run as `python -m tests.routing.calls.chaos_client DSN TENANT KEY WINDOWS SEED ACKNOWLEDGED`; it runs until it is killed. What was
acknowledged (the cost a finish or settlement answered with) is written down before the next step.
"""

import asyncio
import json
import sys
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg_pool import PoolTimeout

from routing.calls import commands
from routing.calls.pool import Database, open_pool
from routing.calls.steps import WindowRef
from routing.calls.sweeping import Unknown
from routing.ledger.settle import reconcile_due
from routing.reviews.holding import hold_call
from routing.reviews.steps import Decide, Opening
from tests.routing.reviews.asking import Taking, claim, decide, deciding, opening
from tests.routing.world import World

CLIENTS = 8
TTL_SECONDS = 1.5
UNKNOWN_HOURS = 0.6 / 3600
PATIENCE_SECONDS = 5.0
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)


class Client:
    """What the clients of one process share."""

    def __init__(
        self, world: World, windows: list[WindowRef], r: Random, acknowledged: Path
    ) -> None:
        self.world, self.db, self.r = world, world.db, r
        # as `Windows` gives them: in lock order, here as in a batch
        self.windows = sorted(windows, key=lambda w: (w.rank, w.id))
        self.admissions = commands.Admissions(world.db)
        self.acknowledged = acknowledged.open("a", buffering=1)

    def write(self, call: UUID, no: int, bill: int) -> None:
        self.acknowledged.write(json.dumps([call.hex, no, bill]) + "\n")

    def limits(self, revision: int) -> list[WindowRef]:
        """The last window's limit moves with every revision; all others stay."""
        *fixed, moving = self.windows
        limit = moving.limit_nano * (1 + revision % 3)
        return [*fixed, WindowRef(moving.id, limit, moving.hard, moving.budget, rank=moving.rank)]

    async def run(self) -> None:
        while True:
            try:
                await self.one_call()
            except AWAY:
                await asyncio.sleep(0.05)

    async def one_call(self) -> None:
        call = self.world.ids.new()
        if not await self._admit(call):
            return
        fate = self.r.random()
        if fate < 0.08:
            return  # forgotten: its sweep comes at the deadline
        if fate < 0.16:
            await commands.cancel_call(self.db, self.world.cancel(call))
            return
        await self.carry(call)

    async def _admit(self, call: UUID) -> bool:
        for _ in range(20):
            refs = [w for w in self.limits(self.world.revision) if self.r.random() < 0.7]
            admission = self.world.admission(
                self.r.randrange(1, 400),
                refs,
                call=call,
                deadline_seconds=self.r.choice([1, 3, 60]),
            )
            answer = await self.admissions.admit(admission)
            if not isinstance(answer, commands.Stale):
                return isinstance(answer, commands.Admitted)
            self.world.revision, self.world.epoch = answer.revision, answer.stop_epoch
        return False

    async def carry(self, call: UUID) -> None:
        """As a worker does, from wherever the call is; sometimes twice at once, sometimes leaving it behind."""
        r, worker = self.r, self.world.worker
        seen = await commands.peek(self.db, call)
        if seen is None or seen.state not in {"admitted", "running"}:
            return
        fresh = any(t.state == "reserved" for t in seen.tried)
        no = 1 if fresh else len(seen.tried) + 1
        if not await self._start(call, no, worker, fresh=fresh):
            return
        if r.random() < 0.1:
            return  # the process forgets it: the sweep finds it with a live worker, or at its death
        await asyncio.sleep(r.random() * 0.02)
        # up to half as much again as was held, and now and then ten times that
        bill = r.randrange(600) if r.random() > 0.005 else 6_000
        if r.random() < 0.2:
            await self._settle(call, no, worker, bill)
            if await self._start(call, no + 1, worker, fresh=False):
                await self._finish(call, no + 1, worker, bill)
            else:
                await commands.finish_call(
                    self.db, self.world.finish(call, "failed", worker=worker)
                )
        elif r.random() < 0.2:
            await self._hold(call, no, worker, bill)
        elif r.random() < 0.3:
            await asyncio.gather(*(self._finish(call, no, worker, bill) for _ in range(2)))
        else:
            await self._finish(call, no, worker, bill)

    async def _start(self, call: UUID, no: int, worker: UUID, *, fresh: bool) -> bool:
        for _ in range(20):
            refs = [w for w in self.limits(self.world.revision) if self.r.random() < 0.7]
            held = (
                None if fresh else self.world.admission(self.r.randrange(1, 400), refs).reservation
            )
            step = self.world.start(call, no, worker=worker, reservation=held)
            answers = [commands.start_attempt(self.db, step)]
            if self.r.random() < 0.1:
                answers.append(commands.start_attempt(self.db, step))  # in doubt, both on the way
            answer, *_ = await asyncio.gather(*answers)
            if not isinstance(answer, commands.Stale):
                return isinstance(answer, commands.Started)
            self.world.revision, self.world.epoch = answer.revision, answer.stop_epoch
        return False

    async def _settle(self, call: UUID, no: int, worker: UUID, bill: int) -> None:
        step = self.world.settlement(call, no, becomes="failed", amount_nano=bill, worker=worker)
        answer = await commands.settle_attempt(self.db, step, patience_seconds=PATIENCE_SECONDS)
        if isinstance(answer, commands.Settled):
            self.write(call, no, bill)

    async def _finish(self, call: UUID, no: int, worker: UUID, bill: int) -> None:
        step = self.world.finish(call, worker=worker, attempt={"no": no, "amount_nano": bill})
        answer = await commands.finish_call(self.db, step, patience_seconds=PATIENCE_SECONDS)
        if isinstance(answer, commands.Finished):
            self.write(call, no, bill)
        elif isinstance(answer, commands.Lost | commands.Moved):
            # late: the true usage reconciles what the sweep gave up
            late = self.world.settlement(call, no, becomes="reconciled", amount_nano=bill)
            if isinstance(await commands.settle_attempt(self.db, late), commands.Settled):
                self.write(call, no, bill)

    async def _hold(self, call: UUID, no: int, worker: UUID, bill: int) -> None:
        step = self.world.finish(
            call, "held", worker=worker, attempt={"no": no, "amount_nano": bill}
        )
        case = opening(self.world, call)
        answer = await hold_call(self.db, step, case, patience_seconds=PATIENCE_SECONDS)
        if isinstance(answer, commands.Finished):
            self.write(call, no, bill)
            await self._review(case)

    async def _review(self, case: Opening) -> None:
        """A person takes the case and approves it."""
        entry = self.world.entry("review.claimed", case.call)
        await claim(self.db, Taking(case.review, case.call, "member:rui", entry))
        verdict = Decide(
            review=case.review, call=case.call, version=0, actor="member:rui", verdict="approved"
        )
        await decide(self.db, deciding(self.world, verdict))

    async def heartbeat(self) -> None:
        while True:
            try:
                if not await self.world.lease(ttl_seconds=TTL_SECONDS):
                    self.world.worker = uuid4()
                    continue
            except AWAY:
                pass
            await asyncio.sleep(TTL_SECONDS / 3)

    async def sweep(self) -> None:
        while True:
            await asyncio.sleep(0.1 + self.r.random() * 0.2)
            try:
                await commands.bury(self.db, ttl_seconds=TTL_SECONDS)
                await sweep_once(self.world, self.carry)
                await reconcile_due(self.db, self._reconciled, unknown_hours=UNKNOWN_HOURS)
            except AWAY:
                continue

    def _reconciled(self, unknown: Unknown) -> Any:
        return self.world.entry("attempt.reconciled", unknown.call, no=unknown.no)


async def sweep_once(world: World, wake: Any) -> int:
    """Judge and carry out all that is found; how many calls were found."""
    found = [f for f in await commands.sweep_find(world.db, limit=1000) if f.tenant == world.tenant]
    for f in found:
        judgement = commands.judge(f)
        if judgement.verdict == "wake" and wake is not None:
            await wake(f.call)
        if judgement.verdict in {"again", "failed", "cancelled"}:
            pairs = zip(f.open_nos, f.becomes(), strict=True)
            attempts = [world.entry(f"attempt.{becomes}", f.call, no=no) for no, becomes in pairs]
            ends = judgement.verdict != "again"
            entry = world.entry(f"call.{judgement.verdict}", f.call) if ends else None
            await commands.sweep_call(
                world.db,
                commands.Sweep(found=f, judgement=judgement, attempts=attempts, entry=entry),
            )
    return len(found)


async def main(dsn: str, tenant: str, key: str, windows: str, *rest: str) -> None:
    db: Database = await open_pool(dsn, CLIENTS)
    world = World(db, tenant, key)
    await world.control()
    refs = [
        WindowRef(number, limit, hard, budget, rank=rank)
        for number, limit, hard, budget, rank in json.loads(windows)
    ]
    client = Client(world, refs, Random(int(rest[0])), Path(rest[1]))  # noqa: S311 - draws of a test
    assert await world.lease(ttl_seconds=TTL_SECONDS)
    clients = [client.run() for _ in range(CLIENTS - 2)]
    await asyncio.gather(client.heartbeat(), client.sweep(), *clients)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
