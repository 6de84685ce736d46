"""What a calls worker process holds, from its start to its drain. The web process never loads this."""

import asyncio
import os
import socket
import sys
import time

import structlog
from django.conf import settings
from django.db import connection
from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from audit.retention.repeating import repeat_if_behind
from audit.vault.opening import open_store
from audit.vault.store import KeyStore
from controlplane import bell, garbage, tracing
from controlplane.kernel.clock import system_clock
from controlplane.kernel.ids import IdSource
from policies.bundles.snapshot import Snapshots
from policies.secrets.store import Secrets
from routing import carrier, worker
from routing.calls.leases import Lease
from routing.calls.pool import Database, open_pool
from routing.case import Worker
from routing.ledger.balances import Windows
from routing.limits.breakers import Breakers
from routing.limits.concurrency import Concurrency
from routing.limits.rates import RateLimits
from routing.pipe import Pipe
from routing.providers.registry import Providers

log = structlog.get_logger(__name__)

POOL_SIZE = 8
POSTGRES_PATIENCE_SECONDS = 30.0
LAST_STEPS_SECONDS = 1.2
"""How long before the end of the drain a worker gives its lease up, so that it can still say so."""


async def build() -> Worker:
    """Open everything; leaves the process when PostgreSQL stays away, so that its supervisor tries again."""
    db = await open_pool(settings.DATABASE_URL, POOL_SIZE)
    await _wait_for_postgres(db)
    store = await asyncio.to_thread(_restored)
    client = bell.client()
    ids = IdSource()
    tracing.begin("calls")
    garbage.settle()
    return Worker(
        db=db,
        redis=client,
        pipe=Pipe(client),
        snapshots=Snapshots(db),
        key_store=store,
        windows=Windows(db),
        providers=Providers(Secrets(settings.MANDATE_SECRETS_DIR)),
        breakers=Breakers(client),
        concurrency=Concurrency(client),
        rates=RateLimits(client),
        new_id=ids.new,
        clock=system_clock,
        lease=Lease(worker=ids.new(), host=socket.gethostname(), pid=os.getpid()),
    )


def _restored() -> KeyStore:
    """The key store, with what was erased gone again: the folder may have come out of a backup."""
    store = open_store()
    try:
        repeat_if_behind(store, "job:calls")
    finally:
        connection.close()
    return store


async def _wait_for_postgres(db: Database) -> None:
    until = time.monotonic() + POSTGRES_PATIENCE_SECONDS
    while True:
        try:
            async with db.connection() as connection:
                await connection.execute("SELECT 1")
                return
        except (OperationalError, PoolTimeout) as away:
            log.warning("calls.postgres_away", error=type(away).__name__)
            if time.monotonic() > until:
                sys.stderr.flush()
                os._exit(1)  # a thread cannot end its process politely
        await asyncio.sleep(0.5)


async def retire(held: Worker) -> None:
    """Close what `build` opened."""
    await held.providers.close()
    await held.breakers.close()
    await held.concurrency.close()
    await held.pipe.close()
    await held.redis.aclose()
    await held.db.close(timeout=1)
    await asyncio.to_thread(tracing.end)


class Life:
    """From the start of the worker process to its drain."""

    def __init__(self) -> None:
        self._told_at: float | None = None

    def begin(self) -> None:
        """Start the loop; returns when it has its lease."""
        carrier.start(worker.CallLoop(build, retire))

    def told(self) -> None:
        """SIGTERM came: the time of the drain runs from here, though Celery needs a moment to notice."""
        self._told_at = time.monotonic()

    def end(self) -> None:
        """Drain for what is left of MANDATE_DRAIN_SECONDS."""
        passed = time.monotonic() - self._told_at if self._told_at is not None else 0.0
        left = settings.MANDATE_DRAIN_SECONDS - LAST_STEPS_SECONDS - passed
        carrier.drain(max(0.0, left))
