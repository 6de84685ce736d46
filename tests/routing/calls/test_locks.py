"""The lock order: the order lock first or never, the call's row before the first write, windows by (rank, id)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from random import Random
from uuid import UUID

import psycopg
import pytest
from psycopg.errors import DatabaseError

from routing.calls import commands, questions
from routing.calls.commands import Admitted, Finished, NoHeadroom, Settled, Stale
from routing.calls.pool import Database, ask, open_pool
from tests.routing.world import World, make_world

WRITES = (
    "SELECT finish_call(NULL, NULL, NULL, NULL, NULL, NULL)",
    "SELECT settle_attempt(NULL, NULL, NULL, NULL)",
    "SELECT cancel_call(NULL, NULL, NULL, NULL, NULL)",
    "SELECT claim(NULL, NULL)",
    "SELECT start_attempt(NULL, NULL, NULL, NULL)",
    "SELECT admit(NULL, NULL, NULL, NULL, NULL)",
    "SELECT deny(NULL, NULL, NULL)",
    "SELECT review_hold(ROW(NULL, NULL, NULL, NULL, 'held', '')::routing_ending, NULL, NULL, NULL, NULL, NULL, NULL)",
    "SELECT admit_held(NULL, NULL, NULL, NULL, NULL, NULL)",
    "SELECT review_claim(NULL, NULL, NULL, NULL, NULL)",
    "SELECT review_return(NULL, NULL, NULL, NULL)",
    "SELECT review_decide(NULL, NULL, NULL, NULL, NULL, NULL)",
    "SELECT review_overdue(NULL, NULL, NULL, NULL, NULL, NULL)",
    "SELECT admit_together(NULL, NULL, NULL, NULL, NULL)",
)
ENDING = "SELECT finish_call(ROW(NULL, NULL, NULL, NULL, 'failed', '')::routing_ending, NULL, NULL, NULL, NULL, NULL)"
SWEEP = "SELECT sweep_call(ROW(NULL, NULL, NULL, NULL, 'again', '')::routing_ending, '1s', '{}', '{}', '{}', '{}', NULL)"


@pytest.fixture
async def raw(app_dsn: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection outside the pool, autocommit."""
    connection = await psycopg.AsyncConnection.connect(app_dsn, autocommit=True)
    yield connection
    await connection.close()


@pytest.mark.parametrize("query", [*WRITES[1:], ENDING, SWEEP])
async def test_every_step_refuses_a_transaction_that_has_written(
    raw: psycopg.AsyncConnection, query: str
) -> None:
    async with raw.transaction(force_rollback=True):
        await raw.execute("SELECT pg_current_xact_id()")
        with pytest.raises(DatabaseError) as refused:
            await raw.execute(query)
    assert refused.value.sqlstate == "MD001"


@pytest.mark.parametrize("query", ["SELECT order_shared()", *WRITES[4:7], WRITES[-1]])
@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
async def test_the_order_lock_refuses_a_snapshot_older_than_itself(
    app_dsn: str, query: str, level: str
) -> None:
    options = f"-c default_transaction_isolation={level.replace(' ', chr(92) + ' ')}"
    connection = await psycopg.AsyncConnection.connect(app_dsn, autocommit=True, options=options)
    async with connection:
        with pytest.raises(DatabaseError) as refused:
            await connection.execute(query)
    assert refused.value.sqlstate == "MD001"


async def test_a_step_that_waits_for_the_row_has_no_transaction_id_yet(
    world: World, raw: psycopg.AsyncConnection, app_dsn: str
) -> None:
    """Else the log would show `call.cancelled` before the `call.held` that it waited for."""
    admission = world.admission()
    call = admission.asked.call
    assert isinstance(await commands.admit(world.db, admission), Admitted)
    assert await commands.start_attempt(world.db, world.start(call)) == commands.Started()
    async with await psycopg.AsyncConnection.connect(app_dsn, autocommit=True) as other:
        pid = other.info.backend_pid
        async with raw.transaction():
            cursor = await raw.execute(questions.FINISH, _hold(world, call))
            assert (await cursor.fetchone() or ())[0] == "finished"
            step = world.cancel(call)
            void, entry = step.void_entry, step.entry
            params = (call, "cancelled", True, void.id, void.body, entry.id, entry.body)
            waiting = asyncio.create_task(other.execute(questions.CANCEL, params))
            assert await _waits(raw, pid) is None
        cursor = await waiting
        assert (await cursor.fetchone() or ())[0] == "cancelled"
    assert (await world.kinds(call))[-3:] == ["attempt.succeeded", "call.held", "call.cancelled"]


def _hold(world: World, call: UUID) -> tuple[object, ...]:
    attempt = world.settlement(call)
    held = world.entry("call.held", call)
    ending = (call, world.worker, *questions.NOT_DECIDED, "held", "")
    attempt_entry = (attempt.entry.id, attempt.entry.body)
    entry = (held.id, held.body, *questions.NO_DECISION)
    return (*ending, *attempt.row(), *attempt_entry, *questions.NO_SEALED, *entry)


async def _waits(raw: psycopg.AsyncConnection, pid: int) -> object:
    """Wait until the backend waits for a lock; its transaction id, None when it has none."""
    for _ in range(3000):
        cursor = await raw.execute(
            "SELECT wait_event_type, (SELECT max(transactionid::text) FROM pg_locks l "
            "WHERE l.pid = a.pid AND l.locktype = 'transactionid' AND l.granted) FROM pg_stat_activity a WHERE a.pid = %s",
            (pid,),
        )
        row = await cursor.fetchone()
        if row is not None and row[0] == "Lock":
            return row[1]
        await asyncio.sleep(0.01)
    raise AssertionError("it never waited")


async def test_an_admission_that_waited_for_a_publisher_sees_what_it_published(
    world: World, raw: psycopg.AsyncConnection
) -> None:
    async with raw.transaction():
        await raw.execute("SELECT order_exclusive()")
        admission = asyncio.create_task(commands.admit(world.db, world.admission()))
        denial = asyncio.create_task(commands.deny(world.db, world.denial()))
        await asyncio.sleep(0.1)
        assert not admission.done()
        assert not denial.done()
        await raw.execute("UPDATE policies_control SET revision = revision + 1")
    expected = Stale(world.revision + 1, world.epoch)
    assert await admission == expected
    assert await denial == expected


async def test_a_start_that_waited_for_a_stop_is_stale(
    world: World, raw: psycopg.AsyncConnection
) -> None:
    admission = world.admission()
    await commands.admit(world.db, admission)
    async with raw.transaction():
        await raw.execute("SELECT order_exclusive()")
        start = asyncio.create_task(
            commands.start_attempt(world.db, world.start(admission.asked.call))
        )
        await asyncio.sleep(0.1)
        assert not start.done()
        await raw.execute("UPDATE policies_control SET stop_epoch = stop_epoch + 1")
    assert await start == Stale(world.revision, world.epoch + 1)
    assert await world.kinds(admission.asked.call) == ["call.admitted"]


async def _settled(world: World) -> UUID:
    """A running call with no open attempt, so that only the call's row guards its end."""
    admission = world.admission()
    call = admission.asked.call
    await commands.admit(world.db, admission)
    assert await commands.start_attempt(world.db, world.start(call)) == commands.Started()
    failed = world.settlement(call, becomes="failed")
    assert await commands.settle_attempt(world.db, failed) == Settled()
    return call


async def test_many_ends_at_once_leave_one_terminal_entry(world: World) -> None:
    ends = ("completed", "failed", "cancelled", "held")
    for _ in range(6):
        call = await _settled(world)
        steps = [world.finish(call, ends[n % 4]) for n in range(8)]
        answers = await asyncio.gather(*(commands.finish_call(world.db, step) for step in steps))
        assert sum(isinstance(answer, Finished) for answer in answers) == 1
        assert len(await world.kinds(call)) == 4


async def test_a_finish_and_a_sweep_at_once_leave_one_terminal_entry(world: World) -> None:
    calls = [await _settled(world) for _ in range(6)]
    await commands.give_up(world.db, world.worker)
    found = {f.call: f for f in await commands.sweep_find(world.db, limit=10_000)}
    for call in calls:
        f = replace(found[call], overdue=timedelta(seconds=99))
        sweeps = [
            commands.Sweep(
                found=f,
                judgement=commands.Judgement("failed", "worker_lost"),
                entry=world.entry("call.failed", call),
            )
            for _ in range(4)
        ]
        finishes = [world.finish(call) for _ in range(4)]
        done = await asyncio.gather(
            *(commands.sweep_call(world.db, step) for step in sweeps),
            *(commands.finish_call(world.db, step) for step in finishes),
        )
        assert sum(answer is True or isinstance(answer, Finished) for answer in done) == 1
        assert len(await world.kinds(call)) == 4


async def _one_client(world: World, refs: list[commands.WindowRef], r: Random, until: float) -> int:
    """Reserve, settle, void, re-price, sweep: whatever takes windows."""
    done = 0
    while asyncio.get_running_loop().time() < until:
        subset = sorted(r.sample(refs, r.randrange(1, 5)), key=lambda w: (w.rank, w.id))
        admission = world.admission(r.randrange(1, 50), subset)
        call = admission.asked.call
        if isinstance(await commands.admit(world.db, admission), NoHeadroom):
            continue
        done += 1
        if r.random() < 0.2:
            assert await commands.cancel_call(world.db, world.cancel(call)) == "cancelled"
            continue
        others = sorted(r.sample(refs, r.randrange(1, 5)), key=lambda w: (w.rank, w.id))
        priced = (
            world.admission(r.randrange(1, 50), others).reservation if r.random() < 0.5 else None
        )
        answer = await commands.start_attempt(world.db, world.start(call, reservation=priced))
        if isinstance(answer, NoHeadroom):
            assert await commands.cancel_call(world.db, world.cancel(call)) == "cancelled"
            continue
        if r.random() < 0.3:
            settlement = world.settlement(call, becomes="failed", amount_nano=r.randrange(60))
            assert await commands.settle_attempt(world.db, settlement) == Settled()
            assert isinstance(
                await commands.finish_call(world.db, world.finish(call, "failed")), Finished
            )
            continue
        finish = world.finish(call, attempt={"amount_nano": r.randrange(60)})
        assert isinstance(await commands.finish_call(world.db, finish), Finished)
    return done


async def test_32_clients_on_overlapping_windows_never_deadlock(app_dsn: str) -> None:
    db: Database = await open_pool(app_dsn, 32)
    try:
        world = await make_world(db)
        refs = [await world.window(4000, rank=n % 4, hard=n != 3) for n in range(8)]
        [before] = await ask(db, DEADLOCKS)
        until = asyncio.get_running_loop().time() + 4
        clients = (_one_client(world, refs, Random(n), until) for n in range(32))  # noqa: S311 - draws of a test
        done = await asyncio.gather(*clients)
        assert min(done) >= 1
        assert await ask(db, DEADLOCKS) == (before,)
        for ref in refs:
            assert await world.money(ref.id) == await world.scan(ref.id)
            assert (await world.money(ref.id))[1] == 0
    finally:
        await db.close()


DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
