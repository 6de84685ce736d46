"""Breakers: which models are open, agreed between all processes through Redis.

Every process judges the models by its own calls and tells the others what it opened or closed, in
one sorted set (model → when it may be tried again). Without Redis each knows only its own. From
that moment on a model is open for four fifths of each second and tried in the first: by time, not
by counting callers, since who asks may not want that model at all.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import cast

import redis.asyncio

from routing.limits.circuit import Circuit
from routing.limits.shared import Shared

KEY = "mandate:breakers"
REFRESH_SECONDS = 1.0
TRIAL_EVERY_SECONDS = 1.0
TRIAL_SECONDS = 0.2
FORGOTTEN_SECONDS = 600.0


class Breakers:
    """One per process. `client` is Redis or Valkey; models are `name` or `tenant/name`."""

    def __init__(self, client: redis.asyncio.Redis, clock: Callable[[], float] = time.time) -> None:
        self._redis = client
        self._clock = clock
        self._shared = Shared()
        self._circuits: dict[str, Circuit] = {}
        self._others: dict[str, float] = {}
        self._refreshed_at = -REFRESH_SECONDS
        self._refreshing: asyncio.Task[None] | None = None

    def known_open(self) -> tuple[str, ...]:
        """The models not to call now, sorted; at most about a second old. Asks nobody and waits for nothing.

        A model that may be tried again is left out for a part of each second.
        """
        self._refresh_soon()
        now = self._clock()
        return tuple(sorted(name for name, until in self._all().items() if _shut(until, now)))

    async def open(self, models: Iterable[str]) -> set[str]:
        """Which of these models are open, asked afresh. Never fails."""
        await self._refresh()
        return set(self.known_open()) & set(models)

    async def record(self, model: str, *, ok: bool) -> None:
        """Take the outcome of a call in, and tell the others when that changes something. Never fails."""
        self._refresh_soon()
        circuit = self._circuits.get(model)
        if circuit is None:
            if ok and model not in self._others:
                return
            circuit = self._circuits[model] = Circuit()
        if model in self._others:
            circuit.adopt(self._others[model])
        if not circuit.record(self._clock(), ok=ok):
            return
        if circuit.until is None:
            self._others.pop(model, None)
            await self._shared.ask("breakers", self._redis.zrem(KEY, model))
        else:
            self._others[model] = circuit.until
            await self._shared.ask("breakers", self._redis.zadd(KEY, {model: circuit.until}))

    async def close(self) -> None:
        """End the refresh that may be under way."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    def _all(self) -> dict[str, float]:
        own = {
            name: circuit.until
            for name, circuit in self._circuits.items()
            if circuit.until is not None
        }
        return {**self._others, **own}

    def _refresh_soon(self) -> None:
        running = self._refreshing is not None and not self._refreshing.done()
        if not running and time.monotonic() - self._refreshed_at >= REFRESH_SECONDS:
            self._refreshed_at = time.monotonic()
            self._refreshing = asyncio.ensure_future(self._refresh())

    async def _refresh(self) -> None:
        self._refreshed_at = time.monotonic()
        if self._shared.away:
            return
        floor = self._clock() - FORGOTTEN_SECONDS
        found = await self._shared.ask(
            "breakers",
            cast(
                "Awaitable[list[tuple[bytes, float]]]",
                self._redis.zrange(KEY, floor, "+inf", byscore=True, withscores=True),
            ),
        )
        if found is None:
            return
        self._others = {name.decode(): float(until) for name, until in found}
        for name, circuit in list(self._circuits.items()):
            if circuit.until is None:
                continue
            if name not in self._others and self._clock() >= circuit.until:
                # another process tried it and closed it, or Redis forgot: both mean try again
                del self._circuits[name]


def _shut(until: float, now: float) -> bool:
    return now < until or (now - until) % TRIAL_EVERY_SECONDS >= TRIAL_SECONDS
