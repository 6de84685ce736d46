"""Breakers between processes over real Redis, and without it."""

import asyncio
import time

import pytest
import redis.asyncio

from routing.limits import breakers
from routing.limits.breakers import Breakers


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


async def fail(of: Breakers, model: str, times: int = 5) -> None:
    for _ in range(times):
        await of.record(model, ok=False)


async def test_what_one_opens_all_see(client: redis.asyncio.Redis) -> None:
    clock = Clock()
    one, two = Breakers(client, clock), Breakers(client, clock)
    await fail(one, "insurance/gpt", times=4)
    assert await two.open(["insurance/gpt"]) == set()
    await fail(one, "insurance/gpt", times=1)
    assert one.known_open() == ("insurance/gpt",)
    assert await two.open(["insurance/gpt", "llama"]) == {"insurance/gpt"}
    assert await two.open(["llama"]) == set()
    assert two.known_open() == ("insurance/gpt",)


async def test_known_open_refreshes_itself(
    client: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breakers, "REFRESH_SECONDS", 0.05)
    one, two = Breakers(client), Breakers(client)
    await fail(one, "gpt")
    seen: tuple[str, ...] = ()
    async with asyncio.timeout(30):
        while not seen:
            await asyncio.sleep(0.05)
            seen = two.known_open()
    assert seen == ("gpt",)
    await two.close()


async def test_after_its_time_it_is_tried_for_a_part_of_each_second(
    client: redis.asyncio.Redis,
) -> None:
    clock = Clock()
    one, two = Breakers(client, clock), Breakers(client, clock)
    await fail(one, "gpt")
    assert await two.open(["gpt"]) == {"gpt"}
    found = []
    for seconds in (14.9, 0.15, 0.1, 0.1, 0.7, 0.1, 0.1, 0.1):
        clock.now += seconds
        found.append(two.known_open() == ("gpt",))
        assert one.known_open() == two.known_open()
    assert found == [True, False, False, True, True, False, False, True]


async def test_who_asks_for_another_model_uses_no_trial_up(client: redis.asyncio.Redis) -> None:
    clock = Clock()
    one = Breakers(client, clock)
    await fail(one, "gpt")
    clock.now += 15.1
    assert [one.known_open() for _ in range(100)] == [()] * 100


async def test_a_successful_trial_in_one_process_closes_it_in_all(
    client: redis.asyncio.Redis,
) -> None:
    clock = Clock()
    one, two, web = (Breakers(client, clock) for _ in range(3))
    await fail(one, "gpt")
    assert await web.open(["gpt"]) == {"gpt"}
    assert await two.open(["gpt"]) == {"gpt"}
    clock.now += 15.1
    await two.record("gpt", ok=True)
    for process in (one, two, web):
        assert await process.open(["gpt"]) == set()
    await fail(one, "gpt", times=4)
    assert await web.open(["gpt"]) == set()


async def test_a_failed_trial_keeps_it_open_for_longer(client: redis.asyncio.Redis) -> None:
    clock = Clock()
    one, two = Breakers(client, clock), Breakers(client, clock)
    await fail(one, "gpt")
    clock.now += 15.1
    await one.record("gpt", ok=False)
    clock.now += 29
    assert await two.open(["gpt"]) == {"gpt"}
    assert two.known_open() == ("gpt",)
    clock.now += 2
    assert two.known_open() == ()


async def test_a_forgotten_model_is_forgotten(client: redis.asyncio.Redis) -> None:
    clock = Clock()
    one, two = Breakers(client, clock), Breakers(client, clock)
    await fail(one, "gpt")
    clock.now += 15 + breakers.FORGOTTEN_SECONDS + 1
    assert await two.open(["gpt"]) == set()
    assert await one.open(["gpt"]) == set()


async def test_without_redis_each_knows_its_own(nowhere: redis.asyncio.Redis) -> None:
    clock = Clock()
    one = Breakers(nowhere, clock)
    await fail(one, "gpt")
    assert await one.open(["gpt", "llama"]) == {"gpt"}
    clock.now += 15.1
    await one.record("gpt", ok=True)
    assert await one.open(["gpt"]) == set()


async def test_a_flushed_redis_loses_only_the_others_knowledge(
    client: redis.asyncio.Redis,
) -> None:
    clock = Clock()
    one, two = Breakers(client, clock), Breakers(client, clock)
    await fail(one, "gpt")
    assert await two.open(["gpt"]) == {"gpt"}
    await client.delete(breakers.KEY)
    assert await two.open(["gpt"]) == set()
    assert await one.open(["gpt"]) == {"gpt"}


async def test_a_success_of_a_healthy_model_costs_nothing() -> None:
    class Counting:
        """A client that nobody should use."""

        def __getattr__(self, name: str) -> object:
            raise AssertionError(name)

    one = Breakers(Counting())  # type: ignore[arg-type]  # any use is a failure
    one._refreshed_at = time.monotonic()
    for _ in range(100):
        await one.record("gpt", ok=True)
    assert one._circuits == {}
