"""Money under the ledger's functions: never over a hard limit, never falsely exhausted, every attempt booked once."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from audit.log.entry import Entry
from routing.calls import commands
from routing.calls.commands import (
    Admitted,
    Database,
    Finished,
    Left,
    Moved,
    NoHeadroom,
    Settled,
    Started,
    WindowMoved,
    WindowRef,
)
from routing.calls.pool import LostRace, ask
from routing.ledger.settle import book, reconcile_due
from routing.reviews.holding import admit_held
from routing.reviews.steps import Decide
from tests.routing.reviews.asking import Taking, decide, deciding, opening
from tests.routing.reviews.asking import claim as claim_case
from tests.routing.world import World, claim, make_world, reservation


async def admit(world: World, amount: int, *windows: WindowRef) -> object:
    return await commands.admit(world.db, world.admission(amount, sort(windows)))


def sort(windows: tuple[WindowRef, ...]) -> list[WindowRef]:
    return sorted(windows, key=lambda w: (w.rank, w.id))


async def started(world: World, amount: int, *windows: WindowRef) -> UUID:
    answer = await admit(world, amount, *windows)
    assert isinstance(answer, Admitted)
    assert await commands.start_attempt(world.db, world.start(answer.call)) == Started()
    return answer.call


async def test_all_budgets_bind_and_the_refusal_changes_nothing(world: World) -> None:
    narrow, wide = await world.window(100, rank=0), await world.window(1000, rank=5)
    soft = await world.window(10, hard=False, rank=2)
    assert isinstance(await admit(world, 60, narrow, soft, wide), Admitted)

    admission = world.admission(50, [narrow, soft, wide])
    answer = await commands.admit(world.db, admission)
    assert answer == NoHeadroom((Left(narrow, 40), Left(soft, -50), Left(wide, 940)), 50)
    assert answer.least_nano == 40
    assert answer.binding == (Left(narrow, 40),)
    assert [await world.money(w.id) for w in (narrow, soft, wide)] == [(0, 60, 0)] * 3
    assert await commands.peek(world.db, admission.asked.call) is None
    assert await world.kinds(admission.asked.call) == []


async def test_a_clamped_amount_fits_and_a_limit_is_filled_exactly(world: World) -> None:
    window = await world.window(100)
    refused = await admit(world, 101, window)
    assert isinstance(refused, NoHeadroom)
    assert isinstance(await admit(world, refused.least_nano, window), Admitted)
    assert await world.money(window.id) == (0, 100, 0)
    assert isinstance(await admit(world, 0, window), Admitted)
    assert isinstance(await admit(world, 1, window), NoHeadroom)


async def test_a_soft_budget_counts_and_never_refuses(world: World) -> None:
    soft = await world.window(10, hard=False)
    call = await started(world, 500, soft)
    assert await world.money(soft.id) == (0, 500, 0)
    finish = world.finish(call, attempt={"amount_nano": 499})
    assert await commands.finish_call(world.db, finish) == Finished(499)
    assert await world.money(soft.id) == (499, 0, 0)


async def test_50_callers_for_the_last_seven_places_fill_them_exactly(world: World) -> None:
    for _ in range(6):  # a busy machine may let one round pass without a race
        narrow, wide = await world.window(70, rank=0), await world.window(10_000, rank=5)
        answers = await asyncio.gather(*(admit(world, 10, narrow, wide) for _ in range(50)))
        assert sum(isinstance(answer, Admitted) for answer in answers) == 7
        assert sum(isinstance(answer, NoHeadroom) for answer in answers) == 43
        assert await world.money(narrow.id) == (0, 70, 0)
        assert await world.money(wide.id) == (0, 70, 0)


async def test_a_lowered_limit_takes_nothing_back_and_grants_nothing(world: World) -> None:
    window = await world.window(100)
    call = await started(world, 80, window)
    lowered = replace(window, limit_nano=50)
    assert await admit(world, 1, lowered) == NoHeadroom((Left(lowered, -30),), 1)
    assert await world.money(window.id) == (0, 80, 0)
    finish = world.finish(call, attempt={"amount_nano": 30})
    assert await commands.finish_call(world.db, finish) == Finished(30)
    assert isinstance(await admit(world, 20, lowered), Admitted)
    assert isinstance(await admit(world, 1, lowered), NoHeadroom)


async def test_a_bill_above_the_reservation_is_overrun_and_lessens_headroom(world: World) -> None:
    window = await world.window(100)
    call = await started(world, 40, window)
    finish = world.finish(call, attempt={"amount_nano": 65})
    assert await commands.finish_call(world.db, finish) == Finished(65)
    assert (book(40, 65).posted_nano, book(40, 65).overrun_nano) == (40, 25)
    assert await world.money(window.id) == (40, 0, 25)
    assert await admit(world, 36, window) == NoHeadroom((Left(window, 35),), 36)
    assert isinstance(await admit(world, 35, window), Admitted)


async def test_an_unknown_attempt_holds_its_money_until_it_is_reconciled(world: World) -> None:
    window = await world.window(100)
    call = await started(world, 60, window)
    finish = world.finish(call, "failed", attempt={"becomes": "unknown"}, code="timeout")
    assert await commands.finish_call(world.db, finish) == Finished(0)
    assert await world.money(window.id) == (0, 60, 0)
    assert isinstance(await admit(world, 41, window), NoHeadroom)

    usage = world.settlement(call, becomes="reconciled", amount_nano=12)
    assert await commands.settle_attempt(world.db, usage) == Settled()
    assert await world.money(window.id) == (12, 0, 0)
    again = world.settlement(call, becomes="reconciled", amount_nano=60, basis="person")
    assert await commands.settle_attempt(world.db, again) == Moved(attempt="reconciled")
    assert await commands.settle_attempt(world.db, usage) == Settled()
    assert await world.money(window.id) == (12, 0, 0)
    seen = await commands.outcome(world.db, call)
    assert seen is not None
    assert (seen.state, seen.cost_nano) == ("failed", 12)
    assert (await world.kinds(call))[-3:] == [
        "attempt.unknown",
        "call.failed",
        "attempt.reconciled",
    ]


async def test_after_unknown_hours_the_reserved_amount_is_posted(world: World) -> None:
    window = await world.window(100)
    call = await started(world, 60, window)
    unknown = {"becomes": "unknown"}
    await commands.finish_call(world.db, world.finish(call, "failed", attempt=unknown))

    def build(item: commands.Unknown) -> Entry:
        return world.entry("attempt.reconciled", item.call, no=item.no, basis="reserve")

    assert await reconcile_due(world.db, build, unknown_hours=72) == 0
    await age(world, call, "unknown_at", timedelta(hours=73))
    await reconcile_due(world.db, build, unknown_hours=72)
    assert await world.money(window.id) == (60, 0, 0)
    assert await posting(world, call) == ("reconciled", "reserve", 60, 0)
    assert await reconcile_due(world.db, build, unknown_hours=72) == 0


async def age(world: World, call: UUID, column: str, by: timedelta) -> None:
    async with world.db.connection() as connection:
        await connection.execute(
            f"UPDATE routing_attempt SET {column} = {column} - %s WHERE call = %s",
            (by, call),
        )


async def posting(world: World, call: UUID, no: int = 1) -> object:
    query = (
        "SELECT kind, basis, posted_nano, overrun_nano FROM routing_posting "
        "WHERE call = %s::uuid AND attempt = %s::smallint"
    )
    return await ask(world.db, query, (call, no))


async def test_twenty_settlements_of_one_attempt_post_once(world: World) -> None:
    window = await world.window(1000)
    call = await started(world, 100, window)
    steps = [world.settlement(call, becomes="failed", amount_nano=n) for n in range(20)]
    answers = await asyncio.gather(*(commands.settle_attempt(world.db, step) for step in steps))
    [winner] = [n for n, answer in enumerate(answers) if answer == Settled()]
    assert answers.count(Moved(attempt="failed")) == 19
    assert await world.money(window.id) == (winner, 0, 0)
    assert (await world.kinds(call)).count("attempt.failed") == 1


async def test_a_void_gives_everything_back(world: World) -> None:
    window = await world.window(100)
    answer = await admit(world, 100, window)
    assert isinstance(answer, Admitted)
    assert await commands.cancel_call(world.db, world.cancel(answer.call)) == "cancelled"
    assert await world.money(window.id) == (0, 0, 0)
    assert await posting(world, answer.call) == ("voided", "none", 0, 0)
    assert await world.kinds(answer.call) == ["call.admitted", "attempt.voided", "call.cancelled"]


async def test_a_later_attempt_reserves_in_the_commit_that_starts_it(world: World) -> None:
    window = await world.window(100)
    call = await started(world, 60, window)
    failed = world.settlement(call, becomes="failed", amount_nano=10)
    assert await commands.settle_attempt(world.db, failed) == Settled()
    refused = world.start(call, 2, reservation=reservation(91, [window]))
    assert await commands.start_attempt(world.db, refused) == NoHeadroom((Left(window, 90),), 91)
    assert await world.money(window.id) == (10, 0, 0)
    second = world.start(call, 2, reservation=reservation(90, [window]))
    assert await commands.start_attempt(world.db, second) == Started()
    assert await world.money(window.id) == (10, 90, 0)
    finish = world.finish(call, attempt={"no": 2, "amount_nano": 20})
    assert await commands.finish_call(world.db, finish) == Finished(30)
    assert await world.money(window.id) == (30, 0, 0)


async def test_repricing_moves_the_reservation_between_windows_at_once(world: World) -> None:
    old, both, new = (
        await world.window(100, rank=0),
        await world.window(100, rank=1),
        await world.window(100, rank=2),
    )
    answer = await admit(world, 80, old, both)
    assert isinstance(answer, Admitted)
    dearer = world.start(answer.call, reservation=reservation(101, sort((both, new))))
    refused = await commands.start_attempt(world.db, dearer)
    assert refused == NoHeadroom((Left(both, 100), Left(new, 100)), 101)
    assert await world.money(both.id) == (0, 80, 0)
    cheaper = world.start(answer.call, reservation=reservation(95, sort((both, new))))
    assert await commands.start_attempt(world.db, cheaper) == Started()
    assert [await world.money(w.id) for w in (old, both, new)] == [
        (0, 0, 0),
        (0, 95, 0),
        (0, 95, 0),
    ]


async def test_a_window_of_another_time_is_refused_with_the_clock(world: World) -> None:
    yesterday = datetime.now(tz=UTC) - timedelta(days=1)
    [old] = await world.windows([claim("daily", world.tenant, 100, period="day")], yesterday)
    answer = await admit(world, 10, old)
    assert isinstance(answer, WindowMoved)
    [window] = await world.windows([claim("daily", world.tenant, 100, period="day")], answer.now)
    assert window.id != old.id
    assert isinstance(await admit(world, 10, window), Admitted)
    assert await world.money(old.id) == (0, 0, 0)


async def test_a_window_that_is_not_there_is_refused_too(world: World) -> None:
    assert isinstance(
        await admit(world, 10, WindowRef(-1, 100, hard=True, budget="gone")), WindowMoved
    )


async def test_money_stays_in_the_windows_of_the_first_reservation(world: World) -> None:
    """A call admitted before midnight retries after it: it is charged to the day it was admitted on."""
    today = datetime.now(tz=UTC)
    daily = claim("daily", world.tenant, 100, period="day")
    [window] = await world.windows([daily], today)
    call = await started(world, 60, window)
    await commands.settle_attempt(world.db, world.settlement(call, becomes="failed"))
    async with world.db.connection() as connection:  # as if it had been reserved yesterday
        await connection.execute(
            "UPDATE routing_call SET reserved_at = reserved_at - interval '1 day' WHERE id = %s",
            (call,),
        )
    step = world.start(call, 2, reservation=reservation(60, [window]))
    answer = await commands.start_attempt(world.db, step)
    assert isinstance(answer, WindowMoved)
    assert answer.now.date() == (today - timedelta(days=1)).date()
    [of_call] = await world.windows([daily], answer.now)
    step = world.start(call, 2, reservation=reservation(60, [of_call]))
    assert await commands.start_attempt(world.db, step) == Started()
    assert await world.money(of_call.id) == (0, 60, 0)
    assert await world.money(window.id) == (0, 0, 0)


async def test_a_call_held_before_any_model_reserves_when_it_is_released(world: World) -> None:
    window = await world.window(100)
    admission = replace(world.admission(), reservation=None)
    call = admission.asked.call
    case = opening(world, call, stage="request")
    held = world.entry("call.held", call)
    assert isinstance(await admit_held(world.db, admission, held, case), Admitted)
    assert await world.money(window.id) == (0, 0, 0)
    entry = world.entry("review.claimed", call)
    await claim_case(world.db, Taking(case.review, call, "member:rui", entry))
    verdict = Decide(
        review=case.review, call=call, version=0, actor="member:rui", verdict="approved"
    )
    assert await decide(world.db, deciding(world, verdict)) == "closed"
    assert await world.money(window.id) == (0, 0, 0)
    step = world.start(call, reservation=reservation(30, [window]))
    assert await commands.start_attempt(world.db, step) == Started()
    assert await world.money(window.id) == (0, 30, 0)


async def test_the_table_itself_refuses_to_release_twice(world: World) -> None:
    window = await world.window(100)
    with pytest.raises(psycopg.errors.CheckViolation):
        await ask(
            world.db,
            "SELECT ledger_settle(%s::bigint[], 1::bigint, 0::bigint, 0::bigint)",
            ([window.id],),
        )


async def test_an_older_revision_never_lowers_the_guard(world: World, db: Database) -> None:
    """Beside the order lock: a caller that skipped the check cannot bring an old, higher limit."""
    window = await world.window(100)
    reserve = "SELECT ledger_reserve(%s::bigint[], %s::bigint[], '{t}', %s::bigint, %s::bigint)"
    await ask(db, reserve, ([window.id], [50], 10, 9))
    with pytest.raises(LostRace):
        await ask(db, reserve, ([window.id], [1000], 60, 8))
    assert await world.money(window.id) == (0, 10, 0)


async def test_two_worlds_share_no_window(db: Database) -> None:
    one, two = await make_world(db), await make_world(db)
    same = [await world.window(100, budget="monthly") for world in (one, two)]
    assert same[0].id != same[1].id
