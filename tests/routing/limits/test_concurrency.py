"""Slots of a provider, shared by processes over real Redis, and without it."""

import asyncio
from typing import cast

import pytest
import redis.asyncio

from routing.limits import concurrency
from routing.limits.concurrency import Concurrency, Lease


async def granted(process: Concurrency, limit: int, times: int = 1) -> list[Lease]:
    """So many slots, asked for again and again until they are there."""
    found: list[Lease] = []
    async with asyncio.timeout(30):
        while len(found) < times:
            lease = await process.acquire("p", limit)
            if lease is None:
                await asyncio.sleep(concurrency.REFUSED_SECONDS)
            else:
                found.append(lease)
    return found


async def lapses(client: redis.asyncio.Redis, process: Concurrency) -> int:
    """When the grant of a process ends, in ms of Redis's clock."""
    told = await client.hget(f"{concurrency.KEY}p", process._process)
    assert told is not None
    return int(cast("bytes", told).partition(b":")[2])


async def clock(client: redis.asyncio.Redis) -> int:
    """Redis's clock in ms."""
    seconds, micros = await client.time()
    return int(seconds) * 1000 + int(micros) // 1000


async def test_the_limit_holds_over_processes(client: redis.asyncio.Redis) -> None:
    one, two = Concurrency(client), Concurrency(client)
    leases = [await process.acquire("p", 3) for process in (one, two, one, two)]
    assert [lease is not None for lease in leases] == [True, True, True, False]
    assert leases[0] is not None
    await one.release(leases[0])
    assert await one.acquire("p", 3) is not None
    assert await two.acquire("p", 3) is None
    assert await two.acquire("another", 3) is not None
    await one.close()
    await two.close()


async def test_never_more_than_the_limit_runs(client: redis.asyncio.Redis) -> None:
    processes = [Concurrency(client) for _ in range(4)]
    running = most = 0

    async def caller(process: Concurrency) -> None:
        nonlocal running, most
        for _ in range(5):
            (lease,) = await granted(process, 40)
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            running -= 1
            await process.release(lease)

    await asyncio.gather(*(caller(process) for process in processes for _ in range(20)))
    assert 30 <= most <= 40
    for process in processes:
        await process.close()


async def test_idle_slots_go_back_at_once(client: redis.asyncio.Redis) -> None:
    one, two = Concurrency(client), Concurrency(client)
    burst = [await one.acquire("p", 40) for _ in range(40)]
    assert None not in burst
    assert await two.acquire("p", 40) is None
    for lease in burst[1:]:
        assert lease is not None
        await one.release(lease)
    await granted(two, 40, times=37)
    assert await two.acquire("p", 40) is None
    await one.close()
    await two.close()


async def test_most_calls_need_no_round_trip(client: redis.asyncio.Redis) -> None:
    process = Concurrency(client)
    asked = 0
    ask = process._ask

    async def counting(*arguments: object) -> None:
        nonlocal asked
        asked += 1
        await ask(*arguments)  # type: ignore[arg-type]  # handed on as they came

    process._ask = counting  # type: ignore[method-assign, assignment]  # to count
    for _ in range(200):
        lease = await process.acquire("p", 200)
        assert lease is not None
        await process.release(lease)
    assert asked == 1
    await process.close()


async def test_no_limit_is_never_refused_and_never_asked(nowhere: redis.asyncio.Redis) -> None:
    process = Concurrency(nowhere)
    leases = [await process.acquire("p", limit) for limit in (None, 0, None)]
    assert leases == [Lease("p")] * 3
    await process.close()


async def test_a_dead_process_gives_its_slots_back(client: redis.asyncio.Redis) -> None:
    dead, alive = Concurrency(client), Concurrency(client)
    assert await dead.acquire("p", 1) is not None
    assert dead._keeper is not None
    dead._keeper.cancel()
    assert await alive.acquire("p", 1) is None
    now = await clock(client)
    assert now < await lapses(client, dead) <= now + concurrency.TTL_SECONDS * 1000
    await client.hset(f"{concurrency.KEY}p", dead._process, f"1:{now - 1}")
    await granted(alive, 1)
    await alive.close()


async def test_a_living_process_keeps_them(
    client: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concurrency, "RENEW_SECONDS", 0.1)
    one, two = Concurrency(client), Concurrency(client)
    lease = await one.acquire("p", 1)
    assert lease is not None
    ends = first = await lapses(client, one)
    async with asyncio.timeout(30):
        while ends == first:
            await asyncio.sleep(0.05)
            ends = await lapses(client, one)
    assert await two.acquire("p", 1) is None
    await one.release(lease)
    await granted(two, 1)
    await one.close()
    await two.close()


async def test_a_lowered_limit_binds_the_next_call(client: redis.asyncio.Redis) -> None:
    process = Concurrency(client)
    leases = [await process.acquire("p", 10) for _ in range(5)]
    assert None not in leases
    assert await process.acquire("p", 3) is None
    for lease in leases[:3]:
        assert lease is not None
        await process.release(lease)
    assert await process.acquire("p", 3) is not None
    assert await process.acquire("p", 3) is None
    await process.close()


async def test_without_redis_a_process_counts_for_itself(nowhere: redis.asyncio.Redis) -> None:
    process = Concurrency(nowhere)
    leases = [await process.acquire("p", 2) for _ in range(3)]
    assert [lease is not None for lease in leases] == [True, True, False]
    assert leases[0] is not None
    await process.release(leases[0])
    assert await process.acquire("p", 2) is not None
    await process.close()


async def test_closing_gives_everything_back(client: redis.asyncio.Redis) -> None:
    one, two = Concurrency(client), Concurrency(client)
    assert await one.acquire("p", 1) is not None
    await one.close()
    assert await two.acquire("p", 1) is not None
    await two.close()
