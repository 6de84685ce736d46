"""What is reserved was decided on the day it is reserved on, by PostgreSQL's clock: a raise is not granted a moment too long.

The process that decides may be slow, or its clock late: the day ends at every door, in the statement that takes the money.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

import pytest

from controlplane.kernel.clock import system_clock, to_text
from controlplane.kernel.errors import BudgetExhausted
from policies.engine.bundle import Bundle
from routing import admission
from routing.calls import commands
from routing.calls.commands import Admitted, DayEnded, Started
from routing.calls.pool import ask
from routing.calls.steps import Admission, Start
from routing.calls.together import admit_together
from tests.policies.engine import small
from tests.policies.engine.small import EVERYONE, bundle, document, model, route
from tests.routing.desks import asked, desk_of
from tests.routing.test_mid_flight import CHEAP, DEAR, Flight, bound, nothing
from tests.routing.world import World, reservation

RECORDED = "SELECT facts FROM policies_decision WHERE call = %s::uuid ORDER BY no DESC LIMIT 1"


Step = TypeVar("Step", Admission, Start)


def ends(step: Step, moment: datetime) -> Step:
    """The same, decided on a day that ends then."""
    assert step.reservation is not None
    return replace(step, reservation=replace(step.reservation, valid_until=moment))


async def clock(world: World) -> datetime:
    """PostgreSQL's."""
    moment: datetime = (await ask(world.db, "SELECT mandate_now()"))[0]
    return moment


HOUR = timedelta(hours=1)


async def test_an_admission_of_the_day_before_is_asked_to_decide_again(world: World) -> None:
    window = await world.window(100)
    now = await clock(world)
    late = ends(world.admission(10, [window]), now)
    answer = await commands.admit(world.db, late)
    assert isinstance(answer, DayEnded)
    assert answer.now >= now
    assert await world.money(window.id) == (0, 0, 0)
    assert await world.kinds(late.asked.call) == []
    assert isinstance(await commands.admit(world.db, ends(late, answer.now + HOUR)), Admitted)
    assert await world.money(window.id) == (0, 10, 0)
    # in doubt it is asked again with the same ids, and it was in: whatever the day is by now
    assert isinstance(await commands.admit(world.db, late), Admitted)
    assert await world.money(window.id) == (0, 10, 0)


async def test_a_batch_lets_in_those_of_today_alone(world: World) -> None:
    window, now = await world.window(100), await clock(world)
    late, early, whenever = (world.admission(10, [window]) for _ in range(3))
    batch = [ends(late, now), ends(early, now + HOUR), whenever]
    found = await admit_together(world.db, batch)
    assert list(found) == [early.asked.call, whenever.asked.call]
    assert await world.kinds(late.asked.call) == []
    assert await world.money(window.id) == (0, 20, 0)


async def test_the_next_attempt_is_reserved_under_the_limits_of_its_own_day(world: World) -> None:
    window = await world.window(100)
    first = world.admission(10, [window])
    call = first.asked.call
    assert isinstance(await commands.admit(world.db, first), Admitted)
    again = world.start(call, reservation=reservation(20, [window]))
    assert isinstance(
        await commands.start_attempt(world.db, ends(again, await clock(world))), DayEnded
    )
    assert await world.attempt(call) == "reserved"
    assert await world.money(window.id) == (0, 10, 0)
    assert await commands.start_attempt(world.db, world.start(call)) == Started()
    await commands.settle_attempt(world.db, world.settlement(call, becomes="failed"))

    second = world.start(call, 2, reservation=reservation(20, [window]))
    answer = await commands.start_attempt(world.db, ends(second, await clock(world)))
    assert isinstance(answer, DayEnded)
    assert await world.money(window.id) == (0, 0, 0)
    assert (await world.kinds(call))[-1] == "attempt.failed"
    today = ends(second, answer.now + HOUR)
    assert await commands.start_attempt(world.db, today) == Started()
    assert await world.money(window.id) == (0, 20, 0)
    assert await commands.start_attempt(world.db, ends(second, answer.now)) == Started()


def raised(budget: str, until: datetime, tenant: str = "", **money: Any) -> Bundle:
    """A budget that has no room for one call, but for a raise through that day."""
    spec = {"budget": budget, "raiseBy": "2", "reason": "a storm", "expiresOn": f"{until:%Y-%m-%d}"}
    parts = {"a": small.tenant(tenant, teams=["claims"])} if tenant else {}
    return bundle(
        EVERYONE,
        model("m", prices=[small.PRICE | money]),
        route("r", "m"),
        small.budget(budget, tenant, limit="0.000001", period="once"),
        document("Exception", "storm", spec, tenant),
        **parts,
    )


@pytest.mark.parametrize("lasts", [True, False])
async def test_a_web_process_that_is_behind_grants_no_raise_of_yesterday(
    world: World, tmp_path: Path, *, lasts: bool
) -> None:
    """Its clock says yesterday, when the raise was in force; nothing but PostgreSQL's clock says otherwise."""
    now = await clock(world)
    yesterday, name = now - timedelta(days=1), f"b-{uuid4().hex}"
    of = raised(name, now + timedelta(days=2) if lasts else yesterday)
    desk = desk_of(world, tmp_path / "store", of, lambda: yesterday)
    if lasts:
        call = (await admission.admit(desk, asked(world))).call
    else:
        with pytest.raises(BudgetExhausted) as refused:
            await admission.admit(desk, asked(world))
        assert refused.value.details["rules"] == (name,)
        call = cast("UUID", refused.value.details["call"])
    assert await world.kinds(call) == ["call.admitted" if lasts else "call.denied"]
    (facts,) = await ask(world.db, RECORDED, (call,))
    # what is recorded is what was decided under: today
    assert to_text(now) <= json.loads(facts)["now"] <= to_text(system_clock())
    money = "SELECT sum(pending_nano)::bigint FROM routing_ledger_window WHERE budget = %s::text"
    # 153 tokens may come in at twice the price, 1000 go out; two lines are rounded up
    assert await ask(world.db, money, (name,)) == (2_306_002 if lasts else 0,)


async def test_a_worker_that_is_behind_starts_nothing_under_a_raise_of_yesterday(
    world: World,
) -> None:
    """Admitted under the raise, dearer since, started after its end by a worker whose clock says yesterday."""
    yesterday = datetime.now(tz=UTC) - timedelta(days=1)
    name = f"b-{uuid4().hex}"
    first, second = (raised(name, yesterday, world.tenant, **money) for money in ({}, DEAR))
    flight = Flight(world, first)
    flight.facts = small.call(
        tenant=world.tenant, team="claims", call=flight.call.hex, now=to_text(yesterday)
    )
    [window] = (await flight.admit()).windows
    assert window.limit_nano == 2_000_001_000
    assert await world.money(window.id) == (0, bound(CHEAP), 0)
    await flight.publish(second)
    flight.clock = lambda: yesterday
    await flight.carry(first, nothing)
    state, *_, cost, ended = await flight.attempt()
    assert (state, cost, ended) == ("voided", 0, "failed")
    assert await world.money(window.id) == (0, 0, 0) == await world.scan(window.id)
    assert await world.kinds(flight.call) == ["call.admitted", "attempt.voided", "call.failed"]
