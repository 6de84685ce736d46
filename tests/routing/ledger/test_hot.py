"""Many clients on one hot budget of four levels, for the day and the month at once: never over, exactly full, no deadlock."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from routing.calls import commands
from routing.calls.commands import Admitted, NoHeadroom, Stale, WindowRef
from routing.calls.pool import Database, ask, open_pool
from tests.routing.control import publish
from tests.routing.world import World, claim, make_world

LEVELS = ("key", "team", "tenant", "organisation")
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@pytest.fixture
async def hot(app_dsn: str) -> AsyncIterator[World]:
    """A world whose pool has a connection for each of 32 clients."""
    pool = await open_pool(app_dsn, 32)
    yield await make_world(pool)
    await pool.close()


async def levels(world: World, limit: int) -> list[WindowRef]:
    """Key to organisation, each for a day and a month."""
    # nobody's midnight is near: whatever the hour is, one of the two is in the middle of its day
    zone = "UTC" if datetime.now(tz=UTC).hour < 12 else "Pacific/Honolulu"
    claims = [
        claim(f"{level}-{period}", world.tenant, limit, period=period, time_zone=zone, rank=rank)
        for rank, level in enumerate(LEVELS)
        for period in ("day", "month")
    ]
    return await world.windows(claims)


async def spend(world: World, windows: Sequence[WindowRef], seed: int) -> Counter[str]:
    """One client: reserves one unit after another until it is refused; settles every other one."""
    seen: Counter[str] = Counter()
    while True:
        answer = await commands.admit(world.db, world.admission(1, windows))
        if isinstance(answer, NoHeadroom):
            # somebody who settled gave nothing back: full is full for everybody
            assert answer.amount_nano == 1
            return seen
        assert isinstance(answer, Admitted)
        seen["granted"] += 1
        if (seed + seen["granted"]) % 2:
            await commands.start_attempt(world.db, world.start(answer.call))
            await commands.finish_call(
                world.db, world.finish(answer.call, attempt={"amount_nano": 1})
            )
            seen["posted"] += 1


@pytest.mark.parametrize(("clients", "limit"), [(32, 90), (256, 60)])
async def test_it_is_filled_to_the_last_unit_at_every_level(
    hot: World, clients: int, limit: int
) -> None:
    [before] = await ask(hot.db, DEADLOCKS)
    windows = await levels(hot, limit)
    assert len(windows) == 8
    # clients name their windows in the one order in which they are locked, whatever they ask for
    seen = sum(
        await asyncio.gather(*(spend(hot, windows, n) for n in range(clients))), Counter[str]()
    )
    assert seen["granted"] == limit
    for window in windows:
        assert await hot.money(window.id) == (seen["posted"], limit - seen["posted"], 0)
        assert await hot.scan(window.id) == (seen["posted"], limit - seen["posted"], 0)
    assert await ask(hot.db, DEADLOCKS) == (before,)


async def take(
    world: World, windows: Sequence[WindowRef], limits: dict[int, int], half: asyncio.Event
) -> None:
    """One client that decides again whenever the policy moved: each revision has a limit of its own."""
    revision, epoch = world.revision, world.epoch
    while True:
        refs = [replace(w, limit_nano=limits[revision]) for w in windows]
        step = world.admission(1, refs, revision=revision, stop_epoch=epoch)
        match await commands.admit(world.db, step):
            case Stale(now, stopped):
                revision, epoch = now, stopped
            case NoHeadroom():
                return
            case answer:
                assert isinstance(answer, Admitted)
                if (await world.money(windows[0].id))[1] >= 20:
                    half.set()


@pytest.mark.parametrize("limit_then", [25, 60])
async def test_a_limit_that_moves_in_mid_flight_binds_from_its_commit(
    hot: World, db: Database, limit_then: int
) -> None:
    await hot.control()
    windows = await levels(hot, 40)
    first = hot.revision
    # somebody else's test may publish as well: every later revision has the limit that came second
    limits = dict.fromkeys(range(first, first + 1_000), limit_then) | {first: 40}
    half = asyncio.Event()
    clients = [asyncio.create_task(take(hot, windows, limits, half)) for _ in range(16)]
    await half.wait()
    await publish(db)
    await asyncio.gather(*clients)
    query = "SELECT count(*) FILTER (WHERE revision = %s::bigint), count(*) FROM routing_call WHERE tenant = %s::text"
    early, granted = await ask(hot.db, query, (first, hot.tenant))
    assert early >= 20
    # a lowered limit takes nothing back and grants nothing; a raised one is filled
    assert granted == max(early, limit_then)
    assert {await hot.money(w.id) for w in windows} == {(0, granted, 0)}


async def test_with_a_level_more_narrow_each_fills_its_own(hot: World) -> None:
    """Two teams share the tenant's budget: the sum never passes it, and neither passes its own."""
    whole = await hot.window(50, rank=9)
    one, two = await hot.window(30, rank=0), await hot.window(30, rank=0)
    pairs = [[one, whole], [two, whole]] * 12
    seen = await asyncio.gather(*(spend(hot, pair, 1) for pair in pairs))
    granted = [sum(s["granted"] for s in seen[n::2]) for n in (0, 1)]
    assert sum(granted) == 50
    assert all(20 <= each <= 30 for each in granted)
    assert [sum(await hot.money(w.id)) for w in (one, two, whole)] == [*granted, 50]
