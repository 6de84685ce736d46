"""Everything dies while people hold calls: no case is lost, no claim either, and each caller is answered once."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.faults import books, held, hurt, load
from tests.faults.held import Held
from tests.journeys.installation import Installation

pytestmark = pytest.mark.faults
CHOICES = {"first": ("approve", "reject"), "payout": ("edit", "approve", "reject")}
IN_FLIGHT_SECONDS = "latency=8s"


def test_everything_killed_while_cases_are_open(broken: Installation) -> None:
    those = held.all_kinds()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: held.ask(broken, one), those))
    _cases_open(broken, those)
    ruis, cleos = those[::2], those[1::2]
    released = _released(broken)
    with held.person(broken, "reviewer") as rui:
        assert _claim(rui, ruis) == {200}
    before = held.cases(broken, those)

    hit = hurt.kill_everything(broken)
    hurt.wait_ready(broken)

    assert not set(hit) & broken.running.children().keys()
    assert held.cases(broken, those) == before
    with held.person(broken, "auditor") as cleo, held.person(broken, "reviewer") as rui:
        # a claim that was made stands; what nobody had is still free
        assert _claim(cleo, ruis) == {409}
        assert _claim(cleo, cleos) == {200}
        _decide_while_web_dies(
            broken, [(rui, one) for one in ruis] + [(cleo, one) for one in cleos]
        )
    books.check(broken)
    for one in those:
        assert held.read_again(broken, one) == {one.text}, one
        assert _decisions(broken, one) == 1, one
        assert len(broken.upstream.arrivals(one.call)) == one.arrivals, one
    _ended_once(broken, released)


def _cases_open(it: Installation, those: list[Held]) -> None:
    """Each is held, under one case."""
    until = time.monotonic() + 30
    for one in those:
        while it.call(one.call)["state"] != "held":
            assert time.monotonic() < until, one
            time.sleep(0.1)
        (case,) = it.rows("SELECT id FROM routing_review_case WHERE call = %s", one.call)
        one.review = str(case["id"])
    for number, one in enumerate(those):
        choices = CHOICES[one.route]
        one.verdict = choices[number // 2 % len(choices)]


def _claim(client: Any, those: list[Held]) -> set[int]:
    return {client.post(f"/reviews/{one.review}/claim/").status_code for one in those}


def _released(it: Installation) -> Held:
    """A call that a person let go on, and that is at its model."""
    one = Held("first", "background", latency=IN_FLIGHT_SECONDS, verdict="approve")
    held.ask(it, one)
    (case,) = it.rows("SELECT id FROM routing_review_case WHERE call = %s", one.call)
    one.review = str(case["id"])
    with held.person(it, "reviewer") as rui:
        assert _claim(rui, [one]) == {200}
        assert held.decide(rui, one) == 200
    until = time.monotonic() + 20
    while [a["state"] for a in it.attempts(one.call)] != ["started"]:
        assert time.monotonic() < until
        time.sleep(0.05)
    return one


def _decide_while_web_dies(it: Installation, work: list[tuple[Any, Held]]) -> None:
    """All at once, and web dies under them: whoever heard nothing says it again. Once is enough, and counts once."""
    with ThreadPoolExecutor(4) as pool:
        first = [pool.submit(held.decide, client, one) for client, one in work]
        time.sleep(0.15)
        hurt.kill(it, hurt.WEB)
        told = [done.result() for done in first]
    hurt.wait_ready(it)
    again = [held.decide(client, one) for client, one in work]
    assert set(told) <= {200, 0}
    # who was told that it is done cannot do it again; who was not told has it done now, if it was not
    assert {later for before, later in zip(told, again, strict=True) if before == 200} <= {409}
    assert set(again) <= {200, 409}


def _decisions(it: Installation, one: Held) -> int:
    (row,) = it.rows(held.DECIDED, one.call, held.VERDICTS)
    (case,) = it.rows("SELECT outcome FROM routing_review_case WHERE id = %s::uuid", one.review)
    outcome = {"approve": "approved", "edit": "edited", "reject": "rejected"}[one.verdict]
    assert case["outcome"] == outcome
    return int(row["count"])


def _ended_once(it: Installation, released: Held) -> None:
    """Its worker died with it: it went upstream once, has one end, and its caller reads that end."""
    row = it.call(released.call)
    ends = [kind for kind in it.entries(released.call) if kind == f"call.{row['state']}"]
    assert len(ends) == 1
    assert len(it.upstream.arrivals(released.call)) == 1
    told = it.openai(load.KEY).responses.retrieve(f"resp_{released.call.hex}")
    assert (row["state"], told.status) == ("failed", "failed")
