"""Claims become windows: opened once, cached, in lock order; and what pages and facts read of them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from routing.calls import commands
from routing.calls.answers import Left, NoHeadroom
from routing.calls.pool import Database, ask
from routing.calls.steps import WindowRef
from routing.ledger import read
from routing.ledger.balances import Windows
from routing.ledger.reserve import Next, after_refusal
from tests.routing.world import World, claim

NOW = datetime.now(tz=UTC)


async def test_windows_come_in_lock_order_whatever_the_claims_order(world: World) -> None:
    claims = [claim(f"b{n}", world.tenant, 100, rank=rank) for n, rank in enumerate([5, 0, 3, 0])]
    refs = await world.windows(claims)
    assert [ref.budget for ref in refs] == ["b1", "b3", "b2", "b0"]
    assert [(ref.rank, ref.id) for ref in refs] == sorted((ref.rank, ref.id) for ref in refs)


async def test_the_rank_of_a_window_stays_when_its_budget_is_edited(world: World) -> None:
    [first] = await world.windows([claim("b", world.tenant, 100, rank=1)])
    [edited] = await world.windows([claim("b", world.tenant, 200, rank=7)])
    assert (edited.id, edited.rank, edited.limit_nano) == (first.id, 1, 200)


async def test_ten_processes_open_a_window_once(world: World) -> None:
    claims = [claim(f"b{n}", world.tenant, 100, rank=n % 3) for n in range(5)]
    many = await asyncio.gather(
        *(Windows(world.db).claims_to_windows(claims, NOW) for _ in range(10))
    )
    assert len({tuple(ref.id for ref in refs) for refs in many}) == 1
    [count] = await ask(
        world.db,
        "SELECT count(*) FROM routing_ledger_window WHERE tenant = %s::text",
        (world.tenant,),
    )
    assert count == 5


async def test_a_window_is_opened_once_and_then_known(world: World) -> None:
    windows = Windows(world.db)
    daily = [claim("daily", world.tenant, 100, period="day")]
    first = await windows.claims_to_windows(daily, NOW)
    await world.db.close()  # no question is asked any more
    assert await windows.claims_to_windows(daily, NOW) == first


async def test_each_subject_and_each_period_is_a_window_of_its_own(world: World) -> None:
    claims = [
        claim("b", world.tenant, 100, period=period, subject=subject)
        for period in ("day", "month")
        for subject in ("ada", "tariq")
    ]
    assert len({ref.id for ref in await world.windows(claims)}) == 4
    tomorrow = await world.windows(claims[:1], NOW + timedelta(days=1))
    assert tomorrow[0].id not in {ref.id for ref in await world.windows(claims)}


async def test_an_unknown_period_is_quoted(world: World) -> None:
    with pytest.raises(ValueError, match='"fortnight"'):
        await world.windows([claim("b", world.tenant, 100, period="fortnight")])


async def test_shares_are_the_last_read_with_its_age(world: World) -> None:
    windows = Windows(world.db)
    [ref] = await windows.claims_to_windows([claim("b", world.tenant, 400)], NOW)
    assert windows.shares() == {}
    await commands.admit(world.db, world.admission(100, [ref]))
    await windows.refresh()
    share = windows.shares()[world.tenant, "b", ""]
    assert (share.used_permille, share.age_seconds) == (250, 0)
    windows.forget()
    [again] = await windows.claims_to_windows([claim("b", world.tenant, 400)], NOW)
    assert again == ref


@pytest.mark.django_db(transaction=True)
async def test_pages_read_posted_pending_overrun_and_limit(world: World) -> None:
    ref = await world.window(1000, budget="monthly")
    for amount, bill in ((100, 130), (200, None)):
        admission = world.admission(amount, [ref])
        call = admission.asked.call
        await commands.admit(world.db, admission)
        await commands.start_attempt(world.db, world.start(call))
        if bill is not None:
            await commands.finish_call(world.db, world.finish(call, attempt={"amount_nano": bill}))
    found, past, nothing = await sync_to_async(_read)(world.tenant)
    [balance] = found
    assert (balance.budget, balance.limit_nano, balance.hard) == ("monthly", 1000, True)
    assert (balance.posted_nano, balance.pending_nano, balance.overrun_nano) == (100, 200, 30)
    assert (balance.spent_nano, balance.left_nano, balance.used_permille) == (130, 670, 330)
    assert past == [balance]
    assert nothing == []


def _read(tenant: str) -> tuple[list[read.Balance], ...]:
    try:
        return (
            read.balances(NOW, tenants=[tenant]),
            read.history(tenant, "monthly"),
            read.balances(NOW, tenants=[]),
        )
    finally:
        connections.close_all()  # this thread's own


def refused(amount: int, *left: tuple[int, str, bool]) -> NoHeadroom:
    return NoHeadroom(
        tuple(
            Left(WindowRef(n, 0, hard, f"b{n}", on_exhausted=wanted), nano)
            for n, (nano, wanted, hard) in enumerate(left)
        ),
        amount,
    )


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (refused(500, (400, "clamp", True)), Next("clamp", 396, ("b0",))),
        # 1 % is rounded up, so that a small rest still leaves room for others
        (refused(500, (50, "clamp", True)), Next("clamp", 49, ("b0",))),
        (refused(500, (-3, "clamp", True)), Next("clamp", 0, ("b0",))),
        # only those that refuse have a say; the least of all hard ones is the target
        (refused(500, (400, "clamp", True), (900, "deny", True)), Next("clamp", 396, ("b0",))),
        (refused(500, (400, "clamp", True), (10, "deny", True)), Next("deny", 9, ("b0", "b1"))),
        (refused(500, (400, "clamp", True), (10, "deny", False)), Next("clamp", 396, ("b0",))),
        (
            refused(9, (1, "downgrade", True), (2, "clamp", True)),
            Next("downgrade", 0, ("b0", "b1")),
        ),
        (
            refused(9, (1, "downgrade", True), (2, "escalate", True)),
            Next("escalate", 0, ("b0", "b1")),
        ),
    ],
)
def test_the_strictest_of_the_refusing_budgets_decides(refusal: NoHeadroom, expected: Next) -> None:
    assert after_refusal(refusal) == expected


async def test_the_pool_of_the_world_is_the_application_role(db: Database) -> None:
    assert await ask(db, "SELECT current_user::text") == ("mandate_app",)
