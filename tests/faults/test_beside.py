"""Something dies while models are asked beside calls: no caller notices, every shadow run ends once, and the money adds up."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from controlplane.kernel.clock import system_clock
from tests.faults import books, hurt, load
from tests.faults.load import TENANT, Ask
from tests.journeys.installation import Installation

pytestmark = pytest.mark.faults
Told = Callable[..., None]
SLOW = "[[sandbox model=j-claude-upstream latency=6s]]"
PLAIN = f"[[sandbox model=j-gpt-upstream tokens=10 latency=500ms]] {SLOW}"
STREAMED = f"[[sandbox model=j-gpt-upstream tokens=10 chunks=4 delay=200ms]] {SLOW}"
ENOUGH, WAIT_SECONDS = 8, 40.0
RUNS = """
SELECT b.of, b.call, c.state, c.code, o.state AS answered,
       (SELECT count(*) FROM routing_attempt a WHERE a.call = b.call) AS attempts,
       (SELECT count(*) FROM routing_attempt a WHERE a.call = b.call AND a.state = 'started') AS started
  FROM routing_beside b LEFT JOIN routing_call c ON c.id = b.call LEFT JOIN routing_call o ON o.id = b.of
 WHERE b.tenant = %s AND b.asked_at >= %s"""
CALLERS_OPEN = """
SELECT count(*) FROM routing_call c WHERE c.tenant = %s AND c.finished_at IS NULL
   AND NOT EXISTS (SELECT FROM routing_beside b WHERE b.call = c.id)"""
UNLINKED = """
SELECT c.id FROM routing_call c JOIN policies_decision d ON d.call = c.id AND d.no = 1
 WHERE c.tenant = %s AND position('"shadow":{'::bytea IN d.facts) > 0
   AND NOT EXISTS (SELECT FROM routing_beside b WHERE b.call = c.id)"""


class Watched(Ask):
    """A caller of the route that asks another model beside every call."""

    @property
    def route(self) -> str:
        return "watched"


def callers() -> list[Watched]:
    return [
        Watched(one.no, one.idempotency_key, one.plain, one.streamed)
        for one in load.asks(plain=PLAIN, streamed=STREAMED)
    ]


async def when(found: Callable[[], bool]) -> None:
    """Wait until the moment at which it is to break."""
    until = asyncio.get_running_loop().time() + WAIT_SECONDS
    while not await asyncio.to_thread(found):
        assert asyncio.get_running_loop().time() < until, "no shadow run came as far as that"
        await asyncio.sleep(0.02)


async def whole(it: Installation, since: Any) -> tuple[list[dict[str, Any]], int]:
    """What became of the shadow runs, once everything adds up; and how many attempts were lost."""
    lost = await asyncio.to_thread(books.check, it)
    runs = it.rows(RUNS, TENANT, since)
    # each is a call with its link, of a call that was answered, and asked its model once at most
    assert {run["answered"] for run in runs} == {"completed"}
    assert all(run["attempts"] == 1 for run in runs)
    assert len({run["of"] for run in runs}) == len(runs)
    assert it.rows(UNLINKED, TENANT) == []
    return runs, lost


async def test_a_web_process_killed_while_it_starts_them(broken: Installation, told: Told) -> None:
    since = system_clock()

    async def fault() -> None:
        await when(lambda: len(broken.rows(RUNS, TENANT, since)) >= ENOUGH)
        hurt.kill(broken, hurt.WEB, most=1)

    fired = await load.fire(broken, callers(), fault)
    told(fired)
    assert {got.how for got in fired.outcomes} <= {"answered", "broken"}
    # who waited at the one that died, and nobody else
    broke = [got.ask.idempotency_key for got in fired.those("broken") if got.ask.idempotency_key]
    rows = [row for key in broke if (row := load.call_of_key(broken, key)) is not None]
    assert len({row["reply_to"] for row in rows}) <= 1
    runs, lost = await whole(broken, since)
    assert len(runs) >= ENOUGH
    assert ({run["state"] for run in runs}, lost) == ({"completed"}, 0)


async def test_workers_killed_while_they_carry_them(broken: Installation, told: Told) -> None:
    since = system_clock()

    def carried() -> bool:
        (left,) = broken.rows(CALLERS_OPEN, TENANT)
        runs = broken.rows(RUNS, TENANT, since)
        return left["count"] == 0 and sum(run["started"] for run in runs) >= ENOUGH

    async def fault() -> None:
        await when(carried)
        hurt.kill(broken, hurt.WORKER)

    fired = await load.fire(broken, callers(), fault)
    told(fired)
    assert fired.how() == {"answered": load.CALLERS}
    runs, lost = await whole(broken, since)
    ended = {(run["state"], run["code"]) for run in runs}
    assert ended <= {("completed", ""), ("failed", "worker_lost")}
    # nobody tries a shadow run again: what was at a model then is lost, and its money is known in the end
    assert sum(run["code"] == "worker_lost" for run in runs) == lost >= ENOUGH
