"""One drawn interleaving of the steps of callers, workers, sweepers, people and publishers, run against PostgreSQL and compared
with the reference after every step. A step's details come from its own seed, so that a failing list of steps shrinks by leaving
steps out.
"""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID, uuid4

from routing.calls import commands
from routing.calls.pool import Database, ask_all
from routing.calls.states import PENDING, TERMINAL, AttemptState, CallState
from routing.calls.steps import WindowRef
from routing.reviews import holding
from tests.routing.calls.batching import Batching
from tests.routing.calls.reference import Call, Money, Reference, Settle, Window
from tests.routing.calls.reviewing import DONE, key_of
from tests.routing.control import publish, set_stop
from tests.routing.world import World, claim, decided, make_world, reservation, sealed

WEIGHTS = {
    "admit": 10,
    "together": 5,
    "deny": 2,
    "start": 14,
    "settle": 7,
    "finish": 6,
    "hold": 3,
    "admit_held": 3,
    "claim": 8,
    "give_back": 3,
    "decide": 8,
    "overdue": 3,
    "cancel": 3,
    "lose_worker": 2,
    "sweep_find": 2,
    "sweep_carry": 5,
    "publish": 2,
    "stop": 1,
    "revoke": 1,
}
FIRST = {"admit", "together", "admit_held", "deny", "publish", "stop"}
"""What needs no call that is there already."""
ENDS = ("succeeded", "failed", "unknown", "voided", "reconciled")
ROWS = "SELECT id, state, worker, cancel_at IS NOT NULL, cost_nano FROM routing_call WHERE tenant = %s::text"


class Interleaving(Batching):
    """The world, the reference, and a method for each kind of step. `seen` counts (step, answer)."""

    def __init__(self, world: World, refs: list[WindowRef], seen: Counter[tuple[Any, ...]]) -> None:
        self.world, self.db, self.refs, self.seen = world, world.db, refs, seen
        windows = {ref.id: Window(ref.limit_nano, ref.hard) for ref in refs}
        self.model = Reference(world.revision, world.epoch, windows)
        self.workers = [world.worker]
        self.found: list[commands.Found] = []
        self.steps = 0

    @classmethod
    async def begin(cls, db: Database, seen: Counter[tuple[Any, ...]]) -> "Interleaving":
        world = await make_world(db)
        claims = [
            claim("key", world.tenant, 600, rank=0),
            claim("team", world.tenant, 900, rank=1),
            claim("soft", world.tenant, 500, rank=2, hard=False),
            claim("all", world.tenant, 1200, rank=3),
        ]
        self = cls(world, await world.windows(claims), seen)
        for _ in range(2):
            await self._hire()
        return self

    async def step(self, kind: str, seed: int) -> None:
        """Run one step, then look at everything."""
        self.steps += 1
        r = Random(f"{seed} {self.steps}")  # noqa: S311 - draws of a test
        if self.model.calls or kind in FIRST:
            await getattr(self, kind)(r)
        await self.compare()

    def _pick(self, r: Random) -> UUID:
        """Mostly a call that is open, now and then one that has ended."""
        calls = list(self.model.calls)
        live = [c for c in calls if CallState(self.model.calls[c].state) not in TERMINAL]
        return r.choice(live if live and r.random() < 0.9 else calls)

    def _worker(self, r: Random, call: Call) -> UUID:
        if call.worker and r.random() < 0.85:
            return call.worker
        return r.choice(self.workers[-4:])

    def _money(self, r: Random) -> tuple[Money | None, Any]:
        if r.random() < 0.1:
            return None, None
        refs = [
            WindowRef(
                ref.id,
                self.model.windows[ref.id].limit,
                self.model.windows[ref.id].hard,
                ref.budget,
            )
            for ref in self.refs
            if r.random() < 0.7
        ]
        amount = r.choice([0, r.randrange(400)])
        return Money(amount, tuple(ref.id for ref in refs)), reservation(amount, refs)

    async def admit(self, r: Random) -> None:
        call, at, key = self.world.ids.new(), self._at(r), self._key(r)
        (money, held), late, retries = self._money(r), r.random() < 0.1, r.randrange(3)
        ttl = -60 if late else 600

        def build() -> commands.Admission:
            asked = self.world.asked(
                call,
                revision=at[0],
                stop_epoch=at[1],
                deadline_seconds=ttl,
                lost_retries=retries,
                idempotency=key_of(key),
            )
            entry = self.world.entry("call.admitted", call)
            return commands.Admission(
                asked=asked,
                decision=decided(1),
                entry=entry,
                request=sealed("request"),
                reservation=held,
            )

        def expected() -> str:
            return self.model.admit(call, at, money, key, Call("admitted", late, retries))

        step, first = build(), expected()
        self._check(commands.admit, await commands.admit(self.db, step), first)
        if r.random() < 0.5:
            repeated = first if first in DONE else expected()
            self._check(commands.admit, await commands.admit(self.db, step), repeated)

    async def deny(self, r: Random) -> None:
        call, at, key = self.world.ids.new(), self._at(r), self._key(r)
        step = self.world.denial(
            call=call, revision=at[0], stop_epoch=at[1], idempotency=key_of(key)
        )
        first = self.model.deny(call, at, key)
        for answer in (first, first if first in DONE else self.model.deny(call, at, key)):
            self._check(commands.deny, await commands.deny(self.db, step), answer)

    async def start(self, r: Random) -> None:
        call, at = self._pick(r), self._at(r)
        c = self.model.calls[call]
        reserved = [n for n, a in enumerate(c.attempts, 1) if a.state == "reserved"]
        no = (reserved or [len(c.attempts) + 1])[0] if r.random() < 0.85 else r.randrange(1, 5)
        who, relays = self._worker(r, c), r.random() < 0.2
        money, held = self._money(r) if no not in reserved or r.random() < 0.4 else (None, None)

        def build() -> commands.Start:
            again = decided(100 + self.world.ids.new().int % 30_000) if r.random() < 0.2 else None
            step = self.world.start(
                call, no, worker=who, relays=relays, reservation=held, decision=again
            )
            return _under(step, at)

        await self._twice(
            r,
            commands.start_attempt,
            build,
            lambda: self.model.start(call, no, who, at, money, relays=relays),
        )

    def _end(self, r: Random, c: Call) -> Settle:
        """Mostly an end that an open attempt can take."""
        if not c.open() or r.random() < 0.2:
            return Settle(r.randrange(1, 4), r.choice(ENDS), r.randrange(600))
        no = r.choice(c.open())
        becomes = "voided" if c.attempts[no - 1].state == "reserved" else r.choice(ENDS[:3])
        return Settle(no, becomes, r.randrange(600))

    async def settle(self, r: Random) -> None:
        call = self._pick(r)
        c = self.model.calls[call]
        end = self._end(r, c)
        who = c.worker if end.was == "unknown" and r.random() < 0.5 else self._worker(r, c)

        def build() -> commands.Settlement:
            return self.world.settlement(
                call, end.no, becomes=end.becomes, amount_nano=end.bill, worker=who
            )

        await self._twice(
            r, commands.settle_attempt, build, lambda: self.model.settle(call, who, end)
        )

    async def finish(self, r: Random) -> None:
        await self._finish(r, r.choice(["completed", "completed", "failed", "cancelled"]))

    async def hold(self, r: Random) -> None:
        await self._finish(r, "held")

    async def _finish(self, r: Random, state: str) -> None:
        call = self._pick(r)
        c = self.model.calls[call]
        end = self._end(r, c) if r.random() < (0.8 if c.open() else 0.1) else None
        if end and end.becomes == "reconciled":
            end = None
        who = None if c.worker is None and r.random() < 0.6 else self._worker(r, c)
        at = self._at(r) if state == "failed" and r.random() < 0.4 else None
        denied: dict[str, Any] = {}
        if at is not None:
            decision = replace(decided(9), effect="deny")
            denied = {"decision": decision, "revision": at[0], "stop_epoch": at[1]}
        stage = r.choice(["response", "response", "failure"]) if c.attempts else "request"
        case, review = self._opening(r, call, stage)

        def build() -> commands.Finish:
            attempt = end and self.world.settlement(
                call, end.no, becomes=end.becomes, amount_nano=end.bill
            )
            return self.world.finish(call, state, worker=who, attempt=attempt, **denied)

        async def hold_call(db: Database, step: commands.Finish) -> Any:
            return await holding.hold_call(db, step, case)

        if state == "held":
            await self._twice(r, hold_call, build, lambda: self.model.hold(call, who, end, review))
            return
        await self._twice(
            r, commands.finish_call, build, lambda: self.model.finish(call, who, state, end, at)
        )

    async def cancel(self, r: Random) -> None:
        call, ask = self._pick(r), r.random() < 0.6
        carried = [
            call for call, c in self.model.calls.items() if c.state == "running" and c.worker
        ]
        call = r.choice(carried) if carried and r.random() < 0.6 else call
        await self._twice(
            r,
            commands.cancel_call,
            lambda: self.world.cancel(call, ask=ask),
            lambda: self.model.cancel(call, ask=ask),
        )

    async def _hire(self) -> None:
        self.world.worker = uuid4()
        assert await self.world.lease()
        self.workers.append(self.world.worker)

    async def lose_worker(self, r: Random) -> None:
        lost = r.choice(self.workers[-3:])
        assert await commands.give_up(self.db, lost) is (lost not in self.model.buried)
        self.model.buried.add(lost)
        self.world.worker = lost
        assert await self.world.lease() is False
        await self._hire()

    async def sweep_find(self, _r: Random) -> None:
        mine = [
            f for f in await commands.sweep_find(self.db, limit=1000) if f.call in self.model.calls
        ]
        for f in mine:
            c = self.model.calls[f.call]
            assert (f.state, f.worker, f.cancelled, f.relayed) == (
                c.state,
                c.worker,
                c.cancelled,
                c.relayed,
            )
            assert (f.lost, list(f.open_nos)) == (c.worker in self.model.buried, c.open())
        assert {f.call for f in mine} == {
            call
            for call, c in self.model.calls.items()
            if c.state in {"admitted", "running"}
            and (c.worker is None or c.worker in self.model.buried or c.late)
        }
        self.found += [f for f in mine if commands.judge(f).verdict not in {"wake", "leave"}]

    async def sweep_carry(self, r: Random) -> None:
        """What was found may be long out of date: two sweepers, or one that was paused."""
        if not self.found:
            await self.sweep_find(r)
        if not self.found:
            return
        f = r.choice(self.found)
        judgement = commands.judge(f)
        await self._twice(
            r,
            commands.sweep_call,
            lambda: self._sweep(f, judgement),
            lambda: self.model.sweep(f.call, f.worker, judgement.verdict, f.open_nos),
            says=judgement.verdict != "again" or bool(f.open_nos),
        )

    def _sweep(self, f: commands.Found, judgement: commands.Judgement) -> commands.Sweep:
        pairs = zip(f.open_nos, f.becomes(), strict=True)
        attempts = [self.world.entry(f"attempt.{becomes}", f.call, no=no) for no, becomes in pairs]
        ends = judgement.verdict in {"failed", "cancelled"}
        entry = self.world.entry(f"call.{judgement.verdict}", f.call) if ends else None
        return commands.Sweep(found=f, judgement=judgement, attempts=attempts, entry=entry)

    async def publish(self, r: Random) -> None:
        """A new revision changes a limit; it may lie below what is used, and takes nothing back."""
        self.model.revision = self.world.revision = await publish(self.db)
        which = r.randrange(4)
        window = self.model.windows[self.refs[which].id]
        window.limit, window.hard = r.randrange(1500), which != 2 and r.random() < 0.8

    async def stop(self, _r: Random) -> None:
        self.model.epoch = self.world.epoch = await set_stop(self.db)

    async def revoke(self, _r: Random) -> None:
        """Revoke the key, be refused, and let it stand again."""
        await self._key_stands(stands=False)
        await self.admit(Random(1))  # noqa: S311 - draws of a test
        await self.deny(Random(1))  # noqa: S311 - draws of a test
        await self.admit_held(Random(1))  # noqa: S311 - draws of a test
        await self._key_stands(stands=True)

    async def _key_stands(self, *, stands: bool) -> None:
        self.model.key_stands = stands
        async with self.db.connection() as connection:
            await connection.execute(
                "UPDATE policies_api_key SET revoked_at = CASE WHEN %s THEN NULL ELSE now() END WHERE id = %s",
                (stands, self.world.key),
            )

    async def compare(self) -> None:
        """INVARIANT of this product: counters equal scans, and rows equal what was told."""
        assert self.model.pending_is_owed()
        for number, window in self.model.windows.items():
            counted = (window.posted, window.pending, window.overrun)
            assert await self.world.money(number) == counted
            assert await self.world.scan(number) == counted
        rows = {row[0]: row[1:] for row in await ask_all(self.db, ROWS, (self.world.tenant,))}
        assert rows.keys() == self.model.calls.keys()
        for call, c in self.model.calls.items():
            assert rows[call][:3] == (c.state, c.worker, c.cancelled)
            if CallState(c.state) in TERMINAL:
                assert rows[call][3] == c.cost
        await self._compare_reviews()

    async def end(self) -> None:
        """Every worker dies and every deadline passes; the sweep ends what is open, reconciling what is pending."""
        for worker in self.workers:
            await commands.give_up(self.db, worker)
            self.model.buried.add(worker)
        for call in [call for call, c in self.model.calls.items() if c.state == "held"]:
            await self._reject(call, self.model.calls[call].reviews[-1])
        for c in self.model.calls.values():
            c.late = CallState(c.state) not in TERMINAL
        await self._let_deadlines_pass()
        self.found.clear()
        await self.sweep_find(Random(0))  # noqa: S311 - draws of a test
        for f in self.found:
            judgement = commands.judge(f)
            assert self.model.sweep(f.call, f.worker, judgement.verdict, f.open_nos)
            assert await commands.sweep_call(self.db, self._sweep(f, judgement))
        await self._reconcile()
        await self.compare()
        assert {w.pending for w in self.model.windows.values()} == {0}
        await self._read_the_log()

    async def _let_deadlines_pass(self) -> None:
        async with self.db.connection() as connection:
            await connection.execute(
                "UPDATE routing_call SET deadline_at = mandate_now() - interval '1 hour' "
                "WHERE tenant = %s AND finished_at IS NULL",
                (self.world.tenant,),
            )

    async def _reconcile(self) -> None:
        for call, c in self.model.calls.items():
            for no, attempt in enumerate(c.attempts, 1):
                if attempt.state == "unknown":
                    end = Settle(no, "reconciled", attempt.held)
                    assert self.model.settle(call, None, end) == "Settled"
                    step = self.world.settlement(
                        call, no, becomes="reconciled", amount_nano=attempt.held
                    )
                    assert await commands.settle_attempt(self.db, step) == commands.Settled()

    async def _read_the_log(self) -> None:
        for call, c in self.model.calls.items():
            kinds = await self.world.kinds(call)
            assert kinds == c.kinds
            assert sum(kind.removeprefix("call.") in TERMINAL for kind in kinds) == 1
            assert not any(AttemptState(a.state) in PENDING for a in c.attempts)


def _under(step: commands.Start, at: tuple[int, int]) -> commands.Start:
    return type(step)(
        **{name: getattr(step, name) for name in step.__slots__}
        | {"revision": at[0], "stop_epoch": at[1]}
    )
