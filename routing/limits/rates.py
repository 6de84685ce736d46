"""How fast a scope may call, exact over all processes: requests and tokens of any sixty seconds, and calls at once.

One script takes a call into every limit it counts against, or into none; asked again for the same call it changes
nothing. A slot is given back by the call's id, so that whoever sees its end first gives it back, and only once; one
whose processes all died lapses with the call's deadline. No limit ever holds money: it is asked before admission.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import redis.asyncio

from policies.engine.rates import RateClaim
from routing.limits.shared import Shared

KEY = "mandate:rate:"
WINDOW_MS = 60_000
GRACE_SECONDS = 60.0
"""How long after its deadline a slot may still be used by a call that is being ended."""

# three keys for each limit: requests (call → when), tokens (call → how many, "" → their sum), running (call → lapses)
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local call, lapses, wanted = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local count = #KEYS / 3
for i = 1, count do
  local asked, tokens, running = KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i]
  local most_asked, most_tokens, most_running = tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2]), tonumber(ARGV[3 * i + 3])
  local old = redis.call('ZRANGEBYSCORE', asked, '-inf', now - 60000)
  for _, one in ipairs(old) do
    local had = redis.call('HGET', tokens, one)
    if had then redis.call('HINCRBY', tokens, '', -tonumber(had)); redis.call('HDEL', tokens, one) end
  end
  redis.call('ZREMRANGEBYSCORE', asked, '-inf', now - 60000)
  redis.call('ZREMRANGEBYSCORE', running, '-inf', now)
  if not redis.call('ZSCORE', asked, call) then
    local n = redis.call('ZCARD', asked)
    if most_asked > 0 and n >= most_asked then
      local first = redis.call('ZRANGE', asked, n - most_asked, n - most_asked, 'WITHSCORES')
      return {i, 'requests', math.max(1, tonumber(first[2]) + 60000 - now)}
    end
    local used = tonumber(redis.call('HGET', tokens, '') or '0')
    if most_tokens > 0 and used > 0 and used + wanted > most_tokens then
      local all = redis.call('ZRANGE', asked, 0, -1, 'WITHSCORES')
      local wait = 60000
      for k = 1, #all, 2 do
        used = used - tonumber(redis.call('HGET', tokens, all[k]) or '0')
        if used <= 0 or used + wanted <= most_tokens then wait = tonumber(all[k + 1]) + 60000 - now; break end
      end
      return {i, 'tokens', math.max(1, wait)}
    end
  end
  if most_running > 0 and not redis.call('ZSCORE', running, call) and redis.call('ZCARD', running) >= most_running then
    return {i, 'concurrent', 1000}
  end
end
for i = 1, count do
  local asked, tokens, running = KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i]
  if redis.call('ZADD', asked, 'NX', now, call) == 1 then
    redis.call('HSET', tokens, call, wanted)
    redis.call('HINCRBY', tokens, '', wanted)
  end
  redis.call('ZADD', running, now + lapses, call)
  redis.call('PEXPIRE', asked, 120000)
  redis.call('PEXPIRE', tokens, 120000)
  redis.call('PEXPIRE', running, lapses + 60000)
end
return {0, '', 0}
"""
_GIVE_BACK = """
local call, used = ARGV[1], ARGV[2]
for i = 1, #KEYS / 3 do
  local asked, tokens, running = KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i]
  redis.call('ZREM', running, call)
  local had = redis.call('HGET', tokens, call)
  if had and used ~= '' then
    redis.call('HINCRBY', tokens, '', tonumber(used) - tonumber(had))
    redis.call('HSET', tokens, call, used)
  end
end
return 1
"""
_UNDO = """
local call = ARGV[1]
for i = 1, #KEYS / 3 do
  local asked, tokens, running = KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i]
  redis.call('ZREM', running, call)
  redis.call('ZREM', asked, call)
  local had = redis.call('HGET', tokens, call)
  if had then redis.call('HINCRBY', tokens, '', -tonumber(had)); redis.call('HDEL', tokens, call) end
end
return 1
"""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a call may not come now: which limit, what of it is used up, and when to try again.

    `down`: nobody can tell, since the store is away, and the limit denies then.
    """

    limit: str
    what: str
    retry_after_seconds: float
    down: bool = False

    @property
    def words(self) -> str:
        """For the caller."""
        if self.down:
            return f'the rate limit "{self.limit}" cannot be asked at the moment; try again'
        used = {
            "requests": "has had all the requests of a minute",
            "tokens": "has had all the tokens of a minute",
            "concurrent": "has all the calls at once that it allows",
        }
        return f'the rate limit "{self.limit}" {used[self.what]}; it was not sent to a model'


class RateLimits:
    """One per process. `client` is Redis or Valkey."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._take = client.register_script(_TAKE)
        self._give_back = client.register_script(_GIVE_BACK)
        self._undo = client.register_script(_UNDO)
        self._shared = Shared()

    async def take(
        self, call: UUID, claims: Sequence[RateClaim], tokens: int, seconds: float
    ) -> Refused | None:
        """Count a call that may bring so many tokens and take so long; None where every limit lets it in. Never fails."""
        if not claims:
            return None
        lapses = int((seconds + GRACE_SECONDS) * 1000)
        limits = [
            figure
            for one in claims
            for figure in (one.requests_per_minute, one.tokens_per_minute, one.concurrent)
        ]
        # INVARIANT: the arguments of limit i stand at 3i+1 to 3i+3, as the script reads them
        arguments: list[str | int] = [call.hex, lapses, tokens, *limits]
        answer = None
        if not self._shared.away:
            answer = await self._shared.ask("rates", self._take(keys=_keys(claims), args=arguments))
        if answer is None:
            closed = next((one for one in claims if one.deny_when_down), None)
            return Refused(closed.limit, "", 1.0, down=True) if closed else None
        place, what, wait_ms = answer
        if not place:
            return None
        return Refused(claims[int(place) - 1].limit, _text(what), int(wait_ms) / 1000)

    async def give_back(self, call: UUID, claims: Sequence[RateClaim], tokens: int | None) -> None:
        """The call is over, and used so many tokens where that is known. Once is enough, twice changes nothing. Never fails."""
        if claims and not self._shared.away:
            used = "" if tokens is None else str(tokens)
            work = self._give_back(keys=_keys(claims), args=[call.hex, used])
            await self._shared.ask("rates", work)

    async def undo(self, call: UUID, claims: Sequence[RateClaim]) -> None:
        """The call was not let in after all: it counts for nothing. Never fails."""
        if claims and not self._shared.away:
            await self._shared.ask("rates", self._undo(keys=_keys(claims), args=[call.hex]))


def _keys(claims: Sequence[RateClaim]) -> list[str]:
    return [f"{KEY}{one.limit}:{part}" for one in claims for part in ("asked", "tokens", "running")]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
