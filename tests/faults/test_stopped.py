"""`up` is told to stop with a hundred calls in flight: each caller gets an end, no process is left, nothing is lost."""

import asyncio
import signal
import time
from collections.abc import Callable

import pytest

from tests.faults import books, load
from tests.journeys.installation import Installation

pytestmark = pytest.mark.faults
SOON = "[[sandbox tokens=10 latency=4s]]"
LONG = "[[sandbox tokens=10 latency=14s]]"
LONG_STREAM = "[[sandbox tokens=10 chunks=10 delay=2s]]"


async def test_sigterm(broken: Installation, told: Callable[..., None]) -> None:
    took: list[float] = []

    async def stop() -> None:
        took.append(await asyncio.to_thread(broken.running.stop, signal.SIGTERM))

    asks = [
        *load.asks(load.CALLERS // 2, plain=SOON),
        *load.asks(load.CALLERS // 2, plain=LONG, streamed=LONG_STREAM),
    ]
    fired = await load.fire(broken, asks, stop)
    told(fired)
    assert took[0] <= 10.0
    # what could end did, the rest was told to try again; no connection just broke
    assert fired.those("broken") == []
    soon = [got.how for got in fired.outcomes if got.ask.plain == SOON and not got.ask.stream]
    assert set(soon) <= {"answered", "refused"}
    assert "answered" in soon
    long = [got for got in fired.outcomes if got.ask.plain == LONG]
    assert {got.how for got in long} == {"refused"}
    assert {got.error.split()[0] for got in long} <= {"503", "event"}

    until = time.monotonic() + 150
    broken.running.process.wait(10)
    broken.running.out.close()
    broken.running = broken.running.machine.start()
    await asyncio.to_thread(broken.running.wait_for, "Ready after", until - time.monotonic())
    await asyncio.to_thread(books.check, broken)
