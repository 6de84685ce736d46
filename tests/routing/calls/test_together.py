"""Admissions that wait for each other go in together; each has its own answer, and none takes another along when it fails."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from uuid import UUID

import psycopg
import pytest
from psycopg.errors import CheckViolation
from psycopg_pool import PoolTimeout

from routing.calls import commands, together
from routing.calls.admitting import AdmitAnswer
from routing.calls.answers import (
    Admitted,
    Conflict,
    Duplicate,
    NoHeadroom,
    Stale,
    Unauthenticated,
    WindowMoved,
)
from routing.calls.pool import Database, LostRace, ask, ask_all, open_pool
from routing.calls.steps import Admission, IdempotencyKey, WindowRef
from routing.calls.together import LARGE_BYTES, MOST, Admissions, admit_together
from tests.routing.calls.test_no_entry import refused, state
from tests.routing.world import World, claim, make_world, sealed

COMMITS = "SELECT count(*) FROM audit_entry WHERE tenant = %s::text GROUP BY xid ORDER BY min(recorded_at)"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
WAITING = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
    "AND query LIKE '%%FROM admit_together(%%'"
)


@pytest.fixture
def door(world: World) -> Admissions:
    """The way in of one process."""
    return Admissions(world.db)


async def commits(world: World) -> list[int]:
    """How many entries each transaction wrote, in order."""
    return [row[0] for row in await ask_all(world.db, COMMITS, (world.tenant,))]


async def all_in(door: Admissions, admissions: Sequence[Admission]) -> list[object]:
    """They come at the same moment."""
    return await asyncio.gather(*map(door.admit, admissions), return_exceptions=True)


async def test_a_lone_admission_goes_at_once_and_those_behind_it_as_one(
    world: World, door: Admissions
) -> None:
    windows = [await world.window(10_000, rank=rank) for rank in range(4)]
    admissions = [world.admission(n + 1, windows) for n in range(8)]
    answers = await all_in(door, admissions)
    assert await commits(world) == [1, 7]
    for one, answer in zip(admissions, answers, strict=True):
        assert isinstance(answer, Admitted)
        assert answer.call == one.asked.call
        assert (answer.deadline_at - answer.admitted_at).total_seconds() == 60
        assert await world.kinds(one.asked.call) == ["call.admitted"]
        before = await state(world, one.asked.call)
        assert [len(before[1]), *before[2:6]] == [1, 0, 1, 1, 1]
    for window in windows:
        assert await world.money(window.id) == (0, 36, 0) == await world.scan(window.id)
    assert isinstance(await door.admit(world.admission()), Admitted)
    assert await commits(world) == [1, 7, 1]


async def test_a_call_of_a_batch_is_written_as_a_lone_one_is(world: World) -> None:
    window = await world.window(1000)
    lone, *others = (
        world.admission(70, [window], run="run", stream=True, reply_to=world.worker)
        for _ in range(3)
    )
    assert isinstance(await commands.admit(world.db, lone), Admitted)
    assert len(await admit_together(world.db, others)) == 2
    rows = [
        await ask(
            world.db,
            "SELECT to_jsonb(c) - '{id,admitted_at,deadline_at,reserved_at,moved_at}'::text[], to_jsonb(a) - 'call',"
            "       c.deadline_at - c.admitted_at, c.reserved_at = c.admitted_at, c.moved_at = c.admitted_at, "
            "       d.no, d.stage, d.tenant, d.revision, d.effect, d.digest, d.facts,"
            "       v.field, v.no, v.tenant_key, v.subject_key, v.nonce, v.ciphertext, e.kind, e.tenant, e.body = %b::bytea "
            "FROM routing_call c JOIN routing_attempt a ON a.call = c.id JOIN policies_decision d ON d.call = c.id "
            "JOIN vault_content v ON v.call = c.id JOIN audit_entry e ON e.call = c.id WHERE c.id = %s::uuid",
            (one.entry.body, one.asked.call),
        )
        for one in (lone, *others)
    ]
    assert rows[0][-1] is True
    assert rows[1] == rows[0]
    assert rows[2] == rows[0]


async def test_each_is_answered_as_if_it_had_come_alone(world: World, door: Admissions) -> None:
    plenty, little = await world.window(1000, rank=0), await world.window(50, rank=1)
    [past] = await world.windows(
        [claim("day", world.tenant, 1000, period="day")], datetime(2020, 2, 3, 4, tzinfo=UTC)
    )
    key = IdempotencyKey(b"h" * 32, b"d" * 32)
    twin = world.admission(1, [plenty], idempotency=key)
    assert await door.admit(twin) == Admitted(
        twin.asked.call, *await _times(world, twin.asked.call)
    )
    admissions = [
        world.admission(10, [plenty]),
        world.admission(20, [plenty]),
        world.admission(30, [plenty], revision=world.revision - 1),
        world.admission(30, [plenty], key_hash=b"x" * 32),
        world.admission(51, [plenty, little]),
        world.admission(1, [past]),
        world.admission(1, [WindowRef(-1, 1000, hard=True, budget="gone")]),
        world.admission(1, [plenty], idempotency=key),
        world.admission(1, [plenty], idempotency=replace(key, digest=b"e" * 32)),
        world.admission(40, [plenty, little]),
    ]
    calls = [one.asked.call for one in admissions]
    answers = await all_in(door, admissions)
    assert [type(one) for one in answers] == [
        *(Admitted, Admitted, Stale, Unauthenticated, NoHeadroom, WindowMoved, WindowMoved),
        *(Duplicate, Conflict, Admitted),
    ]
    assert answers[2] == Stale(world.revision, world.epoch)
    assert isinstance(answers[4], NoHeadroom)
    assert [one.window for one in answers[4].binding] == [little]
    assert answers[7:9] == [Duplicate(twin.asked.call), Conflict(twin.asked.call)]
    assert await world.money(plenty.id) == (0, 71, 0) == await world.scan(plenty.id)
    assert await world.money(little.id) == (0, 40, 0) == await world.scan(little.id)
    for call, answer in zip(calls, answers, strict=True):
        assert await world.kinds(call) == (
            ["call.admitted"] if isinstance(answer, Admitted) else []
        )
        if not isinstance(answer, Admitted):
            assert (await state(world, call))[:6] == (None, None, 0, 0, 0, 0)


async def _times(world: World, call: UUID) -> tuple[datetime, datetime]:
    query = "SELECT admitted_at, deadline_at FROM routing_call WHERE id = %s::uuid"
    admitted, deadline = await ask(world.db, query, (call,))
    return admitted, deadline


async def test_a_batch_that_was_decided_under_another_policy_lets_nobody_in(world: World) -> None:
    window = await world.window(1000)
    for changed in ({"revision": world.revision - 1}, {"stop_epoch": world.epoch - 1}):
        old = [world.admission(5, [window], **changed) for _ in range(3)]
        assert await admit_together(world.db, old) == {}
        assert [await world.kinds(one.asked.call) for one in old] == [[], [], []]
    assert await world.money(window.id) == (0, 0, 0)


async def test_an_entry_that_is_not_taken_refuses_its_call_alone(
    world: World, door: Admissions
) -> None:
    window = await world.window(1000)
    first, good, bad, last = (world.admission(5, [window]) for _ in range(4))
    bad = replace(bad, entry=refused(bad.entry))
    answers = await asyncio.gather(
        *(door.admit(one) for one in (first, good, bad, last)), return_exceptions=True
    )
    assert [type(one) for one in answers] == [Admitted, Admitted, CheckViolation, Admitted]
    assert (await state(world, bad.asked.call))[:6] == (None, None, 0, 0, 0, 0)
    assert await world.money(window.id) == (0, 15, 0) == await world.scan(window.id)


async def test_no_batch_is_let_in_without_its_entries(world: World) -> None:
    window = await world.window(1000)
    admissions = [world.admission(5, [window]) for _ in range(3)]
    assert len(await admit_together(world.db, admissions)) == 3
    assert [await world.kinds(one.asked.call) for one in admissions] == [["call.admitted"]] * 3
    broken = [world.admission(5, [window]) for _ in range(3)]
    broken[1] = replace(broken[1], entry=refused(broken[1].entry))
    with pytest.raises(CheckViolation):
        await admit_together(world.db, broken)
    for one in broken:
        assert (await state(world, one.asked.call))[:6] == (None, None, 0, 0, 0, 0)
    assert await world.money(window.id) == (0, 15, 0)


async def test_what_is_large_held_or_has_a_key_goes_by_itself(
    world: World, door: Admissions
) -> None:
    window = await world.window(1000)
    whole = replace(sealed("request"), ciphertext=b"c" * LARGE_BYTES)
    admissions = [
        world.admission(1, [window]),
        replace(world.admission(1, [window]), request=whole),
        world.admission(1, [window], idempotency=IdempotencyKey(b"1" * 32, b"2" * 32)),
        replace(world.admission(), reservation=None),
    ]
    assert [type(one) for one in await all_in(door, admissions)] == [Admitted] * 4
    assert await commits(world) == [1, 1, 1, 1]


async def test_a_batch_has_a_most_and_a_size(world: World, door: Admissions) -> None:
    admissions = [world.admission() for _ in range(MOST + 3)]
    assert {type(one) for one in await all_in(door, admissions)} == {Admitted}
    assert await commits(world) == [1, MOST, 2]
    half = replace(sealed("request"), ciphertext=b"c" * (LARGE_BYTES - 2000))
    admissions = [replace(world.admission(), request=half) for _ in range(7)]
    assert {type(one) for one in await all_in(door, admissions)} == {Admitted}
    assert await commits(world) == [1, MOST, 2, 1, 4, 2]


async def test_who_asks_twice_at_once_is_let_in_once(world: World, door: Admissions) -> None:
    window = await world.window(1000)
    first, twice = world.admission(5, [window]), world.admission(7, [window])
    answers = await all_in(door, [first, twice, twice, twice])
    assert [type(one) for one in answers] == [Admitted] * 4
    assert await world.kinds(twice.asked.call) == ["call.admitted"]
    assert await world.money(window.id) == (0, 12, 0) == await world.scan(window.id)
    with pytest.raises(LostRace):
        await admit_together(world.db, [world.admission(5, [window]), twice])
    assert await world.money(window.id) == (0, 12, 0)


async def test_who_leaves_while_it_waits_is_not_let_in_and_takes_nobody_along(
    world: World, door: Admissions
) -> None:
    window = await world.window(1000)
    admissions = [world.admission(5, [window]) for _ in range(4)]
    tasks = [asyncio.create_task(door.admit(one)) for one in admissions]
    await asyncio.sleep(0)
    tasks[2].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in answers] == [Admitted, Admitted, asyncio.CancelledError, Admitted]
    assert (await state(world, admissions[2].asked.call))[:6] == (None, None, 0, 0, 0, 0)
    assert await world.money(window.id) == (0, 15, 0)


async def _waits(db: Database) -> int:
    """The backend whose batch waits for a lock."""
    for _ in range(2000):
        rows = await ask_all(db, WAITING)
        if rows:
            return int(rows[0][0])
        await asyncio.sleep(0.01)
    raise AssertionError("it never waited")


@pytest.mark.parametrize("what", ["leaves", "killed"])
async def test_a_batch_on_its_way_outlives_who_leaves_and_its_connection(
    world: World, door: Admissions, app_dsn: str, what: str
) -> None:
    window = await world.window(1000)
    admissions = [world.admission(5, [window]) for _ in range(3)]
    async with await psycopg.AsyncConnection.connect(app_dsn) as other:
        await other.execute("SELECT FROM routing_ledger_window WHERE id = %s FOR UPDATE", (window.id,))  # fmt: skip
        tasks = [asyncio.create_task(door.admit(one)) for one in [world.admission(), *admissions]]
        backend = await _waits(world.db)
        if what == "killed":
            await ask(world.db, "SELECT pg_terminate_backend(%s::int)", (backend,))
        else:
            tasks[1].cancel()
            await asyncio.wait(tasks[1:2])
        await other.rollback()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[1], Admitted if what == "killed" else asyncio.CancelledError)
    assert {type(one) for one in [answers[0], *answers[2:]]} == {Admitted}
    # who leaves when it is on its way is in: the sweep ends what nobody waits for
    assert [await world.kinds(one.asked.call) for one in admissions] == [["call.admitted"]] * 3
    assert await world.money(window.id) == (0, 15, 0) == await world.scan(window.id)


async def test_without_a_connection_everybody_is_told(world: World) -> None:
    db = await open_pool("postgresql://nobody@127.0.0.1:1/none", 1)
    db.timeout = 0.2
    answers = await all_in(Admissions(db), [world.admission() for _ in range(3)])
    assert [type(one) for one in answers] == [PoolTimeout] * 3
    await db.close()


async def test_while_the_database_is_away_nobody_waits_in_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[UUID] = []

    async def in_vain(_db: Database, one: Admission) -> AdmitAnswer:
        asked.append(one.asked.call)
        await asyncio.sleep(0)
        raise PoolTimeout

    door, first = Admissions(world.db), world.admission()
    monkeypatch.setattr(together, "admit", in_vain)
    answers = await all_in(door, [first, *(world.admission() for _ in range(40))])
    assert [type(one) for one in answers] == [PoolTimeout] * 41
    assert asked == [first.asked.call]
    monkeypatch.undo()
    assert isinstance(await door.admit(first), Admitted)


async def test_a_race_that_a_batch_loses_is_run_again_by_each(world: World, app_dsn: str) -> None:
    """Between the look and the update somebody else takes what was left: nothing of the batch stays behind."""
    window = await world.window(20)
    batch = [world.admission(5, [window]) for _ in range(4)]
    async with await psycopg.AsyncConnection.connect(app_dsn) as other:
        await other.execute("UPDATE routing_ledger_window SET pending_nano = 6 WHERE id = %s", (window.id,))  # fmt: skip
        task = asyncio.create_task(admit_together(world.db, batch))
        await _waits(world.db)
        await other.commit()
    with pytest.raises(LostRace):
        await task
    assert await world.money(window.id) == (0, 6, 0)
    for one in batch:
        assert (await state(world, one.asked.call))[:6] == (None, None, 0, 0, 0, 0)
    answers = await all_in(Admissions(world.db), batch)
    assert Counter(type(one) for one in answers) == {Admitted: 2, NoHeadroom: 2}
    assert await world.money(window.id) == (0, 16, 0)
    async with world.db.connection() as connection:
        await connection.execute("UPDATE routing_ledger_window SET pending_nano = 10 WHERE id = %s", (window.id,))  # fmt: skip
    assert await world.scan(window.id) == (0, 10, 0)


async def test_of_two_limits_for_one_window_the_stricter_counts(world: World) -> None:
    """A raise that ends between two decisions: neither is let in above what the other was told."""
    window = await world.window(100)
    raised = replace(window, limit_nano=200)
    both = [world.admission(60, [raised]), world.admission(60, [window])]
    assert await admit_together(world.db, both) == {}
    both = [world.admission(60, [raised]), world.admission(40, [window])]
    assert len(await admit_together(world.db, both)) == 2
    assert await world.money(window.id) == (0, 100, 0)


async def _client(world: World, door: Admissions, refs: list[WindowRef], r: Random) -> int:
    """One that takes from random windows until they are full for it three times."""
    granted = failed = 0
    while failed < 3:
        subset = sorted(r.sample(refs, r.randrange(1, 6)), key=lambda w: (w.rank, w.id))
        answer = await door.admit(world.admission(1, subset))
        if isinstance(answer, Admitted):
            granted += 1
            if r.random() < 0.3:
                await commands.cancel_call(world.db, world.cancel(answer.call))
        else:
            assert isinstance(answer, NoHeadroom)
            failed += 1
    return granted


async def test_processes_that_batch_on_overlapping_windows_never_deadlock_and_fill_them(
    app_dsn: str,
) -> None:
    pools = [await open_pool(app_dsn, 8) for _ in range(4)]
    try:
        world = await make_world(pools[0])
        refs = [await world.window(150, rank=n % 3) for n in range(8)]
        [before] = await ask(pools[0], DEADLOCKS)
        worlds = [replace(world, db=db) for db in pools]
        doors = [Admissions(db) for db in pools]
        clients = (
            _client(worlds[n % 4], doors[n % 4], refs, Random(n))  # noqa: S311 - draws of a test
            for n in range(40)
        )
        assert sum(await asyncio.gather(*clients)) >= 150
        assert await ask(pools[0], DEADLOCKS) == (before,)
        sizes = await commits(world)
        assert max(sizes) > 2
        for ref in refs:
            posted, pending, overrun = await world.money(ref.id)
            assert (posted, pending, overrun) == await world.scan(ref.id)
            assert pending <= 150
    finally:
        for db in pools:
            await db.close()


async def test_the_last_places_are_filled_exactly_by_many_processes(app_dsn: str) -> None:
    pools = [await open_pool(app_dsn, 4) for _ in range(3)]
    try:
        world = await make_world(pools[0])
        windows = [await world.window(70, rank=rank) for rank in range(4)]
        doors = [Admissions(db) for db in pools]
        asked = [(doors[n % 3], world.admission(1, windows)) for n in range(120)]
        answers = await asyncio.gather(*(door.admit(one) for door, one in asked))
        assert Counter(type(one) for one in answers) == {Admitted: 70, NoHeadroom: 50}
        for window in windows:
            assert await world.money(window.id) == (0, 70, 0) == await world.scan(window.id)
    finally:
        for db in pools:
            await db.close()
