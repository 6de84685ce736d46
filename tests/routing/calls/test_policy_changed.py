"""A publish or a stop between admission and start binds at the start's commit."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from routing.calls import commands
from routing.calls.commands import Admitted, Finished, Stale, Started
from routing.calls.pool import ask_all
from tests.routing.control import publish, set_stop
from tests.routing.world import World, decided, reservation


async def test_stale_decides_again_and_reprices_in_the_commit_that_starts(world: World) -> None:
    window = await world.window(1000)
    admission = world.admission(400, [window])
    call = admission.asked.call
    assert isinstance(await commands.admit(world.db, admission), Admitted)
    old = world.start(call)
    revision = await publish(world.db)
    epoch = await set_stop(world.db)
    assert await commands.start_attempt(world.db, old) == Stale(revision, epoch)
    assert await world.state(call) == "admitted"
    assert await world.money(window.id) == (0, 400, 0)

    world.revision, world.epoch = revision, epoch
    second = replace(decided(2), digest=b"2" * 32, facts=b'{"facts":2}')
    again = world.start(call, reservation=reservation(250, [window]), decision=second)
    assert await commands.start_attempt(world.db, again) == Started()
    assert await world.money(window.id) == (0, 250, 0)
    seen = await commands.peek(world.db, call)
    assert seen is not None
    assert (seen.revision, seen.stop_epoch) == (revision, epoch)
    assert (seen.decision_no, seen.decision_revision) == (2, revision)
    assert (seen.decision_digest, seen.facts) == (b"2" * 32, b'{"facts":2}')
    assert await _decisions(world, call) == [(1, "request", "permit"), (2, "request", "permit")]


def denied_again(world: World, call: UUID, **changes: Any) -> commands.Finish:
    """The end of a call whose first start found it denied, under what the world last read."""
    record = replace(decided(2), effect="deny", digest=b"2" * 32, facts=b'{"facts":2}')
    under = {"decision": record, "revision": world.revision, "stop_epoch": world.epoch}
    ending = {"worker": None, "code": "policy_changed", "attempt": {"becomes": "voided"}}
    return world.finish(call, "failed", **(ending | under | changes))


async def test_now_denied_the_call_fails_before_any_model(world: World) -> None:
    window = await world.window(1000)
    admission = world.admission(400, [window])
    call = admission.asked.call
    await commands.admit(world.db, admission)
    world.epoch = await set_stop(world.db)
    finish = denied_again(world, call)
    assert await commands.finish_call(world.db, finish) == Finished(0)
    assert await commands.finish_call(world.db, finish) == Finished(0)  # in doubt, asked again
    assert await world.money(window.id) == (0, 0, 0)
    assert await _decisions(world, call) == [(1, "request", "permit"), (2, "request", "deny")]
    seen = await commands.peek(world.db, call)
    assert seen is not None
    assert (seen.decision_no, seen.decision_digest, seen.facts) == (2, b"2" * 32, b'{"facts":2}')
    assert await world.kinds(call) == ["call.admitted", "attempt.voided", "call.failed"]
    assert await commands.start_attempt(world.db, world.start(call)) == commands.Moved(
        "failed", "voided"
    )


async def test_a_denial_under_a_policy_that_moved_again_ends_nothing(world: World) -> None:
    window = await world.window(1000)
    admission = world.admission(400, [window])
    call = admission.asked.call
    await commands.admit(world.db, admission)
    world.epoch = await set_stop(world.db)
    finish = denied_again(world, call)
    revision = await publish(world.db)
    assert await commands.finish_call(world.db, finish) == Stale(revision, world.epoch)
    assert await world.state(call) == "admitted"
    assert await world.kinds(call) == ["call.admitted"]
    assert await _decisions(world, call) == [(1, "request", "permit")]
    assert await world.money(window.id) == (0, 400, 0)


async def test_a_denial_that_waited_for_a_publisher_is_stale(world: World, app_dsn: str) -> None:
    admission = world.admission()
    call = admission.asked.call
    await commands.admit(world.db, admission)
    publisher = await psycopg.AsyncConnection.connect(app_dsn, autocommit=True)
    async with publisher, publisher.transaction():
        await publisher.execute("SELECT order_exclusive()")
        denial = asyncio.create_task(commands.finish_call(world.db, denied_again(world, call)))
        await asyncio.sleep(0.1)
        assert not denial.done()
        await publisher.execute("UPDATE policies_control SET revision = revision + 1")
    assert await denial == Stale(world.revision + 1, world.epoch)
    assert await _decisions(world, call) == [(1, "request", "permit")]


def test_a_denial_says_what_it_was_made_under(world: World) -> None:
    with pytest.raises(ValueError, match="says what it was made under"):
        denied_again(world, world.ids.new(), revision=None)


async def test_without_a_second_decision_the_first_stands(world: World) -> None:
    """An epoch that moved for others: decided again with the same plan, started as it was reserved."""
    admission = world.admission()
    call = admission.asked.call
    await commands.admit(world.db, admission)
    before = world.epoch
    world.epoch = await set_stop(world.db)
    assert await commands.start_attempt(world.db, world.start(call)) == Started()
    seen = await commands.peek(world.db, call)
    assert seen is not None
    assert (seen.stop_epoch, seen.decision_no) == (before, 1)


async def _decisions(world: World, call: object) -> list[tuple[object, ...]]:
    query = "SELECT no, stage, effect FROM policies_decision WHERE call = %s::uuid ORDER BY no"
    return await ask_all(world.db, query, (call,))
