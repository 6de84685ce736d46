"""Four processes of eight connections on overlapping windows, while processes are killed and stopped, backends terminated,
revisions and stops published. Ends are told twice, late and above what was held; every process sweeps. A monitor takes one
snapshot of money, counters and ends every 50 ms; afterwards every call, posting and entry is counted.
"""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from random import Random

import psycopg
import pytest

from routing.calls import commands
from routing.calls.pool import Database, ask, ask_all, open_pool
from routing.calls.states import TERMINAL
from routing.calls.steps import WindowRef
from routing.ledger.settle import reconcile_due
from tests.routing.calls.chaos_client import sweep_once
from tests.routing.control import publish, set_stop
from tests.routing.world import World, make_world

SECONDS = 10.0
CALLS = "SELECT count(*) FROM routing_call WHERE tenant = %s::text"
PROCESSES = 4
ROOT = Path(__file__).resolve().parents[3]

SCAN = """
WITH owed AS (
  SELECT w, sum(a.reserved_nano) FILTER (WHERE a.state IN ('reserved', 'started', 'unknown')) AS pending,
         sum(p.posted_nano) AS posted, sum(p.overrun_nano) AS overrun
    FROM routing_attempt a CROSS JOIN LATERAL unnest(a.windows) AS w
    LEFT JOIN routing_posting p ON p.call = a.call AND p.attempt = a.no
   WHERE a.windows && %(ids)s::bigint[] GROUP BY w)
SELECT count(*) FROM routing_ledger_window l LEFT JOIN owed ON owed.w = l.id
 WHERE l.id = ANY(%(ids)s::bigint[]) AND (l.pending_nano, l.posted_nano, l.overrun_nano)
       IS DISTINCT FROM (coalesce(owed.pending, 0), coalesce(owed.posted, 0), coalesce(owed.overrun, 0))"""
OVER = """
SELECT count(*) FROM routing_ledger_window
 WHERE id = ANY(%(fixed)s::bigint[]) AND hard AND posted_nano + pending_nano > limit_nano"""
TWICE = """
SELECT count(*) FROM (SELECT FROM audit_entry
 WHERE tenant = %(tenant)s AND kind = ANY(%(ends)s::text[]) AND id >= %(first)s GROUP BY call HAVING count(*) > 1) t"""
UNBOOKED = """
SELECT count(*) FROM routing_attempt a LEFT JOIN routing_posting p ON p.call = a.call AND p.attempt = a.no
 WHERE a.windows && %(ids)s::bigint[] AND a.call >= %(first)s
   AND (a.state IN ('reserved', 'started', 'unknown')) IS DISTINCT FROM (p.call IS NULL)"""
SNAPSHOT = f"SELECT ({OVER}), ({SCAN}), ({TWICE}), ({UNBOOKED})"
WRONG = ("over a limit", "counters not scans", "ended twice", "ended and not booked once")
"""What one statement, so one snapshot, counts of: each must be 0 at every moment."""


class Chaos:
    """The processes, and what was seen of them."""

    def __init__(self, world: World, refs: list[WindowRef], dsn: str, folder: Path) -> None:
        self.world, self.refs, self.dsn, self.folder = world, refs, dsn, folder
        self.first = world.ids.new()
        self.children: dict[int, asyncio.subprocess.Process] = {}
        self.r = Random(7)  # noqa: S311 - draws of a test
        self.seen: Counter[str] = Counter()

    async def spawn(self, place: int) -> None:
        windows = json.dumps([(w.id, w.limit_nano, w.hard, w.budget, w.rank) for w in self.refs])
        self.seen["spawned"] += 1
        self.children[place] = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "tests.routing.calls.chaos_client",
                self.dsn,
                self.world.tenant,
            ),
            *(self.world.key, windows, str(self.seen["spawned"])),
            str(self.folder / f"acknowledged-{self.seen['spawned']}"),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    async def kill_processes(self) -> None:
        for turn in count(1):
            await asyncio.sleep(1.0)
            place = self.r.randrange(PROCESSES)
            child = self.children[place]
            if turn % 3 == 0:
                child.send_signal(signal.SIGSTOP)  # longer than its lease
                await asyncio.sleep(2.0)
                child.send_signal(signal.SIGCONT)
                self.seen["stopped"] += 1
                continue
            child.kill()
            await child.wait()
            self.seen["killed"] += 1
            await self.spawn(place)

    async def terminate_backends(self) -> None:
        query = (
            "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE application_name = 'mandate' "
            "AND datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 2) x"
        )
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            while True:
                await asyncio.sleep(0.5)
                await connection.execute(query)
                self.seen["terminated"] += 2

    async def publish(self) -> None:
        while True:
            await asyncio.sleep(self.r.random() * 0.3)
            with suppress(psycopg.OperationalError):
                await (publish if self.r.random() < 0.7 else set_stop)(self.world.db)
                self.seen["published"] += 1

    async def monitor(self) -> None:
        asked = {
            "ids": [w.id for w in self.refs],
            "fixed": [w.id for w in self.refs[:-1]],
            "tenant": self.world.tenant,
            "ends": [f"call.{state}" for state in TERMINAL],
            "first": self.first,
        }
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            while True:
                await asyncio.sleep(0.05)
                found = await (await connection.execute(SNAPSHOT, asked)).fetchone()
                self.seen["snapshots"] += 1
                for name, number in zip(WRONG, found or (1,) * len(WRONG), strict=True):
                    self.seen[name] += number

    async def until_enough(self) -> None:
        """A busy machine takes longer for as much."""
        for _ in range(200):
            (calls,) = await ask(self.world.db, CALLS, (self.world.tenant,))
            told = len(_acknowledged(self.folder))
            if calls > 250 and told > 100 and self.seen["snapshots"] > 50:
                return
            await asyncio.sleep(0.5)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        work = (self.kill_processes, self.terminate_backends, self.publish, self.monitor)
        for place in range(PROCESSES):
            await self.spawn(place)
        tasks = [asyncio.create_task(step()) for step in work]
        try:
            yield
        finally:
            failed = [task.exception() for task in tasks if task.done() and not task.cancelled()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for child in self.children.values():
                with suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
            assert failed == []


ORPHANS = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mandate' AND state <> 'idle' "
    "AND datname = current_database() AND pid <> pg_backend_pid()"
)


async def _settle_down(world: World) -> None:
    """Bury everybody, let every deadline pass, sweep, reconcile: nothing may be left."""
    # what a killed process had sent, its backend still carries out: it must not be admitted after the last sweep
    for _ in range(1500):
        if await ask(world.db, ORPHANS) == (0,):
            break
        await asyncio.sleep(0.02)
    async with world.db.connection() as connection:
        await connection.execute(
            "UPDATE routing_worker_lease SET expires_at = mandate_now() - interval '1 s' WHERE lost_at IS NULL"
        )
        await connection.execute(
            "UPDATE routing_call SET deadline_at = mandate_now() - interval '1 h' WHERE tenant = %s AND finished_at IS NULL",
            (world.tenant,),
        )
    await commands.bury(world.db, ttl_seconds=0.001)
    for _ in range(3):
        await sweep_once(world, None)
    await asyncio.sleep(0.05)
    await reconcile_due(
        world.db,
        lambda u: world.entry("attempt.reconciled", u.call, no=u.no),
        unknown_hours=0.01 / 3600,
        limit=10_000,
    )


async def _order_of_effect(
    db: Database, first: object, tenant: str, start: tuple[int, int]
) -> Counter[str]:
    """Fold the log in (xid, id): every admission, denial and start names the revision and epoch in force there."""
    rows = await ask_all(
        db,
        "SELECT kind, body FROM audit_entry WHERE id > %s::uuid "
        "AND (tenant = %s::text OR kind IN ('bundle.activated', 'stop.set')) ORDER BY xid, id",
        (first, tenant),
    )
    revision, epoch = start
    seen: Counter[str] = Counter()
    for kind, body in rows:
        data = json.loads(bytes(body))["data"]
        if kind == "bundle.activated":
            revision = data["revision"]
        elif kind == "stop.set":
            epoch = data["epoch"]
        elif kind in {"call.admitted", "attempt.started"}:
            seen["checked"] += 1
            seen["out of order"] += (data["revision"], data["epoch"]) != (revision, epoch)
    return seen


@pytest.mark.faults
async def test_nothing_is_lost_overspent_or_out_of_order(app_dsn: str, tmp_path: Path) -> None:
    db = await open_pool(app_dsn, 6)
    try:
        world = await make_world(db)
        start, first = (world.revision, world.epoch), world.ids.new()
        refs = [
            *[await world.window(200_000, rank=n % 3) for n in range(5)],
            await world.window(150_000, rank=2, hard=False),
            await world.window(450_000, rank=3),
            await world.window(250_000, rank=3),
        ]
        [deadlocks] = await ask(db, DEADLOCKS)
        chaos = Chaos(world, refs, app_dsn, tmp_path)
        async with chaos.at_work():
            await asyncio.sleep(SECONDS)
            await chaos.until_enough()
        await world.control()
        await _settle_down(world)

        assert chaos.seen["snapshots"] > 50
        assert chaos.seen["killed"] >= 2
        assert {name: chaos.seen[name] for name in WRONG} == dict.fromkeys(WRONG, 0)
        assert await ask(db, DEADLOCKS) == (deadlocks,)
        await _money_adds_up(world, refs)
        await _every_call_has_one_end(world)
        await _what_was_acknowledged_was_charged(db, tmp_path)
        order = await _order_of_effect(db, first, world.tenant, start)
        print(chaos.seen, order)  # noqa: T201 - shown when it fails, and with -s
        assert order["checked"] > 200
        assert order["out of order"] == 0
    finally:
        await db.close()


DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


async def _money_adds_up(world: World, refs: list[WindowRef]) -> None:
    for ref in refs:
        money = await world.money(ref.id)
        assert money == await world.scan(ref.id)
        assert money[1] == 0, "something is still pending"


async def _every_call_has_one_end(world: World) -> None:
    kinds = [f"call.{state}" for state in TERMINAL]
    rows = await ask_all(
        world.db,
        "SELECT c.id, c.state, array_agg(e.kind) FROM routing_call c "
        "LEFT JOIN audit_entry e ON e.call = c.id AND e.kind = ANY(%s::text[]) "
        "WHERE c.tenant = %s::text GROUP BY c.id, c.state",
        (kinds, world.tenant),
    )
    assert len(rows) > 200
    # a client that was killed between its hold and its release leaves a call for a person
    wanted = {call: [None] if state == "held" else [f"call.{state}"] for call, state, _ in rows}
    assert [row for row in rows if row[2] != wanted[row[0]]] == []


async def _what_was_acknowledged_was_charged(db: Database, folder: Path) -> None:
    told = _acknowledged(folder)
    rows = await ask_all(
        db, "SELECT call, attempt, posted_nano + overrun_nano FROM routing_posting"
    )
    charged = {(row[0].hex, row[1]): row[2] for row in rows}
    assert len(told) > 100
    assert {key: charged.get(key) for key in told} == told


def _acknowledged(folder: Path) -> dict[tuple[str, int], int]:
    told: dict[tuple[str, int], int] = {}
    for path in folder.glob("acknowledged-*"):
        for line in path.read_text().splitlines():
            if line.endswith("]"):  # a process may have been killed in the middle of the last one
                call, no, bill = json.loads(line)
                assert told.setdefault((call, no), bill) == bill
    return told
