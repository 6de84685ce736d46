"""Calls at a model are cut by a stop, a cancellation, and the loss of their worker's lease."""

import asyncio
from uuid import uuid4

import pytest

from policies.engine.facts import StopFact
from routing.running import Cut, Running, Watched


def watched(*, stream: bool) -> Watched:
    one = Watched(uuid4(), "insurance", "key1", "triage", stream)
    one.model, one.provider = ("", "gpt"), ("", "openai")
    return one


async def answer() -> str:
    await asyncio.sleep(0.05)
    return "answer"


async def test_a_lost_lease_cuts_streams_and_lets_plain_calls_tell_their_cost() -> None:
    running, plain, stream = Running(), watched(stream=False), watched(stream=True)
    with running.watch(plain), running.watch(stream):
        both = [asyncio.ensure_future(one.run(answer())) for one in (plain, stream)]
        await asyncio.sleep(0)
        running.forsake()
        told, cut = await asyncio.gather(*both, return_exceptions=True)
    assert told == "answer"
    assert isinstance(cut, Cut)
    assert cut.reason == "worker_lost"
    assert len(running) == 0


async def test_what_was_cut_before_it_began_never_begins() -> None:
    one = watched(stream=True)
    one.cut("cancelled")
    one.cut("stopped")
    with pytest.raises(Cut) as raised:
        await one.run(answer())
    assert raised.value.reason == "cancelled"


@pytest.mark.parametrize(
    ("kind", "tenant", "name", "covered"),
    [
        ("everything", "", "", True),
        ("tenant", "", "insurance", True),
        ("tenant", "", "retail", False),
        ("key", "insurance", "key1", True),
        ("key", "insurance", "key2", False),
        ("route", "", "triage", True),
        ("route", "insurance", "triage", True),
        ("route", "retail", "triage", False),
        ("model", "", "gpt", True),
        ("model", "insurance", "gpt", False),
        ("provider", "", "openai", True),
        ("provider", "", "anthropic", False),
    ],
)
def test_a_stop_covers_its_scope_only(kind: str, tenant: str, name: str, covered: bool) -> None:
    stop = StopFact(kind=kind, tenant=tenant, name=name, id="s")
    assert watched(stream=True).stopped_by(stop) is covered
