"""Make the weeks behind a demo, in a process of its own beside the running installation (`manage.py history`).

It ends by itself, within a minute or so, and says every step; a second `up` goes on where a first one was stopped.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import redis.asyncio
from django.conf import settings

from audit.vault.opening import open_store
from controlplane import bell, env
from controlplane.kernel.clock import from_text, system_clock, to_text
from controlplane.kernel.ids import IdSource
from controlplane.up import welcome
from controlplane.up.installation import DONE, HISTORY, WANTED, history_wanted, remember
from policies.bundles.snapshot import Snapshots
from policies.identity import credentials
from policies.identity.authentication import Keys
from policies.order.ids import simulate
from policies.secrets.store import Secrets
from routing.calls.leases import Lease, give_up, renew
from routing.calls.pool import Database, open_pool
from routing.case import Worker
from routing.demo import plan, story, world
from routing.demo.clock import Simulated
from routing.demo.history import Calm, Past, Progress, live, undisturbed, waiting
from routing.gathering import Desk
from routing.ledger.balances import Windows
from routing.limits.concurrency import Concurrency
from routing.limits.rates import RateLimits
from routing.pipe import Pipe
from routing.providers.registry import Simulations

POOL_SIZE = 4
RENEW_SECONDS = 1.5
_NOWHERE = "http://127.0.0.1:9"
"""The story takes no provider from the documents."""


def say(line: str) -> None:
    """One line of progress."""
    sys.stdout.write(f"- {line}\n")
    sys.stdout.flush()


async def _renewed(db: Database, lease: Lease) -> None:
    """Keep the lease by the real clock, which everybody else's sweep goes by."""
    while True:
        await renew(db, lease)
        await asyncio.sleep(RENEW_SECONDS)


async def make(stopped: Callable[[], bool]) -> int:
    """Open both halves of the walk under one clock, and live; how many calls."""
    clock, client = Simulated(), bell.client()
    real = await open_pool(settings.DATABASE_URL, 2)
    db = await open_pool(settings.DATABASE_URL, POOL_SIZE, clock.check)
    since = _since(system_clock())
    clock.begin(since)
    lease = Lease(worker=IdSource().new(), host=socket.gethostname(), pid=os.getpid())
    past = _past(clock, db, client, IdSource(clock.now), lease)
    renewing = asyncio.create_task(_renewed(real, lease))
    try:
        async with undisturbed(real) as alone:
            return await _live(past, since, stopped) if alone else 0
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing
        await give_up(real, lease.worker)
        await past.worker.providers.close()
        await past.worker.concurrency.close()
        await past.worker.pipe.close()
        await client.aclose()
        await db.close(timeout=1)
        await real.close(timeout=1)


def _past(
    clock: Simulated, db: Database, client: redis.asyncio.Redis, ids: IdSource, lease: Lease
) -> Past:
    store = open_store()
    breakers, windows = Calm(client), Windows(db)
    desk = Desk(
        db=db,
        snapshots=Snapshots(db),
        key_store=store,
        windows=windows,
        breakers=breakers,
        rates=RateLimits(client),
        new_id=ids.new,
        clock=clock.now,
        web=ids.new(),
    )
    worker = Worker(
        db=db,
        redis=client,
        pipe=Pipe(client),
        snapshots=Snapshots(db),
        key_store=store,
        windows=windows,
        providers=Simulations(Secrets(settings.MANDATE_SECRETS_DIR), clock.sleep),
        breakers=breakers,
        concurrency=Concurrency(client),
        rates=RateLimits(client),
        new_id=ids.new,
        clock=clock.now,
        lease=lease,
        pause=clock.sleep,
    )
    keys = Keys(db, credentials.read_pepper(settings.MANDATE_KEYS_DIR))
    told: Mapping[str, Any] = welcome.read(settings.MANDATE_HOME) or {}
    return Past(clock, desk, worker, keys, told["keys"])


async def _live(past: Past, since: datetime, stopped: Callable[[], bool]) -> int:
    now, zone = system_clock(), world.ZONE
    simulate(past.clock.now)
    told = story.Story(world.documents(_NOWHERE, on=now.date()), waiting(past.clock))
    planned = told.around(plan.calls(now, zone), now, zone)
    asked = [one for one in (*planned, *told.calls(now, zone)) if since < one.at < now]
    events = [event for event in told.events(now, zone) if since < event.at < now]
    made = await live(past, asked, events, Progress(say, stopped))
    until = DONE if made == len(asked) else to_text(past.clock.now())
    remember(env.home(), **{HISTORY: until})
    return made


def _since(now: datetime) -> datetime:
    """Where an earlier history was stopped, else its first morning."""
    known = env.services().get(HISTORY, WANTED)
    return plan.begins(now, world.ZONE) if known in (WANTED, DONE) else from_text(known)


def make_it() -> None:
    """Make it, unless it was made; SIGTERM ends it between two calls."""
    told: list[str] = []
    signal.signal(signal.SIGTERM, lambda *_: told.append("stop"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if history_wanted(env.home()):
        say("making some weeks of history for the demo")
        made = asyncio.run(make(lambda: bool(told)))
        say(f"the demo has its history: {made} calls")
