"""What a calls worker process holds: opened on its own loop, closed when it is drained."""

import os
import socket

from django.conf import settings

from audit.vault.store import KeyStore
from controlplane import bell
from controlplane.kernel.clock import system_clock
from controlplane.kernel.ids import IdSource
from policies.bundles.snapshot import Snapshots
from policies.secrets.store import Secrets
from routing.calls.leases import Lease
from routing.calls.pool import open_pool
from routing.case import Worker
from routing.ledger.balances import Windows
from routing.limits.breakers import Breakers
from routing.limits.concurrency import Concurrency
from routing.providers.registry import Providers

POOL_SIZE = 8


async def open_worker() -> Worker:
    """Open it all on the running loop; neither PostgreSQL nor Redis needs to be there yet."""
    db = await open_pool(settings.DATABASE_URL, POOL_SIZE)
    client = bell.client()
    ids = IdSource()
    return Worker(
        db=db,
        redis=client,
        snapshots=Snapshots(db),
        key_store=KeyStore(settings.MANDATE_KEYS_DIR / "store"),
        windows=Windows(db),
        providers=Providers(Secrets(settings.MANDATE_SECRETS_DIR)),
        breakers=Breakers(client),
        concurrency=Concurrency(client),
        new_id=ids.new,
        clock=system_clock,
        lease=Lease(ids.new(), socket.gethostname(), os.getpid()),
    )


async def close_worker(worker: Worker) -> None:
    """Close what `open_worker` opened."""
    await worker.providers.close()
    await worker.redis.aclose()
    await worker.db.close(timeout=1)
