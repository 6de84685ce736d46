"""Celery's entry points: ten lines each. `execute` hands a call's id to the loop; the others are kept by beat."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from celery import shared_task
from django.conf import settings

from audit.retention.commands import JOB
from audit.retention.repeating import repeat_if_behind
from audit.vault.opening import open_store
from controlplane.kernel.clock import system_clock
from controlplane.kernel.ids import IdSource
from policies.bundles.published import published
from policies.changes.shadows import run_all
from policies.order.lock import mandate_now
from policies.replay.job import run_next
from routing import carrier
from routing.anomalies import capping
from routing.anomalies import watching as anomalies
from routing.calls.pool import Database, open_pool
from routing.calls.sweeping import idempotency_expire
from routing.closing.late import propose_late
from routing.comparing.job import compare_ended
from routing.evidence.making import make_next
from routing.exports import making as exports
from routing.forecasts.making import make
from routing.notifications.deriving import derive
from routing.notifications.forgetting import forget
from routing.notifications.sending import send_due
from routing.notifications.watching import watch
from routing.reconcile import corrections, hours, tiers
from routing.reconcile.checking import check_ledger
from routing.reports.past import Past
from routing.retention.keeping import keep
from routing.reviews import clock
from routing.sweep import Sweeper


@shared_task(name="routing.execute", ignore_result=True)
def execute(call: str) -> None:
    """Ring this process's loop for a call; it may be rung for any number of times."""
    carrier.submit(UUID(hex=call))


@shared_task(name="routing.reconcile", ignore_result=True)
def reconcile() -> int:
    """Post what has been unknown for 72 hours at its reservation; how many."""
    return asyncio.run(_with_pool(lambda db: Sweeper(db, IdSource().new, system_clock).reconcile()))


@shared_task(name="routing.propose_late", ignore_result=True)
def late_usage() -> int:
    """Propose as adjustments what attempts of closed months came to since; how many were new."""
    return propose_late()


@shared_task(name="routing.correct_prices", ignore_result=True)
def correct_prices() -> int:
    """Propose what attempts cost otherwise since a price was corrected backwards; how many were new."""
    done = corrections.look_if_changed()
    return done.proposed if done else 0


@shared_task(name="routing.correct_hours", ignore_result=True)
def correct_hours() -> int:
    """Propose what shares of closed months' hours are otherwise by now, for all tenants; how many were new."""
    return hours.look_if_changed() or 0


@shared_task(name="routing.check_ledger", ignore_result=True)
def ledger_checked(*, whole: bool = False) -> int:
    """Compare the ledger with its attempts, postings and entries; how many findings. Look for tiers without a price."""
    tiers.look()
    return len(check_ledger(whole=whole).findings)


@shared_task(name="routing.expire_idempotency", ignore_result=True)
def expire_idempotency() -> int:
    """Forget Idempotency-Keys older than a day; how many."""
    return asyncio.run(_with_pool(idempotency_expire))


@shared_task(name="routing.act_on_overdue", ignore_result=True)
def act_on_overdue() -> int:
    """Do with overdue review cases what their queues say; how many."""
    return clock.act_on_overdue()


@shared_task(name="routing.sample_reviews", ignore_result=True)
def sample_reviews() -> int:
    """Open cases for the share of delivered calls that queues want to see; how many."""
    return clock.sample()


@shared_task(name="routing.replay", ignore_result=True)
def replay() -> str:
    """Work at the next replay, if any waits or was left by a worker that died."""
    done = run_next(Past())
    return done.hex if done else ""


@shared_task(name="routing.evidence", ignore_result=True)
def evidence() -> str:
    """Make the next evidence bundle, if any waits; destroy those that have expired."""
    done = make_next()
    return done.hex if done else ""


@shared_task(name="routing.export", ignore_result=True)
def export() -> str:
    """Make the next file of figures, if any waits; take away those that have expired."""
    done = exports.make_next()
    return done.hex if done else ""


@shared_task(name="routing.notify", ignore_result=True)
def notify() -> int:
    """Make deliveries of what happened since, and send what is due; how many were tried."""
    while derive():
        pass
    return send_due()


@shared_task(name="routing.watch_marks", ignore_result=True)
def watch_marks() -> None:
    """Look whether budgets passed a mark, keys end soon, models are away or at their sunset."""
    watch()


@shared_task(name="routing.watch_anomalies", ignore_result=True)
def watch_anomalies() -> int:
    """Take away caps whose time is over, and look whether spend broke its pattern; how many are new."""
    capping.lift_due()
    return anomalies.watch(published(), mandate_now())


@shared_task(name="routing.forecast", ignore_result=True)
def forecast() -> int:
    """Say what every budget will have spent at the end of its period; how many windows."""
    return make(published(), mandate_now())


@shared_task(name="routing.forget_deliveries", ignore_result=True)
def forget_deliveries() -> int:
    """Forget deliveries that ended ninety days ago; how many."""
    return forget(mandate_now())


@shared_task(name="routing.shadow", ignore_result=True)
def shadow() -> int:
    """Look at what came in under every draft that decides beside the bundle in force; how many there are."""
    return run_all(Past())


@shared_task(name="routing.compare_beside", ignore_result=True)
def compare_beside() -> int:
    """Compare the answers of shadow runs that have ended with those that callers got; how many."""
    return compare_ended()


@shared_task(name="routing.keep", ignore_result=True)
def keep_and_forget() -> int:
    """Erase and take away what the documents in force no longer keep; how many months and entries went."""
    done = keep(open_store(), published(), mandate_now())
    return len(done.erased) + len(done.dropped) + done.pruned


@shared_task(name="routing.repeat_erasures", ignore_result=True)
def repeat_erasures() -> int:
    """Destroy again what a key store that was restored while we ran has brought back; how many keys."""
    return repeat_if_behind(open_store(), JOB)


async def _with_pool(work: Callable[[Database], Awaitable[int]]) -> int:
    db = await open_pool(settings.DATABASE_URL, 2)
    try:
        return await work(db)
    finally:
        await db.close(timeout=1)
