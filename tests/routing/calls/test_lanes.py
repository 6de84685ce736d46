"""A budget's row that somebody holds for long keeps those waiting who pay from it, and nobody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest
from psycopg.errors import LockNotAvailable
from psycopg_pool import PoolTimeout

from controlplane.kernel.errors import DeadlineExceeded
from routing import gateway
from routing.calls import pool
from routing.calls.answers import Admitted
from routing.calls.pool import Database, ask, ask_all, open_pool
from routing.calls.shares import Shares
from routing.calls.steps import Admission, IdempotencyKey
from routing.calls.together import MOST, Admissions
from tests.policies.engine import small
from tests.routing.calls.test_together import all_in, commits
from tests.routing.desks import asked, desk_of
from tests.routing.test_mid_flight import Flight, in_force, nothing
from tests.routing.world import World, make_world

WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND wait_event_type = 'Lock' AND query ~ 'FROM (admit|finish_call)'"
)


@asynccontextmanager
async def held(dsn: str, window: int) -> AsyncIterator[psycopg.AsyncConnection]:
    """A person's transaction that has the row, until it is left."""
    async with await psycopg.AsyncConnection.connect(dsn) as other:
        await other.execute("SELECT FROM routing_ledger_window WHERE id = %s FOR UPDATE", (window,))
        yield other
        await other.rollback()


async def until_waiting(db: Database, many: int) -> None:
    """So many backends wait for a lock to let a call in, or to end one."""
    for _ in range(3000):
        if await ask_all(db, WAITING) == [(many,)]:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("they never waited")


def keyed(world: World, window: Any, number: int) -> Admission:
    """One that goes by itself."""
    key = IdempotencyKey(bytes([number]) * 32, b"d" * 32)
    return world.admission(1, [window], idempotency=key)


async def test_a_tenant_whose_row_is_held_keeps_no_other_tenant_waiting(
    world: World, db: Database, app_dsn: str
) -> None:
    door, theirs = Admissions(db), await make_world(db)
    stuck, free = await world.window(1000), await theirs.window(1000)
    mine = [world.admission(1, [stuck]) for _ in range(2 * MOST + 3)]
    mine += [keyed(world, stuck, number) for number in range(9)]
    async with held(app_dsn, stuck.id):
        waiting = [asyncio.create_task(door.admit(one)) for one in mine]
        # half of the pool, however many come
        await until_waiting(db, 4)
        others = [theirs.admission(1, [free]) for _ in range(12)]
        others += [keyed(theirs, free, number) for number in range(5)]
        assert [type(one) for one in await all_in(door, others)] == [Admitted] * 17
        assert not any(task.done() for task in waiting)
        assert await commits(world) == []
    assert [type(one) for one in await asyncio.gather(*waiting)] == [Admitted] * len(mine)
    assert await world.money(stuck.id) == (0, len(mine), 0) == await world.scan(stuck.id)
    assert await theirs.money(free.id) == (0, 17, 0) == await world.scan(free.id)
    assert door._lanes == {}


async def test_a_row_that_all_pay_from_leaves_room_for_who_only_reads(
    world: World, db: Database, app_dsn: str
) -> None:
    door = Admissions(db)
    worlds = [replace(world, tenant=f"{world.tenant}-{n}") for n in range(5)]
    stuck = await world.window(1000)
    mine = [one.admission(1, [stuck]) for one in worlds for _ in range(3)]
    async with held(app_dsn, stuck.id):
        waiting = [asyncio.create_task(door.admit(one)) for one in mine]
        waiting += [asyncio.create_task(door.admit(keyed(world, stuck, n))) for n in range(4)]
        await until_waiting(db, 6)
        [one, two] = await asyncio.gather(ask(db, "SELECT 1"), ask(db, "SELECT 2"))
        assert (one[0], two[0]) == (1, 2)
        assert not any(task.done() for task in waiting)
    assert {type(one) for one in await asyncio.gather(*waiting)} == {Admitted}
    assert await world.money(stuck.id) == (0, 19, 0)


async def test_a_worker_lives_on_and_carries_others_while_a_row_of_one_tenant_is_held(
    world: World, db: Database, app_dsn: str
) -> None:
    """Its own lease is renewed by the same connections: else it would be buried with everybody's calls."""
    theirs, shares = await make_world(db), Shares(db)
    of = in_force(world)
    mine = [Flight(world, of, shares) for _ in range(12)]
    [window] = [(await one.admit()).windows[0] for one in mine][:1]
    async with held(app_dsn, window.id):
        waiting = [asyncio.create_task(one.carry(of, nothing)) for one in mine]
        await until_waiting(db, 4)
        assert await world.lease()
        other = Flight(theirs, in_force(theirs), shares)
        await other.admit()
        await other.carry(other.bundle, nothing)
        assert (await other.attempt())[-1] == "completed"
        assert not any(task.done() for task in waiting)
    await asyncio.gather(*waiting)
    assert {(await one.attempt())[-1] for one in mine} == {"completed"}
    assert (await world.money(window.id))[1:] == (0, 0)
    assert await world.money(window.id) == await world.scan(window.id)


async def test_who_waited_for_a_row_as_long_as_anybody_may_is_told_with_those_behind(
    world: World, app_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        pool, "OPTIONS", pool.OPTIONS.replace("lock_timeout=5s", "lock_timeout=300ms")
    )
    db = await open_pool(app_dsn, 4)
    door, stuck = Admissions(db), await world.window(1000)
    mine = [world.admission(1, [stuck]) for _ in range(2 * MOST + 1)]
    async with held(app_dsn, stuck.id):
        answers = await all_in(door, mine)
        assert isinstance(answers[0], LockNotAvailable)
        assert {type(one) for one in answers[1:]} == {PoolTimeout}
        lone, *rest = await all_in(door, [world.admission(), *mine[: MOST - 1]])
        # a batch is refused whole: nobody of it waits as long again by itself
        assert isinstance(lone, Admitted)
        assert {type(one) for one in rest} == {LockNotAvailable}
    assert await world.money(stuck.id) == (0, 0, 0)
    assert await commits(world) == [1]
    assert [type(one) for one in await all_in(door, mine)] == [Admitted] * len(mine)
    assert await world.money(stuck.id) == (0, len(mine), 0)
    await db.close()


async def test_nobody_waits_for_a_row_past_the_deadline(
    world: World, db: Database, app_dsn: str, tmp_path: Path
) -> None:
    name = world.tenant
    budget = small.budget(name, limit="1", period="once")
    of = small.bundle(small.EVERYONE, small.model("m"), small.route("r", "m"), budget)
    desk = desk_of(world, tmp_path / "store", of)
    web = cast("Any", SimpleNamespace(desk=desk))
    first = await gateway._admit(web, asked(world))
    query = "SELECT id, pending_nano FROM routing_ledger_window WHERE budget = %s::text"
    window, pending = await ask(db, query, (name,))
    async with held(app_dsn, window):
        with pytest.raises(DeadlineExceeded, match="deadline passed before it was let in"):
            await gateway._admit(web, asked(world, 0.3))
        await until_waiting(db, 0)
    assert await ask(db, query, (name,)) == (window, pending)
    assert await world.kinds(first.call) == ["call.admitted"]
