"""Redis or Valkey, as the hot path uses it: a bell that may be away."""

import redis.asyncio
from django.conf import settings


def client() -> redis.asyncio.Redis:
    """A client for rings and replies; blocking reads set their own limits."""
    made: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=2,
        socket_keepalive=True,
        health_check_interval=25,
    )
    return made
