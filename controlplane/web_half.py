"""What the web process holds for /v1: opened when it starts, closed after its last answer."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from django.conf import settings

from audit.vault.opening import open_store
from controlplane import bell, garbage, tracing
from controlplane.kernel.clock import system_clock
from controlplane.kernel.ids import IdSource
from policies.bundles.snapshot import Snapshots
from policies.identity import credentials
from policies.identity.authentication import Keys
from routing import playground, wire
from routing.calls.pool import Database, open_pool
from routing.dispatch import Dispatcher
from routing.gateway import Web, keep
from routing.gathering import Desk
from routing.ledger.balances import Windows
from routing.limits.breakers import Breakers
from routing.limits.rates import RateLimits
from routing.pipe import Pipe
from routing.relay import Replies

POOL_SIZE = 8
LAST_READ_SECONDS = 0.3
App = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]


@dataclass(slots=True)
class WebHalf:
    """The app at /v1 and what must be closed behind it."""

    app: App
    web: Web
    db: Database
    redis: redis.asyncio.Redis
    pipes: tuple[Pipe, ...]
    reading: asyncio.Task[None]

    async def close(self) -> None:
        """End the reader, then the connections."""
        playground.opened(None)
        self.reading.cancel()
        # a blocking read may swallow the first cancellation; nobody waits for it
        await asyncio.wait({self.reading}, timeout=LAST_READ_SECONDS)
        for pipe in self.pipes:
            await pipe.close()
        await self.redis.aclose()
        await self.db.close(timeout=1)
        await asyncio.to_thread(tracing.end)


async def open_web() -> WebHalf:
    """Open it all on the running loop; neither PostgreSQL nor Redis needs to be there yet."""
    db = await open_pool(settings.DATABASE_URL, POOL_SIZE)
    client = bell.client()
    ids = IdSource()
    this_process = ids.new()
    rings, frames = Pipe(client), Pipe(client)
    replies = Replies(frames, this_process)
    desk = Desk(
        db=db,
        snapshots=Snapshots(db),
        key_store=open_store(),
        windows=Windows(db),
        breakers=Breakers(client),
        rates=RateLimits(client),
        new_id=ids.new,
        clock=system_clock,
        web=this_process,
    )
    web = Web(
        db=db,
        desk=desk,
        keys=Keys(db, credentials.read_pepper(settings.MANDATE_KEYS_DIR)),
        dispatcher=Dispatcher(rings),
        replies=replies,
        clock=system_clock,
    )
    reading = asyncio.create_task(keep(web), name="keep")
    playground.opened(web)
    garbage.settle()
    app: App = wire.build(web)
    recorder = tracing.begin("web")
    if recorder is not None:
        app = recorder.around(app)
    pipes = (rings, frames)
    return WebHalf(app=app, web=web, db=db, redis=client, pipes=pipes, reading=reading)
