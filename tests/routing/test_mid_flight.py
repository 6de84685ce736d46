"""A price, an exchange rate, a limit or a day that changes while a call is on its way: the worker's own code over PostgreSQL.

What an attempt costs is the price of the decision that it was started under, to the nano unit; it stays in the windows that
its call was admitted in; and a limit that is lowered below use takes nothing back.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from unittest.mock import patch

import pytest

from controlplane.kernel.clock import system_clock
from policies.bundles.snapshot import Snapshot
from policies.engine.bundle import Bundle
from policies.engine.decide import decide
from routing import execution
from routing.attempts import Door
from routing.calls import commands
from routing.calls.answers import Admitted, NoHeadroom
from routing.calls.pool import ask
from routing.calls.shares import Shares
from routing.ledger.balances import Windows, reservation_for
from routing.providers.sandbox import SandboxProvider
from routing.running import Watched
from tests.policies.engine import small
from tests.routing import walking
from tests.routing.control import publish
from tests.routing.world import World, decided, sealed

ATTEMPT = (
    "SELECT a.state, a.reserved_nano, a.posted_nano, a.overrun_nano, a.tokens_input, a.tokens_output, c.cost_nano, c.state "
    "FROM routing_attempt a JOIN routing_call c ON c.id = a.call WHERE a.call = %s::uuid"
)
WINDOWS = "SELECT count(*) FROM routing_ledger_window WHERE tenant = %s::text"


def in_force(world: World, *, limit: str = "1", period: str = "once", **money: Any) -> Bundle:
    """What is published: a model that costs so much, and a budget of the tenant. `rate` is what a dollar is worth."""
    rate = money.pop("rate", "")
    price = small.PRICE | money | ({"currency": "USD"} if rate else {})
    rates = [{"from": "2026-01-01", "USD": rate}] if rate else []
    zone = "UTC" if system_clock().hour < 12 else "Pacific/Honolulu"  # nobody's midnight is near
    return small.bundle(
        small.EVERYONE,
        small.model("m", prices=[price]),
        small.route("r", "m"),
        small.budget("b", world.tenant, limit=limit, period=period),
        organisation=small.organisation(exchangeRates=rates),
        a=small.tenant(world.tenant, teams=["claims"], timeZone=zone),
    )


def moments() -> tuple[datetime, datetime]:
    """Now, and when a day ends that nobody outlives."""
    return system_clock(), system_clock() + timedelta(days=1)


class Flight:
    """One call from its admission to its end, with what is published on its way."""

    def __init__(self, world: World, before: Bundle, shares: Shares | None = None) -> None:
        self.world, self.bundle, self.windows = world, before, Windows(world.db)
        self.shares = shares or Shares(world.db)
        self.clock: Callable[[], datetime] = system_clock
        self.call = world.ids.new()
        self.facts = small.call(tenant=world.tenant, team="claims", call=self.call.hex)

    async def admit(self) -> commands.Reservation:
        """As the web process does, under what is in force."""
        await self.world.control()
        plan = decide(self.bundle, self.facts).plan
        assert plan is not None
        held = await reservation_for(self.windows, plan.steps[0], *moments())
        answer = await commands.admit(self.world.db, self.admission(held))
        assert isinstance(answer, Admitted)
        self.row = await commands.peek(self.world.db, self.call)
        return held

    def admission(self, held: commands.Reservation) -> commands.Admission:
        return commands.Admission(
            asked=self.world.asked(self.call, route="r"),
            decision=decided(1),
            entry=self.world.entry("call.admitted", self.call),
            request=sealed("request"),
            reservation=held,
        )

    async def publish(self, after: Bundle) -> None:
        """From now on this is in force."""
        await publish(self.world.db)
        self.bundle = after

    async def _snapshot(self) -> Snapshot:
        await self.world.control()
        return Snapshot(self.world.revision, self.world.epoch, self.bundle, ())

    async def carry(self, before: Bundle, meanwhile: Callable[[], Awaitable[None]]) -> None:
        """As a worker does that took the call under `before`; `meanwhile` runs while the model is at work."""
        row = self.row
        assert row is not None
        case = walking._case(before, self.facts, walking.request("hello"), walking.Line())
        case.row, case.revision, case.epoch = row, row.revision, row.stop_epoch
        case.reserved = 1
        worker = cast("Any", case.worker)
        worker.db, worker.windows, worker.clock = self.world.db, self.windows, self.clock
        worker.shares = self.shares
        worker.new_id, worker.lease.worker = self.world.ids.new, self.world.worker
        worker.snapshots = cast("Any", self)
        answer = SandboxProvider.answer

        async def slow(provider: SandboxProvider, *asked: Any) -> Any:
            await meanwhile()
            return await answer(provider, *asked)

        with patch.object(SandboxProvider, "answer", slow):
            watched = Watched(self.call, row.tenant, row.key, row.route, stream=False)
            await execution._carry(case, Door(case, watched))

    async def reload(self) -> Snapshot:
        """What `snapshots` of a worker are asked for."""
        return await self._snapshot()

    async def attempt(self) -> tuple[Any, ...]:
        return await ask(self.world.db, ATTEMPT, (self.call,))


async def nothing() -> None:
    """Nothing happens meanwhile."""


DEAR = {"inputPerMillion": "5", "outputPerMillion": "7"}
CHEAP = (1000, 2000)
CHANGES = [
    # in euro a million tokens; then in dollars, which are worth another thing
    (({}, CHEAP), (DEAR, (5000, 7000))),
    ((DEAR, (5000, 7000)), ({}, CHEAP)),
    (({"rate": "0.5"}, (500, 1000)), ({"rate": "2"}, (2000, 4000))),
]
"""What is published before and after, each with its nano units a token, in and out."""


def bound(paid: tuple[int, int]) -> int:
    """100 tokens may come in and be written to a cache at twice the price, 1000 go out; two lines may be rounded up."""
    return 100 * 2 * paid[0] + 1000 * paid[1] + 2


@pytest.mark.parametrize(("before", "after"), CHANGES)
@pytest.mark.parametrize("when", ["before it starts", "at its model"])
async def test_an_attempt_costs_what_it_cost_when_it_was_started(
    world: World, before: Any, after: Any, when: str
) -> None:
    (was, old), (then, new) = before, after
    first, second = in_force(world, **was), in_force(world, **then)
    flight = Flight(world, first)
    held = await flight.admit()
    [window] = held.windows
    assert held.amount_nano == bound(old)
    assert await world.money(window.id) == (0, held.amount_nano, 0)

    async def change() -> None:
        await flight.publish(second)

    if when == "before it starts":
        await change()
    await flight.carry(first, nothing if when == "before it starts" else change)
    state, reserved, posted, overrun, tokens_in, tokens_out, cost, ended = await flight.attempt()
    paid = new if when == "before it starts" else old
    assert (state, ended, overrun) == ("succeeded", "completed", 0)
    assert reserved == bound(paid)
    assert posted == tokens_in * paid[0] + tokens_out * paid[1] == cost > 0
    assert await world.money(window.id) == (posted, 0, 0) == await world.scan(window.id)


async def test_a_limit_lowered_below_use_takes_nothing_back_and_lets_nobody_in(
    world: World,
) -> None:
    first, second = in_force(world, limit="0.01"), in_force(world, limit="0.002")
    one, two = Flight(world, first), Flight(world, first)
    held = await one.admit()
    [window] = held.windows
    await two.admit()
    assert await world.money(window.id) == (0, 2 * bound(CHEAP), 0)
    await one.publish(second)
    two.bundle = second
    await one.carry(
        first, nothing
    )  # its start finds the new limit, and asks for no more than it holds
    await two.carry(first, nothing)
    spent = (await one.attempt())[2] + (await two.attempt())[2]
    assert await world.money(window.id) == (spent, 0, 0) == await world.scan(window.id)

    third = Flight(world, second)
    plan = decide(second, third.facts).plan
    assert plan is not None
    refused = await reservation_for(third.windows, plan.steps[0], *moments())
    assert [(w.id, w.limit_nano) for w in refused.windows] == [(window.id, 2_000_000)]
    answer = await commands.admit(world.db, third.admission(refused))
    assert isinstance(answer, NoHeadroom)
    assert [left.left_nano for left in answer.left] == [2_000_000 - spent]
    assert await world.money(window.id) == (spent, 0, 0)


async def test_a_call_that_outlives_its_day_is_charged_to_the_day_it_was_admitted_on(
    world: World,
) -> None:
    """Re-priced and settled by a worker whose clock says the day after tomorrow."""
    first = in_force(world, period="day")
    second = in_force(world, period="day", **DEAR)
    flight = Flight(world, first)
    [window] = (await flight.admit()).windows
    await flight.publish(second)
    flight.clock = lambda: datetime.now(tz=UTC) + timedelta(days=2)
    await flight.carry(first, nothing)
    _, reserved, posted, *_, ended = await flight.attempt()
    assert (reserved, ended) == (bound((5000, 7000)), "completed")
    assert await world.money(window.id) == (posted, 0, 0) == await world.scan(window.id)
    assert await ask(world.db, WINDOWS, (world.tenant,)) == (1,)
