"""A publish or a stop between admission and start binds at the start's commit."""

from dataclasses import replace

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


async def test_now_denied_the_call_fails_before_any_model(world: World) -> None:
    window = await world.window(1000)
    admission = world.admission(400, [window])
    call = admission.asked.call
    await commands.admit(world.db, admission)
    world.epoch = await set_stop(world.db)
    finish = world.finish(
        call, "failed", worker=None, code="policy_changed", attempt={"becomes": "voided"}
    )
    assert await commands.finish_call(world.db, finish) == Finished(0)
    assert await world.money(window.id) == (0, 0, 0)
    assert await world.kinds(call) == ["call.admitted", "attempt.voided", "call.failed"]
    assert await commands.start_attempt(world.db, world.start(call)) == commands.Moved(
        "failed", "voided"
    )


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
