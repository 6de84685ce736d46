"""A worker that sleeps longer than its lease: its calls are another's when it wakes, and what it brings is booked once."""

import asyncio
import signal
from collections.abc import Callable

import pytest

from tests.faults import books, hurt, load
from tests.journeys.installation import Installation

pytestmark = pytest.mark.faults
ASLEEP_SECONDS = 9.0


async def test_a_worker_sleeps_longer_than_its_lease(
    broken: Installation, told: Callable[..., None]
) -> None:
    async def sleep() -> None:
        (pid,) = hurt.kill(broken, hurt.WORKER, signal.SIGSTOP, most=1)
        await asyncio.sleep(ASLEEP_SECONDS)
        hurt.resume(pid)

    fired = await load.fire(broken, load.asks(), sleep)
    told(fired)
    assert fired.those("broken") == []
    again = [got for got in fired.outcomes if got.ask.route == "both" and not got.ask.stream]
    assert {got.how for got in again} == {"answered"}
    await asyncio.to_thread(books.wait_ended, broken)
    # whether an answer lay in the sleeper's sockets is chance; that each was booked once is not
    await asyncio.to_thread(books.check, broken)
