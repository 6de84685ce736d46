"""Rate limits: exact over processes, never over, never falsely full, each slot given back once; without the store as told."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis.asyncio

from policies.engine.rates import RateClaim
from routing.limits import rates
from routing.limits.rates import RateLimits, Refused


@pytest.fixture
async def shared(
    client: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[redis.asyncio.Redis]:
    mark = f"test:rates:{uuid4().hex}:"
    monkeypatch.setattr(rates, "KEY", mark)
    yield client
    async for key in client.scan_iter(f"{mark}*"):
        await client.delete(key)


def claim(limit: str = "burst", **figures: Any) -> RateClaim:
    base: dict[str, Any] = {
        "limit": limit, "requests_per_minute": 0, "tokens_per_minute": 0, "concurrent": 0, "deny_when_down": True,
    }  # fmt: skip
    return RateClaim(**(base | figures))


async def take(
    limits: RateLimits, *claims: RateClaim, tokens: int = 10, call: UUID | None = None
) -> Refused | None:
    return await limits.take(call or uuid4(), claims, tokens, 60)


async def test_requests_of_a_minute(shared: redis.asyncio.Redis) -> None:
    limits, three = RateLimits(shared), claim(requests_per_minute=3)
    assert [await take(limits, three) for _ in range(3)] == [None] * 3
    refused = await take(limits, three)
    assert refused is not None
    assert (refused.limit, refused.what, refused.down) == ("burst", "requests", False)
    assert 30 < refused.retry_after_seconds <= 60
    assert refused.words == (
        'the rate limit "burst" has had all the requests of a minute; it was not sent to a model'
    )


async def test_two_processes_share_one_count_and_none_is_let_in_too_many(
    shared: redis.asyncio.Redis,
) -> None:
    ours, theirs, limit = RateLimits(shared), RateLimits(shared), claim(requests_per_minute=20)
    answers = await asyncio.gather(*(take(one, limit) for _ in range(30) for one in (ours, theirs)))
    assert answers.count(None) == 20


async def test_the_same_call_counts_once_however_often_it_asks(shared: redis.asyncio.Redis) -> None:
    limits, one, call = RateLimits(shared), claim(requests_per_minute=1, concurrent=1), uuid4()
    assert [await take(limits, one, call=call) for _ in range(3)] == [None] * 3
    assert await take(limits, one) is not None


async def test_a_minute_later_there_is_room_again(shared: redis.asyncio.Redis) -> None:
    limits, two, first = (
        RateLimits(shared),
        claim(requests_per_minute=2, tokens_per_minute=25),
        uuid4(),
    )
    assert await take(limits, two, call=first) is None
    assert await take(limits, two) is None
    await shared.zincrby(f"{rates.KEY}burst:asked", -50_000, first.hex)  # it came 50 s ago
    refused = await take(limits, two)
    assert refused is not None
    assert refused.retry_after_seconds <= 10
    await shared.zincrby(f"{rates.KEY}burst:asked", -10_000, first.hex)
    # the first one's minute is over: its request and its tokens are free again, the second one's are not
    assert await take(limits, two) is None
    assert await take(limits, two) is not None


async def test_tokens_of_a_minute_and_what_was_really_used(shared: redis.asyncio.Redis) -> None:
    limits, hundred, call = RateLimits(shared), claim(tokens_per_minute=100), uuid4()
    assert await take(limits, hundred, tokens=80, call=call) is None
    refused = await take(limits, hundred, tokens=30)
    assert refused is not None
    assert refused.what == "tokens"
    for _ in range(2):
        await limits.give_back(call, [hundred], 20)
    assert await take(limits, hundred, tokens=80) is None
    assert await take(limits, hundred, tokens=1) is not None


async def test_one_call_larger_than_the_limit_may_come_alone(shared: redis.asyncio.Redis) -> None:
    limits, small = RateLimits(shared), claim(tokens_per_minute=10)
    assert await take(limits, small, tokens=500) is None
    assert await take(limits, small, tokens=1) is not None


async def test_calls_at_once_and_a_slot_that_is_given_back_once(
    shared: redis.asyncio.Redis,
) -> None:
    limits, two = RateLimits(shared), claim(concurrent=2)
    first, second = uuid4(), uuid4()
    assert await take(limits, two, call=first) is None
    assert await take(limits, two, call=second) is None
    refused = await take(limits, two)
    assert refused is not None
    assert (refused.what, refused.retry_after_seconds) == ("concurrent", 1.0)
    for _ in range(3):
        await RateLimits(shared).give_back(first, [two], None)
    assert await take(limits, two) is None
    # giving one back three times made room for one
    assert await take(limits, two) is not None


async def test_a_slot_lapses_with_its_call(
    shared: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "GRACE_SECONDS", 0.0)
    limits, one = RateLimits(shared), claim(concurrent=1)
    call = uuid4()
    assert await limits.take(call, [one], 1, 45) is None
    assert await take(limits, one) is not None
    await shared.zincrby(f"{rates.KEY}burst:running", -45_000, call.hex)  # as 45 s later
    assert await take(limits, one) is None


async def test_all_limits_or_none(shared: redis.asyncio.Redis) -> None:
    limits, wide, narrow = (
        RateLimits(shared),
        claim("wide", requests_per_minute=2),
        claim("narrow", requests_per_minute=1),
    )
    assert await take(limits, wide, narrow) is None
    refused = await take(limits, wide, narrow)
    assert refused is not None
    assert refused.limit == "narrow"
    # the refused call took nothing of the wide one
    assert await take(limits, wide) is None
    assert await take(limits, wide) is not None


async def test_what_was_not_let_in_counts_for_nothing(shared: redis.asyncio.Redis) -> None:
    limits, one, call = (
        RateLimits(shared),
        claim(requests_per_minute=1, tokens_per_minute=10, concurrent=1),
        uuid4(),
    )
    assert await take(limits, one, call=call) is None
    for _ in range(2):
        await limits.undo(call, [one])
    assert await take(limits, one) is None
    assert await take(limits, one) is not None


async def test_no_limit_asks_nobody(nowhere: redis.asyncio.Redis) -> None:
    assert await take(RateLimits(nowhere)) is None


@pytest.mark.parametrize("deny", [True, False])
async def test_without_the_store_it_is_as_the_limit_says(
    nowhere: redis.asyncio.Redis, *, deny: bool
) -> None:
    limits = RateLimits(nowhere)
    open_one, other = (
        claim("open", concurrent=1, deny_when_down=False),
        claim("other", concurrent=1, deny_when_down=deny),
    )
    for _ in range(2):
        refused = await take(limits, open_one, other)
        if deny:
            assert refused == Refused("other", "", 1.0, down=True)
            assert (
                refused.words == 'the rate limit "other" cannot be asked at the moment; try again'
            )
        else:
            assert refused is None
    await limits.give_back(uuid4(), [other], 1)
    await limits.undo(uuid4(), [other])
