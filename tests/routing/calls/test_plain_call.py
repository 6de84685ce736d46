"""One plain call, from admission to its end, as its caller, the ledger and the log see it."""

from routing.calls.commands import (
    Admitted,
    Finished,
    Started,
    admit,
    finish_call,
    outcome,
    peek,
    start_attempt,
)
from routing.calls.pool import ask
from tests.routing.world import World, sealed


async def test_a_plain_call_takes_three_commits_and_leaves_four_entries(world: World) -> None:
    window = await world.window(1000)
    admission = world.admission(300, [window], run="run-1")
    call = admission.asked.call

    admitted = await admit(world.db, admission)
    assert isinstance(admitted, Admitted)
    assert admitted.call == call
    assert await world.money(window.id) == (0, 300, 0)

    seen = await peek(world.db, call)
    assert seen is not None
    assert (seen.state, seen.attempts, seen.worker, seen.run) == ("admitted", 1, None, "run-1")
    assert [(t.no, t.state, t.model, t.reserved_nano) for t in seen.tried] == [
        (1, "reserved", "gpt-mini", 300)
    ]
    assert seen.request == sealed("request")
    assert seen.deadline_at == admitted.deadline_at

    assert await start_attempt(world.db, world.start(call)) == Started()
    settled = {"amount_nano": 120, "service_tier": "flex"}
    finish = world.finish(call, attempt=settled, answer=sealed("answer"))
    assert await finish_call(world.db, finish) == Finished(120)

    assert await world.money(window.id) == (120, 0, 0)
    tiers = "SELECT service_tier FROM routing_attempt WHERE call = %s::uuid"
    assert await ask(world.db, tiers, (call,)) == ("flex",)
    assert await world.kinds(call) == [
        "call.admitted",
        "attempt.started",
        "attempt.succeeded",
        "call.completed",
    ]
    end = await outcome(world.db, call)
    assert end is not None
    assert (end.state, end.cost_nano, end.ended, end.model) == ("completed", 120, True, "gpt-mini")
    assert end.answer == sealed("answer")
