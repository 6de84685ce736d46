"""single, fallback, weighted: one candidate after the other, each with its retries, until one answers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from policies.engine.decision import Candidate, Plan, Retry


class Outcome(Protocol):
    """What a strategy needs to know of an attempt's outcome."""

    candidate: Candidate
    error_class: str
    """Empty when the model answered."""
    relayed: bool
    """Whether the caller has bytes of it: then nothing else may be tried."""
    retry_after_seconds: float | None


Got = TypeVar("Got", bound=Outcome)
Attempt = Callable[[Candidate], Awaitable[Got]]
Begun = Callable[[Candidate], int]
"""How many attempts at this candidate's model the call has made before, lost ones included."""
Pause = Callable[[float], Awaitable[object]]
"""How seconds between two attempts pass: by the clock that the worker lives by."""
LONGEST_PAUSE_SECONDS = 20.0


async def run(
    plan: Plan, attempt: Attempt[Got], begun: Begun, pause: Pause = asyncio.sleep
) -> None:
    """Walk the plan; the door keeps the last outcome. Every candidate of it has an attempt left."""
    for candidate in plan.steps:
        outcome = await with_retries(candidate, plan.retry, attempt, pause, begun(candidate) + 1)
        if (
            not outcome.error_class
            or outcome.relayed
            or outcome.error_class not in plan.fallback_on
        ):
            return


async def with_retries(
    candidate: Candidate, retry: Retry, attempt: Attempt[Got], pause: Pause, first: int = 1
) -> Got:
    """Attempts at one model, until it answers or the retries are used up; `first` counts from those made before."""
    for tried in range(first, max(first, retry.attempts) + 1):
        outcome = await attempt(candidate)
        over = not outcome.error_class or outcome.relayed or outcome.error_class not in retry.on
        if over or tried >= retry.attempts:
            break
        wanted = max(retry.backoff_seconds * 2 ** (tried - 1), outcome.retry_after_seconds or 0.0)
        await pause(min(wanted, LONGEST_PAUSE_SECONDS))
    return outcome
