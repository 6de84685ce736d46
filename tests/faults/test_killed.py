"""A hundred calls in flight, and something dies: every caller hears, everything ends once, nothing is charged twice."""

import asyncio
import signal
from collections.abc import Callable

import pytest

from tests.faults import books, hurt, load
from tests.faults.load import Fired
from tests.journeys.installation import Installation

pytestmark = pytest.mark.faults
Told = Callable[..., None]


async def test_workers_killed(broken: Installation, told: Told) -> None:
    fired = await load.fire(broken, load.asks(), lambda: _kill(broken, hurt.WORKER))
    told(fired)
    assert fired.those("broken") == []
    # what may be tried again was; what may not, or had begun to be relayed, has a proper error
    again = [got for got in fired.outcomes if got.ask.route == "both" and not got.ask.stream]
    assert {got.how for got in again} == {"answered"}
    assert len(fired.those("refused")) >= 30
    assert await asyncio.to_thread(books.check, broken) >= 30


async def test_one_web_process_killed(broken: Installation, told: Told) -> None:
    fired = await load.fire(broken, load.asks(), lambda: _kill(broken, hurt.WEB, most=1))
    told(fired)
    lost = fired.those("broken")
    assert lost
    keyed = [got for got in lost if got.ask.idempotency_key]
    rows = {
        got.ask.idempotency_key: load.call_of_key(broken, got.ask.idempotency_key) for got in keyed
    }
    # only the callers of the one process that died
    assert len({row["reply_to"] for row in rows.values() if row}) == 1
    async with load.client(broken) as sdk:
        second = await asyncio.gather(*(load.call(sdk, got.ask) for got in keyed))
    assert {got.how for got in second} == {"answered"}
    for got in second:
        row = rows[got.ask.idempotency_key]
        assert row is None or got.call == row["id"]
        assert got.text
    assert await asyncio.to_thread(books.check, broken) == 0


async def test_sequencer_killed(broken: Installation, told: Told) -> None:
    fired = await load.fire(broken, load.asks(), lambda: _kill(broken, hurt.SEQUENCER))
    told(fired)
    assert fired.how() == {"answered": load.CALLERS}
    assert await asyncio.to_thread(books.check, broken) == 0


async def test_valkey_killed(broken: Installation, told: Told) -> None:
    fired = await load.fire(broken, load.asks(), lambda: _kill(broken, hurt.VALKEY))
    told(fired)
    assert fired.how() == {"answered": load.CALLERS}
    _whole_answers(fired)
    assert await asyncio.to_thread(books.check, broken) == 0


async def test_everything_flushed(broken: Installation, told: Told) -> None:
    fired = await load.fire(broken, load.asks(), lambda: hurt.flush(broken))
    told(fired)
    assert fired.how() == {"answered": load.CALLERS}
    _whole_answers(fired)
    assert await asyncio.to_thread(books.check, broken) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
async def test_postgresql_restarted(broken: Installation, told: Told, number: int) -> None:
    fired = await load.fire(
        broken, load.asks(), lambda: _kill(broken, hurt.POSTGRES, number, most=1)
    )
    told(fired)
    assert fired.those("broken") == []
    await asyncio.to_thread(hurt.wait_ready, broken)
    await asyncio.to_thread(books.check, broken)
    assert len(fired.those("answered")) >= load.CALLERS // 2


def _kill(it: Installation, part: str, number: int = signal.SIGKILL, most: int = 9) -> None:
    hurt.kill(it, part, number, most=most)


def _whole_answers(fired: Fired) -> None:
    """The same prompt gives the same text, so a stream that lost a piece on the way would differ in length."""
    lengths = {len(got.text.split()) for got in fired.those("answered") if got.ask.stream}
    assert all(lengths), lengths
