from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from django.conf import settings

from routing.limits import breakers, concurrency


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[redis.asyncio.Redis]:
    """Real Redis or Valkey, under keys of this test alone."""
    made = redis.asyncio.Redis.from_url(settings.REDIS_URL)
    mark = (await made.incr("test:limits")) if made else 0
    monkeypatch.setattr(breakers, "KEY", f"test:{mark}:breakers")
    monkeypatch.setattr(concurrency, "KEY", f"test:{mark}:concurrency:")
    yield made
    async for key in made.scan_iter(f"test:{mark}:*"):
        await made.delete(key)
    await made.aclose()


@pytest.fixture
async def nowhere() -> AsyncIterator[redis.asyncio.Redis]:
    """A Redis that is away."""
    made = redis.asyncio.Redis.from_url("redis://127.0.0.1:9/0", socket_connect_timeout=1)
    yield made
    await made.aclose()
