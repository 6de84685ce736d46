"""An attempt is charged once, however often and by whomever its end is told."""

import asyncio

from routing.calls import commands
from routing.calls.answers import Settled
from tests.routing.world import World


async def test_an_end_told_five_times_is_booked_once(world: World) -> None:
    window = await world.window(1000)
    admission = world.admission(100, [window])
    call = admission.asked.call
    await commands.admit(world.db, admission)
    await commands.start_attempt(world.db, world.start(call))
    ends = [world.settlement(call, becomes="failed", amount_nano=40) for _ in range(5)]
    answers = await asyncio.gather(*(commands.settle_attempt(world.db, end) for end in ends))
    assert answers.count(Settled()) == 1
    assert (await world.kinds(call)).count("attempt.failed") == 1
    assert await world.money(window.id) == (40, 0, 0)
    assert await world.scan(window.id) == (40, 0, 0)


async def test_an_unknown_attempt_is_reconciled_once(world: World) -> None:
    window = await world.window(1000)
    admission = world.admission(100, [window])
    call = admission.asked.call
    await commands.admit(world.db, admission)
    await commands.start_attempt(world.db, world.start(call))
    await commands.settle_attempt(world.db, world.settlement(call, becomes="unknown"))
    assert await world.money(window.id) == (0, 100, 0)
    # the worker's late answer, the reconciler, and a person, all at once
    late = [
        world.settlement(call, becomes="reconciled", amount_nano=nano, basis=basis)
        for nano, basis in ((60, "reported"), (100, "reserve"), (70, "person"))
    ]
    answers = await asyncio.gather(*(commands.settle_attempt(world.db, end) for end in late))
    assert answers.count(Settled()) == 1
    booked = (60, 100, 70)[answers.index(Settled())]
    assert await world.money(window.id) == (booked, 0, 0)
    assert (await world.kinds(call)).count("attempt.reconciled") == 1
