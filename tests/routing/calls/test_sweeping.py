"""Leases, the sweep's judgement, and the waiting that remembers nothing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from routing.calls import commands
from routing.calls.commands import (
    Found,
    Judgement,
    Late,
    LeaseLost,
    Lost,
    Started,
    Sweep,
    WrongEntry,
    judge,
)
from tests.routing.world import World, reservation

WORKER = uuid4()
FOUND = Found(
    call=uuid4(),
    tenant="t",
    state="running",
    worker=WORKER,
    lost=True,
    overdue=timedelta(seconds=-30),
    cancelled=False,
    relayed=False,
    lost_retries=1,
    waiting=timedelta(),
    stream=False,
    reply_to=None,
    dialect="openai.chat",
    open_nos=(1,),
    open_states=("started",),
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Judgement("again")),
        ({"lost_retries": 0}, Judgement("failed", "worker_lost")),
        # nothing was lost: it died between two attempts
        ({"lost_retries": 0, "open_nos": (), "open_states": ()}, Judgement("again")),
        ({"relayed": True}, Judgement("failed", "worker_lost")),
        ({"cancelled": True}, Judgement("cancelled", "cancelled")),
        ({"overdue": timedelta(seconds=6)}, Judgement("failed", "deadline_exceeded")),
        ({"overdue": timedelta(seconds=4)}, Judgement("again")),
        ({"worker": None, "lost": False}, Judgement("wake")),
        ({"worker": None, "lost": False, "cancelled": True}, Judgement("cancelled", "cancelled")),
        (
            {"worker": None, "lost": False, "overdue": timedelta(seconds=5)},
            Judgement("failed", "deadline_exceeded"),
        ),
        ({"lost": False}, Judgement("leave")),
        ({"lost": False, "cancelled": True}, Judgement("leave")),
        # a live worker should have ended it itself
        ({"lost": False, "overdue": timedelta(seconds=29)}, Judgement("leave")),
        (
            {"lost": False, "overdue": timedelta(seconds=30)},
            Judgement("failed", "deadline_exceeded"),
        ),
        (
            {"lost": False, "cancelled": True, "overdue": timedelta(seconds=30)},
            Judgement("cancelled", "cancelled"),
        ),
    ],
)
def test_judge(changes: dict[str, Any], expected: Judgement) -> None:
    assert judge(replace(FOUND, **changes)) == expected


async def running(world: World, **asked: Any) -> Any:
    admission = world.admission(0, [], **asked)
    await commands.admit(world.db, admission)
    assert await commands.start_attempt(world.db, world.start(admission.asked.call)) == Started()
    return admission.asked.call


async def find(world: World, call: Any) -> Found | None:
    found = await commands.sweep_find(world.db, limit=10_000)
    return next((f for f in found if f.call == call), None)


def carry_out(world: World, f: Found) -> Sweep:
    judgement = judge(f)
    attempts = [world.entry(f"attempt.{b}", f.call) for b in f.becomes()]
    ends = judgement.verdict != "again"
    entry = world.entry(f"call.{judgement.verdict}", f.call) if ends else None
    return Sweep(found=f, judgement=judgement, attempts=attempts, entry=entry)


async def test_a_lease_that_ran_out_revives_until_it_is_buried(world: World) -> None:
    assert await world.lease(ttl_seconds=-1)
    assert await commands.start_attempt(world.db, world.start(await admitted(world))) == Started()
    assert await world.lease(ttl_seconds=-1)
    assert world.worker in await commands.bury(world.db, ttl_seconds=0.001)
    assert not await world.lease()
    assert await commands.start_attempt(world.db, world.start(await admitted(world))) == LeaseLost()


async def admitted(world: World) -> Any:
    admission = world.admission()
    await commands.admit(world.db, admission)
    return admission.asked.call


async def test_nobody_is_buried_right_after_the_server_came_back(world: World) -> None:
    assert await world.lease(ttl_seconds=-1)
    assert await commands.bury(world.db, ttl_seconds=10 * 365 * 86_400) == []
    assert await world.lease()


async def test_a_lost_worker_costs_an_attempt_and_the_next_takes_over(world: World) -> None:
    call = await running(world, lost_retries=1)
    assert await find(world, call) is None
    dead = world.worker
    assert await commands.give_up(world.db, dead)
    found = await find(world, call)
    assert found is not None
    assert await commands.sweep_call(world.db, carry_out(world, found))
    assert await world.attempt(call) == "unknown"

    world.worker = uuid4()
    await world.lease()
    step = world.start(call, 2, reservation=reservation(0, []))
    assert await commands.start_attempt(world.db, step) == Started()
    late = world.finish(call, worker=dead, attempt={"amount_nano": 0})
    assert await commands.finish_call(world.db, late) == Lost()
    await commands.give_up(world.db, world.worker)
    found = await find(world, call)
    assert found is not None
    assert judge(found) == Judgement("failed", "worker_lost")
    assert await commands.sweep_call(world.db, carry_out(world, found))
    assert await world.kinds(call) == [
        *("call.admitted", "attempt.started", "attempt.unknown"),
        *("attempt.started", "attempt.unknown", "call.failed"),
    ]


async def test_a_row_that_somebody_holds_is_left_to_them(world: World) -> None:
    call = await running(world)
    await commands.give_up(world.db, world.worker)
    found = await find(world, call)
    assert found is not None
    async with world.db.connection() as connection, connection.transaction():
        await connection.execute("SELECT 1 FROM routing_call WHERE id = %s FOR UPDATE", (call,))
        assert not await commands.sweep_call(world.db, carry_out(world, found))
    assert await commands.sweep_call(world.db, carry_out(world, found))


async def test_a_worker_learns_of_stops_and_cancellations_in_one_question(world: World) -> None:
    call, other = await running(world), await running(world)
    assert await commands.cancel_call(world.db, world.cancel(call)) == "asked"
    assert await commands.cancel_call(world.db, world.cancel(other, ask=False)) == "running"
    pulse = await commands.running_calls(world.db, world.worker)
    assert (pulse.revision, pulse.stop_epoch) == (world.revision, world.epoch)
    assert pulse.cancelled == {call}


async def test_a_call_past_its_deadline_does_not_start_and_is_ended(world: World) -> None:
    admission = world.admission(0, [], deadline_seconds=-10)
    call = admission.asked.call
    await commands.admit(world.db, admission)
    assert await commands.start_attempt(world.db, world.start(call)) == Late()
    found = await find(world, call)
    assert found is not None
    assert await commands.sweep_call(world.db, carry_out(world, found))
    assert await world.kinds(call) == ["call.admitted", "attempt.voided", "call.failed"]
    assert await commands.ended(world.db, [call, uuid4()]) == [call]
    seen = await commands.outcome(world.db, call)
    assert seen is not None
    assert (seen.state, seen.code) == ("failed", "deadline_exceeded")


async def test_what_is_not_there_is_none(world: World) -> None:
    assert await commands.peek(world.db, uuid4()) is None
    assert await commands.outcome(world.db, uuid4()) is None
    assert await commands.cancel_call(world.db, world.cancel(uuid4())) == "over"


async def test_an_entry_of_another_kind_or_call_is_refused(world: World) -> None:
    call = uuid4()
    with pytest.raises(WrongEntry):
        replace(world.finish(call), entry=world.entry("call.failed", call))
    with pytest.raises(WrongEntry):
        replace(world.finish(call), entry=world.entry("call.completed", uuid4()))
    with pytest.raises(WrongEntry, match="which attempt"):
        replace(world.cancel(call), void_entry=world.entry("attempt.voided", call))


async def test_claim_takes_what_nobody_has(world: World) -> None:
    call = await admitted(world)
    assert await commands.claim(world.db, call, world.worker) == Started()
    assert await commands.claim(world.db, call, world.worker) == Started()
    assert await commands.claim(world.db, call, uuid4()) == Lost()
    assert await commands.claim(world.db, await admitted(world), uuid4()) == LeaseLost()


async def _lost(world: World, *, relays: bool = False, **asked: Any) -> Found:
    admission = world.admission(0, [], **asked)
    call = admission.asked.call
    await commands.admit(world.db, admission)
    step = world.start(call, relays=relays)
    assert await commands.start_attempt(world.db, step) == Started()
    await commands.give_up(world.db, world.worker)
    found = await find(world, call)
    assert found is not None
    return found


async def test_the_database_checks_again_what_a_sweeper_judged(world: World) -> None:
    """`again` for a stream that may have been relayed would let a caller see two answers."""
    relayed = await _lost(world, relays=True)
    world.worker = uuid4()
    await world.lease()
    spent = await _lost(world, lost_retries=0)
    for found in (relayed, spent):
        attempts = [world.entry("attempt.unknown", found.call)]
        wrong = Sweep(found=found, judgement=Judgement("again"), attempts=attempts)
        assert not await commands.sweep_call(world.db, wrong)
        entry = world.entry("call.cancelled", found.call)
        wrong = Sweep(found=found, judgement=Judgement("cancelled"), attempts=attempts, entry=entry)
        assert not await commands.sweep_call(world.db, wrong)
        assert await world.kinds(found.call) == ["call.admitted", "attempt.started"]
        assert await commands.sweep_call(world.db, carry_out(world, found))
        assert (await world.kinds(found.call))[-2:] == ["attempt.unknown", "call.failed"]


async def test_a_live_workers_call_is_not_taken_from_it(world: World) -> None:
    call = await running(world)
    found = replace(FOUND, call=call, worker=world.worker)
    attempts = [world.entry("attempt.unknown", call)]
    step = Sweep(found=found, judgement=Judgement("again"), attempts=attempts)
    assert not await commands.sweep_call(world.db, step)
    entry = world.entry("call.failed", call)
    step = Sweep(found=found, judgement=Judgement("failed"), attempts=attempts, entry=entry)
    assert not await commands.sweep_call(world.db, step)
    assert await world.attempt(call) == "started"
