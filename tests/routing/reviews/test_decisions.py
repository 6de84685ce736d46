"""Invariant 10: a person's decision is never overwritten by a machine, whoever comes at the same moment."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg import errors

from routing.calls import commands
from routing.calls.pool import Database, ask, ask_all
from routing.reviews.holding import admit_held, hold_call
from routing.reviews.steps import Decide, Opening, Overdue, Verdict
from tests.routing.reviews import asking
from tests.routing.reviews.asking import Taking, clock, deciding, due_at, opening
from tests.routing.world import World, sealed

RUI, CLEO = "member:rui@acme.example", "member:cleo@acme.example"
CONTENT = "SELECT field, no FROM vault_content WHERE call = %s::uuid ORDER BY field, no"
CASE = (
    "SELECT outcome, version, round, queue, claimed_by FROM routing_review_case WHERE id = %s::uuid"
)


async def held(world: World, **terms: Any) -> Opening:
    """A call whose answer waits for a person, as a draft."""
    admission = world.admission()
    call = admission.asked.call
    await commands.admit(world.db, admission)
    await commands.start_attempt(world.db, world.start(call))
    case = opening(world, call, **terms)
    attempt = world.settlement(call)
    step = world.finish(call, "held", attempt=attempt, answer=sealed("draft"))
    assert await hold_call(world.db, step, case) == commands.Finished(0)
    return case


async def held_before(world: World, **terms: Any) -> Opening:
    """A call that waits for a person before any model."""
    admission = replace(world.admission(), reservation=None)
    call = admission.asked.call
    case = opening(world, call, stage="request", **terms)
    entry = world.entry("call.held", call)
    assert isinstance(await admit_held(world.db, admission, entry, case), commands.Admitted)
    return case


async def claim(world: World, case: Opening, who: str, ttl_minutes: int = 15) -> str:
    entry = world.entry("review.claimed", case.call)
    taking = Taking(case.review, case.call, who, entry, timedelta(minutes=ttl_minutes))
    return await asking.claim(world.db, taking)


def verdict(case: Opening, who: str, what: Verdict, version: int = 0) -> Decide:
    return Decide(
        review=case.review, call=case.call, version=version, actor=who, verdict=what, reason="why"
    )


async def decide(world: World, case: Opening, who: str, what: Verdict, version: int = 0) -> str:
    return await asking.decide(world.db, deciding(world, verdict(case, who, what, version)))


async def late(world: World, case: Opening, what: str, version: int = 0) -> str:
    found = Overdue(
        review=case.review,
        call=case.call,
        due_at=await due_at(world.db, case.review),
        version=version,
        verdict=what,
    )
    moved = opening(world, case.call, queue="risk-desk", approvals=2, on_overdue="reject")
    return await asking.overdue(world.db, clock(world, found, moved))


async def content(db: Database, call: UUID) -> list[tuple[str, int]]:
    return [(row[0], row[1]) for row in await ask_all(db, CONTENT, (call,))]


async def test_an_approved_draft_becomes_the_answer_in_the_commit_of_the_decision(
    world: World,
) -> None:
    case = await held(world)
    assert await content(world.db, case.call) == [("draft", 0), ("request", 0)]
    assert await world.state(case.call) == "held"
    assert await claim(world, case, RUI) == "claimed"
    assert await decide(world, case, RUI, "approved") == "closed"
    assert await world.state(case.call) == "completed"
    assert await content(world.db, case.call) == [("answer", 0), ("draft", 0), ("request", 0)]
    assert await world.kinds(case.call) == [
        *("call.admitted", "attempt.started", "attempt.succeeded", "call.held"),
        *("review.claimed", "review.approved", "call.released", "call.completed"),
    ]
    assert await ask(world.db, CASE, (case.review,)) == ("approved", 0, 1, "claims-desk", "")


async def test_a_rejected_call_fails_and_is_never_released(world: World) -> None:
    case = await held(world)
    await claim(world, case, RUI)
    assert await decide(world, case, RUI, "rejected") == "closed"
    assert await world.state(case.call) == "failed"
    assert (await world.kinds(case.call))[-2:] == ["review.rejected", "call.failed"]


async def test_a_call_held_before_any_model_waits_for_a_worker_once_released(
    world: World,
) -> None:
    case = await held_before(world)
    assert await world.kinds(case.call) == ["call.admitted", "call.held"]
    assert not [f for f in await commands.sweep_find(world.db, limit=1000) if f.call == case.call]
    await claim(world, case, RUI)
    assert await decide(world, case, RUI, "approved") == "closed"
    peeked = await commands.peek(world.db, case.call)
    assert peeked is not None
    assert (peeked.state, peeked.released, peeked.worker) == ("running", True, None)
    [found] = [f for f in await commands.sweep_find(world.db, limit=1000) if f.call == case.call]
    assert commands.judge(found).verdict == "wake"


async def test_two_people_decide_where_the_queue_wants_two(world: World) -> None:
    case = await held(world, approvals=2)
    await claim(world, case, RUI)
    assert await decide(world, case, RUI, "edited") == "counted"
    assert await world.state(case.call) == "held"
    assert await claim(world, case, RUI) == "decided"
    assert await claim(world, case, CLEO) == "claimed"
    assert await decide(world, case, CLEO, "approved", version=0) == "version"
    assert await decide(world, case, CLEO, "approved", version=1) == "closed"
    assert await world.state(case.call) == "completed"
    assert await content(world.db, case.call) == [
        *(("answer", 0), ("draft", 0), ("draft", 1), ("request", 0)),
    ]
    assert (await ask(world.db, CASE, (case.review,)))[:2] == ("edited", 1)


async def test_another_edit_needs_its_own_second_person(world: World) -> None:
    case = await held(world, approvals=2)
    first: list[tuple[str, Verdict, int]] = [(RUI, "edited", 0), (CLEO, "redacted", 1)]
    for who, what, version in first:
        await claim(world, case, who)
        assert await decide(world, case, who, what, version) == "counted"
    assert await claim(world, case, RUI) == "claimed"
    assert await decide(world, case, RUI, "approved", version=2) == "closed"
    assert (await ask(world.db, CASE, (case.review,)))[:2] == ("redacted", 2)


async def test_a_claim_keeps_others_out_until_it_lapses(world: World) -> None:
    case = await held(world)
    assert await claim(world, case, RUI) == "claimed"
    assert await claim(world, case, CLEO) == "taken"
    assert await decide(world, case, CLEO, "approved") == "unclaimed"
    assert await claim(world, case, RUI, ttl_minutes=-1) == "claimed"
    assert await decide(world, case, RUI, "approved") == "unclaimed"
    assert await claim(world, case, CLEO) == "claimed"
    assert await world.state(case.call) == "held"


@pytest.mark.parametrize("what", ["completed", "failed", "cancelled"])
async def test_no_worker_ends_a_held_call(world: World, what: str) -> None:
    case = await held(world)
    for worker in (world.worker, None):
        step = world.finish(case.call, what, worker=worker)
        assert await commands.finish_call(world.db, step) == commands.Moved("held")
    assert await world.state(case.call) == "held"
    assert (await world.kinds(case.call))[-1] == "call.held"


async def test_the_sweep_leaves_a_held_call_alone(world: World) -> None:
    """A judgement that was made before the call was held is out of date."""
    admission = world.admission(deadline_seconds=-60)
    call = admission.asked.call
    await commands.admit(world.db, admission)
    [found] = [f for f in await commands.sweep_find(world.db, limit=1000) if f.call == call]
    void = world.settlement(call, becomes="voided")
    step = world.finish(call, "held", worker=None, attempt=void)
    await hold_call(world.db, step, opening(world, call))
    stale = replace(found, open_nos=(), open_states=())
    judgement = commands.judge(stale)
    entry = world.entry("call.failed", call)
    sweep = commands.Sweep(found=stale, judgement=judgement, entry=entry)
    assert await commands.sweep_call(world.db, sweep) is False
    assert await world.state(call) == "held"


async def test_the_clock_never_gives_out_another_text_than_the_persons(world: World) -> None:
    case = await held(world, approvals=2, on_overdue="release", due=timedelta(seconds=-1))
    await claim(world, case, RUI)
    assert await decide(world, case, RUI, "edited") == "counted"
    assert await late(world, case, "release", version=0) == "moved"
    assert await world.state(case.call) == "held"
    assert await late(world, case, "release", version=1) == "done"
    assert (await ask(world.db, CASE, (case.review,)))[0] == "overdue-released"
    assert (await world.kinds(case.call))[-3:] == [
        *("review.overdue", "call.released", "call.completed"),
    ]


async def test_the_clock_waits_while_a_person_is_at_it(world: World) -> None:
    case = await held(world, due=timedelta(seconds=-1))
    await claim(world, case, RUI)
    assert await late(world, case, "reject") == "claimed"
    assert await world.state(case.call) == "held"
    await claim(world, case, RUI, ttl_minutes=-1)
    assert await late(world, case, "reject") == "done"
    assert await world.state(case.call) == "failed"


async def test_before_it_is_due_the_clock_does_nothing(world: World) -> None:
    case = await held(world)
    assert await late(world, case, "reject") == "moved"
    assert await world.state(case.call) == "held"


async def test_escalated_it_lies_in_the_next_queue_under_that_queues_terms(world: World) -> None:
    case = await held(
        world, on_overdue="escalate", escalate_to="risk-desk", due=timedelta(seconds=-1)
    )
    assert await late(world, case, "release") == "moved"
    assert await late(world, case, "escalate") == "done"
    assert await ask(world.db, CASE, (case.review,)) == ("", 0, 2, "risk-desk", "")
    assert await late(world, case, "escalate") == "moved"
    assert (await world.kinds(case.call))[-1] == "review.escalated"


async def test_cancelling_a_held_call_closes_its_case(world: World) -> None:
    case = await held(world)
    left_alone = await commands.cancel_call(world.db, world.cancel(case.call, ask=False))
    assert left_alone == "running"
    assert await world.state(case.call) == "held"
    assert await commands.cancel_call(world.db, world.cancel(case.call)) == "cancelled"
    assert (await ask(world.db, CASE, (case.review,)))[0] == "cancelled"
    await claim(world, case, RUI)
    assert await decide(world, case, RUI, "approved") == "over"
    assert await world.state(case.call) == "cancelled"


async def test_a_decision_is_a_row_that_nobody_changes(world: World) -> None:
    case = await held(world)
    await claim(world, case, RUI)
    await decide(world, case, RUI, "approved")
    for query in (
        "UPDATE routing_review_decision SET verdict = 'rejected' WHERE review = %s::uuid",
        "DELETE FROM routing_review_decision WHERE review = %s::uuid",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            await ask(world.db, query, (case.review,))


async def test_whoever_comes_at_once_one_is_first_and_the_others_change_nothing(
    world: World,
) -> None:
    """A person, the queue's clock, a caller who cancels and a late worker: twelve times, one outcome each."""
    for turn in range(12):
        case = await held(world, due=timedelta(seconds=-1))
        await claim(world, case, RUI, ttl_minutes=15)
        steps = [
            decide(world, case, RUI, "rejected" if turn % 3 else "approved"),
            late(world, case, "reject"),
            commands.cancel_call(world.db, world.cancel(case.call)),
            commands.finish_call(world.db, world.finish(case.call, "failed")),
        ]
        answers = await asyncio.gather(*steps[turn % 4 :], *steps[: turn % 4])
        kinds = await world.kinds(case.call)
        ends = [
            kind for kind in kinds if kind in {"call.completed", "call.failed", "call.cancelled"}
        ]
        decided = answers[-turn % 4]
        assert decided in {"closed", "over"}
        wanted = "call.failed" if turn % 3 else "call.completed"
        assert ends == [wanted if decided == "closed" else "call.cancelled"]
        assert ("review.overdue" in kinds) is False
