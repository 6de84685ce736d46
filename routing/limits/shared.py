"""Redis as the limits use it: fast, or away. Being away is an ordinary state here, never an error."""

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

import structlog
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

T = TypeVar("T")
PATIENCE_SECONDS = 0.5
AWAY_SECONDS = 1.0


class Shared:
    """Runs commands; after one failed, none is tried for a second and every caller stays local."""

    def __init__(self) -> None:
        self._away_until = 0.0

    @property
    def away(self) -> bool:
        """Whether Redis failed just now."""
        return time.monotonic() < self._away_until

    async def ask(self, what: str, command: Awaitable[T]) -> T | None:
        """The command's answer, or None when Redis does not give one in time."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await command
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            log.warning("limits.local", what=what, error=type(error).__name__)
            return None
