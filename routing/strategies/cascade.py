"""Answers that are checked before anybody sees them: tier after tier, until one is accepted or a person must decide.

A plan that is no cascade has one tier for each model, so that validators may send it on to the next.
"""

from collections.abc import Awaitable, Sequence
from typing import Generic, Protocol, TypeVar

from policies.engine.decision import Candidate, Plan
from routing.strategies.ordered import Outcome, with_retries
from routing.validation.judged import Answer, Judged, Place


class Answered(Outcome, Answer, Protocol):
    """An attempt's outcome, and what it said."""


A = TypeVar("A", bound=Answered)


class Walk(Protocol, Generic[A]):
    """What the walk may do; it knows no model and no database."""

    def attempt(self, candidate: Candidate, repair: Judged | None) -> Awaitable[A]:
        """One attempt; with a judgement, the one that puts right what it misses."""
        ...

    def pause(self, seconds: float) -> Awaitable[object]:
        """Let seconds pass between two attempts."""
        ...

    def may(self, candidate: Candidate) -> bool:
        """Whether the candidate is still to be tried."""
        ...

    def judge(self, place: Place, given: Sequence[A]) -> Awaitable[Judged]:
        """Weigh the answers of one tier, and record it."""
        ...

    def failed(self, place: Place, error_class: str) -> Awaitable[Judged]:
        """Weigh a last tier that gave no answer."""
        ...

    def may_hold_failure(self) -> bool:
        """Whether some rule could give a failure to a person."""
        ...


async def run(plan: Plan, walk: Walk[A]) -> Judged | None:
    """Walk the tiers. None where a model's failure is how the call ends; the door keeps the last outcome."""
    tiers = [
        (number, steps)
        for number, tier in enumerate(plan.checks.tiers if plan.checks else ())
        if (steps := [s for s in (plan.steps[i] for i in tier.steps) if walk.may(s)])
    ]
    for at, (number, steps) in enumerate(tiers):
        place = Place(number, last=at == len(tiers) - 1)
        answers, failure = await _samples(plan, steps, walk)
        if not answers:
            if place.last or failure not in plan.fallback_on:
                return await _after(plan, Place(number, last=True), failure, walk)
            continue
        judged = await walk.judge(place, answers)
        if judged.action == "repair":
            judged = await _repaired(place, answers, judged, walk)
        if judged.action != "next":
            return judged
    return None


async def _samples(plan: Plan, steps: Sequence[Candidate], walk: Walk[A]) -> tuple[list[A], str]:
    """The wanted number of answers, going round the tier's models; one that fails is left out. And the last failure."""
    wanted = plan.checks.samples if plan.checks else 1
    answers: list[A] = []
    left, failure, turn = list(steps), "", 0
    while left and len(answers) < wanted:
        candidate = left[turn % len(left)]
        outcome = await with_retries(
            candidate, plan.retry, lambda c: walk.attempt(c, None), walk.pause
        )
        if not outcome.error_class:
            answers.append(outcome)
            turn += 1
            continue
        failure = outcome.error_class
        if failure not in plan.fallback_on:
            break
        left.remove(candidate)
        turn = turn % len(left) if left else 0
    return answers, failure


async def _repaired(place: Place, answers: Sequence[A], judged: Judged, walk: Walk[A]) -> Judged:
    """One more attempt at the model of the answer that was judged; it counts as the answer of its tier."""
    before = answers[judged.chosen]
    again = await walk.attempt(before.candidate, judged)
    once = Place(place.tier, place.last, repairs=1)
    if again.error_class:
        return await walk.failed(once, again.error_class)
    return await walk.judge(once, [again, *(one for one in answers if one is not before)])


async def _after(plan: Plan, place: Place, failure: str, walk: Walk[A]) -> Judged | None:
    """After a plan that ends failed: a person, by a rule or by the route's `otherwise`; else the model's failure stands."""
    otherwise = plan.checks.otherwise if plan.checks and failure in plan.fallback_on else ""
    if not otherwise and not walk.may_hold_failure():
        return None
    judged = await walk.failed(place, failure)
    return judged if judged.action == "escalate" else None
