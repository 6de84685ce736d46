"""How an answer was weighed is on record before anything is done about it: once, by the worker that has the call."""

import hashlib
from dataclasses import replace
from uuid import UUID, uuid4

from routing.calls import answers, commands
from routing.calls.pool import ask_all
from routing.calls.steps import Decided, Sealed, Weighing
from tests.routing.world import World

FACTS = b'{"of":"ab"}'


def weighing(world: World, call: UUID, no: int = 2, **changes: object) -> Weighing:
    record = Decided(no, "escalate", hashlib.sha256(FACTS).digest(), FACTS, "response")
    said = Sealed("weighed", "tenant/t", "subject/t", b"n" * 12, b"ciphertext" * 3, no)
    base = Weighing(
        call=call, worker=world.worker, revision=world.revision, decision=record, said=said
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # fields by name


async def started(world: World) -> UUID:
    admission = world.admission()
    call = admission.asked.call
    assert isinstance(await commands.admit(world.db, admission), answers.Admitted)
    assert await commands.start_attempt(world.db, world.start(call)) == answers.Started()
    return call


async def records(world: World, call: UUID) -> list[tuple[object, ...]]:
    query = (
        "SELECT no, stage, effect, tenant FROM policies_decision WHERE call = %s::uuid ORDER BY no"
    )
    return [tuple(row) for row in await ask_all(world.db, query, (call,))]


async def sealed(world: World, call: UUID) -> list[tuple[object, ...]]:
    query = "SELECT field, no FROM vault_content WHERE call = %s::uuid ORDER BY field"
    return [tuple(row) for row in await ask_all(world.db, query, (call,))]


async def test_a_weighing_is_recorded_once_with_what_it_weighed(world: World) -> None:
    call = await started(world)
    step = weighing(world, call)
    for _ in range(2):
        assert await commands.record_weighing(world.db, step) == answers.Settled()
    assert await records(world, call) == [
        (1, "request", "permit", world.tenant), (2, "response", "escalate", world.tenant),
    ]  # fmt: skip
    assert await sealed(world, call) == [("request", 0), ("weighed", 2)]


async def test_the_next_record_of_whatever_stage_has_a_number_of_its_own(world: World) -> None:
    call = await started(world)
    await commands.record_weighing(world.db, weighing(world, call))
    row = await commands.peek(world.db, call)
    assert row is not None
    assert (row.decision_no, row.facts) == (2, b'{"facts":1}')


async def test_another_worker_records_nothing(world: World) -> None:
    call = await started(world)
    step = weighing(world, call, worker=uuid4())
    assert await commands.record_weighing(world.db, step) == answers.Moved()
    assert len(await records(world, call)) == 1
    assert await sealed(world, call) == [("request", 0)]


async def test_a_call_that_has_ended_is_weighed_no_more(world: World) -> None:
    call = await started(world)
    await commands.finish_call(world.db, world.finish(call, attempt={}))
    assert await commands.record_weighing(world.db, weighing(world, call)) == answers.Moved()
    assert len(await records(world, call)) == 1
