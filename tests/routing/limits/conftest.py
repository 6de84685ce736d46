"""Redis that is there, however slow the machine, and Redis that is away."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from django.conf import settings

from routing.limits import breakers, concurrency, shared


async def end_what_runs() -> None:
    """A refresh that nobody awaits must not open, or leave half open, a connection that nobody closes."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[redis.asyncio.Redis]:
    """Real Redis or Valkey, under keys of this test alone."""
    monkeypatch.setattr(shared, "PATIENCE_SECONDS", 60.0)
    made = redis.asyncio.Redis.from_url(settings.REDIS_URL)
    mark = (await made.incr("test:limits")) if made else 0
    monkeypatch.setattr(breakers, "KEY", f"test:{mark}:breakers")
    monkeypatch.setattr(concurrency, "KEY", f"test:{mark}:concurrency:")
    yield made
    await end_what_runs()
    async for key in made.scan_iter(f"test:{mark}:*"):
        await made.delete(key)
    await made.aclose()


@pytest.fixture
async def nowhere() -> AsyncIterator[redis.asyncio.Redis]:
    """A Redis that is away."""
    made = redis.asyncio.Redis.from_url("redis://127.0.0.1:9/0", socket_connect_timeout=1)
    yield made
    await end_what_runs()
    await made.aclose()
