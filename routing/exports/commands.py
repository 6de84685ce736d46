"""Have a file made: a row and its entry at once, the bytes by a job. Every step names its worker, so it may run twice."""

from datetime import timedelta
from typing import Any, Final

from django.db import transaction

from audit.log import append
from audit.log.entry import build
from controlplane.kernel.errors import Conflict
from controlplane.kernel.principal import Principal
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.exports import access
from routing.exports.asks import Ask
from routing.exports.models import EXPIRED, FAILED, READY, RUNNING, WAITING, Export, ExportPart

LEASE: Final = timedelta(seconds=60)
READY_FOR: Final = timedelta(hours=24)
MOST_TRIES: Final = 3
MOST_WAITING: Final = 5


def begin(principal: Principal, ask: Ask) -> Export:
    """Put it in the queue, with its entry. Raises Forbidden, NotFound, and Conflict while several of one's own wait."""
    access.require(principal, ask)
    if access.own(principal).filter(state__in=(WAITING, RUNNING)).count() >= MOST_WAITING:
        raise Conflict(f"{MOST_WAITING} of your exports are being made; wait for one")
    at, row = mandate_now(), Export(id=new_id(), tenant=ask.tenant, actor=principal.actor)
    row.ask, row.created_at, row.principal = ask.stored(), at, principal.stored()
    with transaction.atomic():
        row.save(force_insert=True)
        append.append(
            build(
                "export.created",
                id=new_id(),
                at=at,
                actor=principal.actor,
                tenant=ask.tenant,
                subject=f"export:{row.id.hex}",
                data=ask.stored(),
            )
        )
    return row


def claim() -> tuple[Export, Principal] | None:
    """The next one to make, and for whom: one that waits, or that a worker left behind. One at a time is made."""
    with transaction.atomic():
        rows = list(
            Export.objects.select_for_update().filter(state__in=(WAITING, RUNNING)).order_by("id")
        )
        at = mandate_now()
        if any(row.beat_at is not None and row.beat_at > at - LEASE for row in rows):
            return None
        for row in rows:
            if row.tries >= MOST_TRIES:
                _end(row, f"it was begun {row.tries} times and never ended")
                continue
            ExportPart.objects.filter(export=row.id).delete()
            row.state, row.worker, row.beat_at, row.tries = RUNNING, new_id(), at, row.tries + 1
            row.parts = row.done = row.size_bytes = row.rows = 0
            row.save()
            return row, Principal.recalled(row.principal)
    return None


def progress(row: Export, *, rows: int, done: int) -> bool:
    """Say how far it is. False when the file is another worker's now: then stop."""
    return bool(_mine(row).update(rows=max(rows, done), done=done, beat_at=mandate_now()))


def keep(row: Export, piece: bytes) -> bool:
    """Write the next piece. False when the file is another worker's now: then stop."""
    with transaction.atomic():
        changed = _mine(row).update(
            parts=row.parts + 1, size_bytes=row.size_bytes + len(piece), beat_at=mandate_now()
        )
        if not changed:
            return False
        ExportPart(export=row.id, no=row.parts, data=piece).save(force_insert=True)
    row.parts, row.size_bytes = row.parts + 1, row.size_bytes + len(piece)
    return True


def finish(row: Export, digest: str) -> bool:
    """All of it is there, for a day. False when it was another worker's."""
    at = mandate_now()
    changed = _mine(row).update(
        state=READY, sha256=digest, ended_at=at, expires_at=at + READY_FOR, beat_at=None
    )
    return bool(changed)


def broke(row: Export, why: str) -> None:
    """It cannot be made."""
    with transaction.atomic():
        found = _mine(row).select_for_update().first()
        if found is not None:
            _end(found, why)


def expire() -> int:
    """Take away what is older than a day; how many."""
    done = 0
    for row in Export.objects.filter(state=READY, expires_at__lt=mandate_now()):
        with transaction.atomic():
            done += Export.objects.filter(pk=row.pk, state=READY).update(state=EXPIRED)
            ExportPart.objects.filter(export=row.id).delete()
    return done


def _mine(row: Export) -> Any:  # noqa: ANN401 - a QuerySet that is updated or locked
    return Export.objects.filter(pk=row.pk, state=RUNNING, worker=row.worker)


def _end(row: Export, why: str) -> None:
    row.state, row.told, row.ended_at, row.beat_at = FAILED, why, mandate_now(), None
    row.save(update_fields=["state", "told", "ended_at", "beat_at"])
    ExportPart.objects.filter(export=row.id).delete()
