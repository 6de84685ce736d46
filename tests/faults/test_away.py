"""PostgreSQL is away for longer than anything is remembered: 503 for who comes, a late answer for who waits, no restart."""

import asyncio
import os
import signal
from collections.abc import Callable

import pytest

from tests.faults import books, hurt, load
from tests.journeys.installation import Installation

pytestmark = pytest.mark.faults
WAITING = 20
AWAY_SECONDS = 8.0


async def test_postgresql_is_away(broken: Installation, told: Callable[..., None]) -> None:
    before = hurt.pids(broken, hurt.WEB) + hurt.pids(broken, hurt.WORKER)
    came: list[load.Outcome] = []

    async def away() -> None:
        # the supervisor sleeps, so that nobody brings it back
        os.kill(broken.running.process.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(0.3)  # the upstream has looked the last one up
            hurt.kill(broken, hurt.POSTGRES, signal.SIGQUIT, most=1)
            async with load.client(broken) as sdk:
                until = asyncio.get_running_loop().time() + AWAY_SECONDS
                while asyncio.get_running_loop().time() < until:
                    asks = load.asks(4)
                    came.extend(await asyncio.gather(*(load.call(sdk, ask) for ask in asks)))
                    await asyncio.sleep(0.5)
        finally:
            os.kill(broken.running.process.pid, signal.SIGCONT)

    fired = await load.fire(broken, load.asks(WAITING), away, started=WAITING)
    told(fired, at_least=5)
    # who was not yet admitted is refused, who was in flight is answered
    hows = [got.how for got in fired.outcomes]
    assert set(hows) <= {"answered", "refused"}, _codes(broken)
    assert hows.count("answered") >= fired.in_flight
    assert len(came) >= 8
    assert {got.how for got in came} == {"refused"}
    # also where the key is no longer remembered: tests/routing/test_database_away.py
    assert {got.error for got in came} == {"503 unavailable"}
    await asyncio.to_thread(hurt.wait_ready, broken)
    # nobody had to be started again
    assert hurt.pids(broken, hurt.WEB) + hurt.pids(broken, hurt.WORKER) == before
    await asyncio.to_thread(books.check, broken)


def _codes(it: Installation) -> list[dict[str, object]]:
    """Why calls failed, for the message."""
    return it.rows(
        "SELECT c.code, a.error_class, a.state, count(*) FROM routing_call c JOIN routing_attempt a ON a.call = c.id"
        " WHERE c.tenant = %s AND c.state <> 'completed' GROUP BY 1, 2, 3",
        load.TENANT,
    )
