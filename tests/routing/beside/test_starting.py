"""A shadow run is a call of its own, with its link in the commit of its admission; what may not start writes nothing."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from policies.engine import facts as fact
from policies.engine.decide import decide
from routing.beside.admitting import AskedBefore, Link, Paused, admit_beside
from routing.calls import answers
from routing.calls.pool import ask, ask_all
from routing.gathering import Desk
from routing.limits.rates import Refused
from routing.shadow_runs import MOST, ShadowRuns
from tests.policies.engine.small import budget, document, model, permission
from tests.routing.beside.starting import answered, asked, begun, counted, desk_of, links
from tests.routing.world import World

ROW = "SELECT state, run, reply_to, lost_retries, attempts, tenant, team, key, route FROM routing_call WHERE id = %s::uuid"


async def facts_of(world: World, call: Any) -> fact.Facts:
    query = "SELECT facts, digest FROM policies_decision WHERE call = %s::uuid"
    [(facts, _)] = await ask_all(world.db, query, (call,))
    return fact.decode(bytes(facts))


async def test_it_is_a_call_of_its_own_with_its_link(world: World, tmp_path: Path) -> None:
    desk = desk_of(world, tmp_path)
    sent = asked(world, run="booking", idempotency_key="once")
    ticket = await answered(world, desk, sent)
    assert ticket.beside == ("s",)
    before = counted("started")
    bell = await begun(desk, sent, ticket)
    [(call, *rest)] = await links(world, ticket.call)
    assert rest == ["a", "t", "r", "s"]
    assert (bell.rung, counted("started") - before) == ([call], 1)
    row = await ask(world.db, ROW, (call,))
    assert row == ("admitted", None, None, 0, 1, "a", "t", world.key, "r")
    assert await world.kinds(call) == ["call.admitted"]
    facts = await facts_of(world, call)
    assert facts.shadow == fact.ShadowFacts(of=ticket.call.hex, model="s")
    # rules and budgets see the run; later calls of the run do not see this one
    assert facts.run.id == (await facts_of(world, ticket.call)).run.id != ""
    body = (await ask(world.db, "SELECT body FROM audit_entry WHERE call = %s::uuid", (call,)))[0]
    assert json.loads(bytes(body))["data"]["shadow"] == {"model": "s", "of": ticket.call.hex}


async def test_what_its_worker_decides_again_is_the_same(world: World, tmp_path: Path) -> None:
    desk = desk_of(world, tmp_path)
    sent = asked(world)
    ticket = await answered(world, desk, sent)
    await begun(desk, sent, ticket)
    [(call, *_)] = await links(world, ticket.call)
    query = "SELECT facts, digest FROM policies_decision WHERE call = %s::uuid"
    facts, digest = await ask(world.db, query, (call,))
    snapshot = await desk.snapshots.current()
    again = decide(snapshot.bundle, fact.decode(bytes(facts)))
    assert again.digest == bytes(digest)
    assert again.plan is not None
    assert [step.model for step in again.plan.steps] == ["s"]


async def test_a_forbidden_model_is_denied_and_nothing_is_sent(
    world: World, tmp_path: Path
) -> None:
    forbid = permission("no-s", on="model", effect="forbid", when='model.name == "s"')
    desk = desk_of(world, tmp_path, forbid)
    sent = asked(world)
    ticket = await answered(world, desk, sent)
    bell = await begun(desk, sent, ticket)
    [(call, *_)] = await links(world, ticket.call)
    assert (bell.rung, await world.state(call)) == ([], "denied")
    assert await world.kinds(call) == ["call.denied"]
    query = "SELECT count(*) FROM routing_attempt WHERE call = %s::uuid"
    assert await ask(world.db, query, (call,)) == (0,)
    query = "SELECT count(*) FROM vault_content WHERE call = %s::uuid"
    assert await ask(world.db, query, (call,)) == (0,)


async def not_started(world: World, desk: Desk, why: str) -> None:
    """A call is answered; nothing is written of its shadow run, and this is why."""
    sent = asked(world)
    ticket = await answered(world, desk, sent)
    before = counted(why)
    bell = await begun(desk, sent, ticket)
    assert (bell.rung, await links(world, ticket.call)) == ([], [])
    assert counted(why) - before == 1
    query = "SELECT count(*) FROM routing_call WHERE key = %s"
    assert await ask(world.db, query, (world.key,)) == (1,)


async def test_it_pauses_where_it_would_pass_the_first_alert(world: World, tmp_path: Path) -> None:
    # a call of `s` may cost 0.0021 at most; 50 percent of 0.004 is less than that
    spec: dict[str, Any] = {"limit": "0.004", "alerts": [80, 50], "scope": {"model": "s"}}
    name = f"b{world.tenant}"
    await not_started(world, desk_of(world, tmp_path, budget(name, **spec)), "paused")
    query = "SELECT posted_nano, pending_nano, overrun_nano FROM routing_ledger_window WHERE budget = %s"
    assert await ask(world.db, query, (name,)) == (0, 0, 0)


async def test_below_it_the_money_is_held(world: World, tmp_path: Path) -> None:
    spec: dict[str, Any] = {"limit": "0.006", "alerts": [80, 50], "scope": {"model": "s"}}
    name = f"b{world.tenant}"
    desk = desk_of(world, tmp_path, budget(name, **spec))
    sent = asked(world)
    ticket = await answered(world, desk, sent)
    assert len((await begun(desk, sent, ticket)).rung) == 1
    query = "SELECT pending_nano FROM routing_ledger_window WHERE budget = %s"
    (held,) = await ask(world.db, query, (name,))
    assert 2_000_000 < held < 3_000_000


async def test_a_last_read_above_the_alert_asks_the_ledger_nothing(
    world: World, tmp_path: Path
) -> None:
    name = f"b{world.tenant}"
    desk = desk_of(world, tmp_path, budget(name, alerts=[50]))
    share = SimpleNamespace(used_permille=500, age_seconds=1)
    windows = SimpleNamespace(shares=lambda: {("", name, ""): share})  # it can open no window
    sent = asked(world)
    ticket = await answered(world, desk, sent)
    before = counted("paused")
    await begun(replace(desk, windows=cast("Any", windows)), sent, ticket)
    assert (counted("paused") - before, await links(world, ticket.call)) == (1, [])


async def test_a_full_rate_limit_lets_it_be(world: World, tmp_path: Path) -> None:
    limit = document("RateLimit", "slow", {"scope": {}, "requestsPerMinute": 1})
    desk = desk_of(world, tmp_path, limit)
    sent = asked(world)
    ticket = await answered(world, desk, sent)
    undone: list[object] = []

    class Full:
        async def take(self, *_: object) -> Refused:
            return Refused("slow", "requests", 3.0)

        async def undo(self, call: object, _: object) -> None:
            undone.append(call)

    bell = await begun(replace(desk, rates=cast("Any", Full())), sent, ticket)
    assert (bell.rung, await links(world, ticket.call), len(undone)) == ([], [], 1)


async def test_a_call_that_was_not_answered_has_none(world: World, tmp_path: Path) -> None:
    desk = desk_of(world, tmp_path)
    sent = asked(world)
    ticket = await answered(world, desk, sent)
    other = replace(ticket, call=world.ids.new())
    before = counted("unanswered")
    assert (await begun(desk, sent, other)).rung == []
    assert counted("unanswered") - before == 1
    assert await links(world, other.call) == []


async def test_the_model_that_answered_is_not_asked_again(world: World, tmp_path: Path) -> None:
    # the answer of `answered` is by the attempt that admission reserved
    shadow = {"models": ["m"], "percent": "100"}
    await not_started(world, desk_of(world, tmp_path, shadow=shadow), "same_model")


async def test_more_answers_than_one_are_not_compared(world: World, tmp_path: Path) -> None:
    desk = desk_of(world, tmp_path)
    sent = asked(world)
    ticket = await answered(world, desk, sent)
    outline = msgspec.structs.replace(sent.request.outline, n=2)
    several = replace(sent, request=msgspec.structs.replace(sent.request, outline=outline))
    assert (await begun(desk, several, ticket)).rung == []
    assert await links(world, ticket.call) == []


async def test_so_many_at_once_and_no_more(world: World, tmp_path: Path) -> None:
    desk = desk_of(world, tmp_path)
    runs = ShadowRuns(desk, cast("Any", None))
    sent, before = asked(world), (counted("dropped"), counted("unanswered"))
    for _ in range(MOST + 3):
        runs.begin(sent, world.ids.new(), ("s",))
    await runs.settled()
    assert (counted("dropped") - before[0], counted("unanswered") - before[1]) == (3, MOST)


async def test_a_route_without_shadow_asks_nobody(world: World, tmp_path: Path) -> None:
    desk = desk_of(world, tmp_path, model("t"), shadow={"models": ["s"], "percent": "0"})
    assert (await answered(world, desk, asked(world))).beside == ()


async def test_a_window_stands_at_most_at_its_ceiling(world: World) -> None:
    window = await world.window(1000)
    at = world.admission(100, [window])
    of = world.ids.new()
    assert await admit_beside(world.db, at, Link(of, "s", (99,))) == Paused()
    assert await world.money(window.id) == (0, 0, 0)
    query = "SELECT count(*) FROM routing_call WHERE id = %s::uuid"
    assert await ask(world.db, query, (at.asked.call,)) == (0,)
    assert await world.kinds(at.asked.call) == []
    first = await admit_beside(world.db, at, Link(of, "s", (100,)))
    assert isinstance(first, answers.Admitted)
    # asked again when in doubt it is in, whatever others have spent meanwhile
    again = await admit_beside(world.db, at, Link(of, "s", (0,)))
    assert (again, await world.money(window.id)) == (first, (0, 100, 0))
    assert len(await links(world, of)) == 1


async def test_a_soft_budget_pauses_it_too(world: World) -> None:
    window = await world.window(1000, hard=False)
    refused = await admit_beside(
        world.db, world.admission(600, [window]), Link(world.ids.new(), "s", (500,))
    )
    assert (refused, await world.money(window.id)) == (Paused(), (0, 0, 0))


async def test_a_call_is_asked_beside_at_one_model_once_whoever_asks(
    world: World, tmp_path: Path
) -> None:
    desk = desk_of(world, tmp_path)
    sent = asked(world)
    ticket = await answered(world, desk, sent)
    started, before = counted("started"), counted("before")
    bells = await asyncio.gather(*(begun(desk, sent, ticket) for _ in range(4)))
    assert sum(len(bell.rung) for bell in bells) == len(await links(world, ticket.call)) == 1
    assert (counted("started") - started, counted("before") - before) == (1, 3)
    query = "SELECT count(*) FROM routing_call WHERE key = %s"
    assert await ask(world.db, query, (world.key,)) == (2,)
    at = world.admission(1, [await world.window(1000)])
    with pytest.raises(AskedBefore):
        await admit_beside(world.db, at, Link(ticket.call, "s", (1000,)))
