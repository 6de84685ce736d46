"""How many calls run at one provider at once, over all worker processes.

Redis grants each process a number of slots per provider; the process hands them out by itself and
asks again only when it runs out, so that a call usually costs no round trip. A grant lapses unless
it is renewed, so a dead process gives its slots back within twenty seconds. Without Redis each
process counts for itself, up to the whole limit: the provider's own 429 is then the bound.
"""

import asyncio
import time
from dataclasses import dataclass, field
from secrets import token_hex

import redis.asyncio

from routing.limits.shared import Shared

KEY = "mandate:concurrency:"
TTL_SECONDS = 20.0
RENEW_SECONDS = 5.0
TICK_SECONDS = 0.25
REFUSED_SECONDS = 0.02
MOST_SLACK = 16

# one hash per provider: process → "<slots>:<when it lapses, ms>"
_GRANT = """
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local others = 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local slots, ends = string.match(all[i + 1], '^(%d+):(%d+)$')
  if all[i] ~= ARGV[1] then
    if tonumber(ends) < ms then redis.call('HDEL', KEYS[1], all[i])
    else others = others + tonumber(slots) end
  end
end
local used, wanted, limit, ttl = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local granted = math.max(used, math.min(wanted, limit - others))
if granted == 0 then redis.call('HDEL', KEYS[1], ARGV[1])
else redis.call('HSET', KEYS[1], ARGV[1], granted .. ':' .. string.format('%.0f', ms + ttl)) end
redis.call('PEXPIRE', KEYS[1], ttl * 2)
return granted
"""


@dataclass(frozen=True, slots=True)
class Lease:
    """One slot, to be given back."""

    provider: str


@dataclass(slots=True)
class _Share:
    """What this process has of one provider."""

    limit: int
    used: int = 0
    granted: int = 0
    renewed_at: float = 0.0
    refused_at: float = 0.0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One question to Redis at a time: an older one that arrives late would take slots back."""

    def holds(self) -> bool:
        """Whether a slot is free and the grant stands."""
        fresh = time.monotonic() - self.renewed_at < TTL_SECONDS
        return self.used < self.granted <= self.limit and fresh

    def due(self) -> bool:
        """Whether the grant is to be renewed, or so much of it lies idle that others should have it."""
        idle = self.granted - self.used
        old = time.monotonic() - self.renewed_at >= RENEW_SECONDS
        return self.granted > 0 and (old or idle > 2 * _slack(self.limit) + 1)


class Concurrency:
    """One per process. `client` is Redis or Valkey; providers are `name` or `tenant/name`."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client
        self._grant = client.register_script(_GRANT)
        self._process = token_hex(8)
        self._shared = Shared()
        self._shares: dict[str, _Share] = {}
        self._keeper: asyncio.Task[None] | None = None

    async def acquire(self, provider: str, limit: int | None) -> Lease | None:
        """A slot, or None when `limit` calls run. No limit (None or 0) is no slot counted. Never fails."""
        share = self._shares.get(provider)
        if share is None:
            share = self._shares[provider] = _Share(limit or 0)
        share.limit = limit or 0
        if share.limit and not share.holds():
            async with share.turn:
                refused = time.monotonic() - share.refused_at < REFUSED_SECONDS
                if not share.holds() and not refused:
                    await self._ask(provider, share, share.used + 1 + _slack(share.limit))
            if not share.holds():
                return None
        share.used += 1
        self._keep()
        return Lease(provider)

    async def release(self, lease: Lease) -> None:
        """Give a slot back."""
        share = self._shares.get(lease.provider)
        if share is not None:
            share.used, share.refused_at = max(0, share.used - 1), 0.0

    async def close(self) -> None:
        """Give back everything this process was granted."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for provider in self._shares:
            gone = self._redis.hdel(KEY + provider, self._process)
            await self._shared.ask("concurrency", gone)
        self._shares.clear()

    async def _ask(self, provider: str, share: _Share, wanted: int) -> None:
        """Ask for `wanted` slots in all; holding `share.turn`."""
        granted = None
        # what is about to be given back is not handed out meanwhile
        share.granted = min(share.granted, wanted)
        if not self._shared.away:
            arguments: list[str | int] = [
                self._process,
                share.used,
                wanted,
                share.limit,
                int(TTL_SECONDS * 1000),
            ]
            granted = await self._shared.ask(
                "concurrency", self._grant(keys=[KEY + provider], args=arguments)
            )
        share.granted = share.limit if granted is None else int(granted)
        share.renewed_at = time.monotonic()
        if share.granted < min(wanted, share.used + 1):
            share.refused_at = share.renewed_at

    def _keep(self) -> None:
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.ensure_future(self._renew())

    async def _renew(self) -> None:
        """Renew what is used and give back what lies idle, until nothing is granted."""
        while any(share.granted for share in self._shares.values()):
            await asyncio.sleep(min(TICK_SECONDS, RENEW_SECONDS))
            for provider, share in list(self._shares.items()):
                async with share.turn:
                    if share.due():
                        await self._renew_one(provider, share)

    async def _renew_one(self, provider: str, share: _Share) -> None:
        spare = _slack(share.limit) if share.used else 0
        await self._ask(provider, share, share.used + spare)
        if not share.used and self._shared.away:
            share.granted = 0


def _slack(limit: int) -> int:
    """Slots asked for beyond the need: few enough that they are no loss where they lie idle."""
    return min(MOST_SLACK, limit // 16)
