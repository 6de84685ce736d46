"""Celery's entry points: ten lines each. `execute` hands a call's id to the loop; the others are kept by beat."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from celery import shared_task
from django.conf import settings

from controlplane.kernel.clock import system_clock
from controlplane.kernel.ids import IdSource
from routing import carrier
from routing.calls.pool import Database, open_pool
from routing.calls.sweeping import idempotency_expire
from routing.sweep import Sweeper


@shared_task(name="routing.execute", ignore_result=True)
def execute(call: str) -> None:
    """Ring this process's loop for a call; it may be rung for any number of times."""
    carrier.submit(UUID(hex=call))


@shared_task(name="routing.reconcile", ignore_result=True)
def reconcile() -> int:
    """Post what has been unknown for 72 hours at its reservation; how many."""
    return asyncio.run(_with_pool(lambda db: Sweeper(db, IdSource().new, system_clock).reconcile()))


@shared_task(name="routing.expire_idempotency", ignore_result=True)
def expire_idempotency() -> int:
    """Forget Idempotency-Keys older than a day; how many."""
    return asyncio.run(_with_pool(idempotency_expire))


async def _with_pool(work: Callable[[Database], Awaitable[int]]) -> int:
    db = await open_pool(settings.DATABASE_URL, 2)
    try:
        return await work(db)
    finally:
        await db.close(timeout=1)
