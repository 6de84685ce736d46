"""Who presents a key (the hot path, asyncio) or a personal token (Django's pages and API)."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from django.conf import settings
from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from controlplane.kernel.errors import Unauthenticated
from policies.identity import credentials
from policies.identity.models import Token, User
from policies.order.lock import mandate_now

CACHE_SECONDS = 5.0
USED_SECONDS = 60.0
_CACHED_AT_MOST = 10_000
_REFUSED = "this API key is unknown, expired or revoked; show a key of your team as Bearer token"
_FIND = """
SELECT hash, tenant, team, labels, scopes FROM policies_api_key WHERE id = %s AND key_stands(id, hash)
"""


_USED = """
UPDATE policies_api_key SET last_used_at = mandate_now()
WHERE id IN (SELECT id FROM policies_api_key WHERE id = ANY(%s)
               AND coalesce(last_used_at, '-infinity') < mandate_now() - make_interval(secs => %s)
             ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """The key that stands behind a request: its team pays. `labels` are facts; `scopes` names routes, empty for all."""

    key_id: str
    key_hash: bytes = field(repr=False)
    tenant: str
    team: str
    labels: Mapping[str, str]
    scopes: tuple[str, ...] = ()


class Keys:
    """Authenticates API keys over the `/v1` pool. A key is remembered for at most 5 s; admission's SQL checks it again."""

    def __init__(
        self,
        db: AsyncConnectionPool,
        pepper: bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._pepper = pepper
        self._clock = clock
        self._cache: OrderedDict[str, tuple[float, Caller | None]] = OrderedDict()
        self._fetching = asyncio.Lock()
        self._used: set[str] = set()

    async def authenticate(self, presented: str) -> Caller:
        """The caller behind `mdt_…`. Raises Unauthenticated, never saying why; psycopg's errors when PostgreSQL is away."""
        public = credentials.public_id(presented, credentials.KEY_PREFIX)
        if public is None:
            raise Unauthenticated(_REFUSED)
        caller = self._fresh(public)
        if caller is False:
            async with self._fetching:
                caller = self._fresh(public)
                if caller is False:
                    caller = await self._fetch(public)
        # an unknown id costs the same comparison as a wrong secret
        kept = caller.key_hash if caller else bytes(32)
        if not credentials.matches(self._pepper, presented, kept) or not caller:
            raise Unauthenticated(_REFUSED)
        self._used.add(public)
        return caller

    async def standing(self, key_id: str) -> Caller | None:
        """The caller behind a key that was authenticated before, for what is done for it since; None where it stands no more."""
        caller = self._fresh(key_id)
        return await self._fetch(key_id) if caller is False else caller

    async def note_used(self) -> None:
        """Write down when keys were last used, to the minute: one statement for all of them, beside the requests."""
        used, self._used = self._used, set()
        if not used:
            return
        try:
            async with self._db.connection() as connection:
                await connection.execute(_USED, [sorted(used), USED_SECONDS / 2])
        except (OperationalError, PoolTimeout):
            self._used |= used
            raise

    def _fresh(self, public: str) -> Caller | Literal[False] | None:
        """What is remembered; False when nothing is."""
        found = self._cache.get(public)
        if found is None or found[0] <= self._clock():
            return False
        return found[1]

    async def _fetch(self, public: str) -> Caller | None:
        async with self._db.connection() as connection:
            cursor = await connection.execute(_FIND, [public])
            row = await cursor.fetchone()
        caller = None
        if row is not None:
            kept, tenant, team, labels, scopes = row
            caller = Caller(public, bytes(kept), tenant, team, labels, tuple(scopes))
        self._cache[public] = (self._clock() + CACHE_SECONDS, caller)
        self._cache.move_to_end(public)
        while len(self._cache) > _CACHED_AT_MOST:
            self._cache.popitem(last=False)
        return caller


def member_of_token(presented: str) -> User:
    """The member behind a personal token `mdp_…`; synchronous, for `/api`. Raises Unauthenticated, never saying why."""
    refused = Unauthenticated(
        "this token is unknown, expired or revoked; create one in the console"
    )
    public = credentials.public_id(presented, credentials.TOKEN_PREFIX)
    if public is None:
        raise refused
    token = Token.objects.select_related("user").filter(pk=public).first()
    pepper = credentials.read_pepper(settings.MANDATE_KEYS_DIR)
    kept = bytes(token.hash) if token else bytes(32)
    if not credentials.matches(pepper, presented, kept) or token is None:
        raise refused
    now = mandate_now()
    expired = token.expires_at is not None and token.expires_at <= now
    if token.revoked_at is not None or expired or not token.user.is_active:
        raise refused
    if token.last_used_at is None or (now - token.last_used_at).total_seconds() >= USED_SECONDS:
        Token.objects.filter(pk=public).update(last_used_at=now)
    return token.user
