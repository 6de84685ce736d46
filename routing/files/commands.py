"""Have a file made: a row at once, the bytes by a job. Every step names its worker, so it may run twice."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.db import transaction

from audit.vault.seal import seal
from controlplane.kernel.errors import Conflict
from controlplane.kernel.principal import Principal
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.files.kinds import KINDS, Kind
from routing.files.models import EXPIRED, FAILED, READY, RUNNING, WAITING, File, FilePart
from routing.reports.content import store

LEASE: Final = timedelta(seconds=60)
READY_FOR: Final = timedelta(hours=24)
MOST_TRIES: Final = 3
MOST_WAITING: Final = 5


def ordered(principal: Principal, kind: Kind, tenant: str, ask: Mapping[str, Any]) -> File:
    """A file to put into the queue: saved by its room, with an entry. Raises Conflict while several of one's own wait."""
    mine = File.objects.filter(actor=principal.actor, kind=kind.name)
    if mine.filter(state__in=(WAITING, RUNNING)).count() >= MOST_WAITING:
        raise Conflict(f"{MOST_WAITING} of your {kind.several} are being made; wait for one")
    return File(
        id=new_id(),
        kind=kind.name,
        tenant=tenant,
        actor=principal.actor,
        ask=dict(ask),
        created_at=mandate_now(),
        principal=principal.stored(),
    )


def claim(kind: Kind) -> tuple[File, Principal] | None:
    """The next one to make, and for whom: one that waits, or that a worker left behind. One of a kind at a time is made."""
    with transaction.atomic():
        open_ones = File.objects.filter(kind=kind.name, state__in=(WAITING, RUNNING))
        rows = list(open_ones.select_for_update().order_by("id"))
        at = mandate_now()
        if any(row.beat_at is not None and row.beat_at > at - LEASE for row in rows):
            return None
        for row in rows:
            if row.tries >= MOST_TRIES:
                _end(row, f"it was begun {row.tries} times and never ended")
                continue
            FilePart.objects.filter(file=row.id).delete()
            row.state, row.worker, row.beat_at, row.tries = RUNNING, new_id(), at, row.tries + 1
            row.parts = row.done = row.size_bytes = row.rows = 0
            row.save()
            return row, Principal.recalled(row.principal)
    return None


def progress(row: File, *, rows: int, done: int) -> bool:
    """Say how far it is. False when the file is another worker's now: then stop."""
    row.rows, row.done = max(rows, done), done
    return bool(_mine(row).update(rows=row.rows, done=done, beat_at=mandate_now()))


def keep(row: File, piece: bytes) -> bool:
    """Write the next piece, sealed if it is of such a kind. False when the file is another worker's now: then stop."""
    kind, nonce, data = KINDS[row.kind], b"", piece
    if kind.sealed:
        key = store().get_or_create(kind.key_of(row.id))
        nonce, data = seal(key, kind.place(row.id, row.parts), piece)
    size = row.size_bytes + len(piece)
    with transaction.atomic():
        mine = _mine(row)
        if not mine.update(
            parts=row.parts + 1, done=row.done, size_bytes=size, beat_at=mandate_now()
        ):
            return False
        FilePart(file=row.id, no=row.parts, nonce=nonce, data=data).save(force_insert=True)
    row.parts, row.size_bytes = row.parts + 1, size
    return True


def finish(row: File, digest: str) -> bool:
    """All of it is there, for a day. False when it was another worker's."""
    at = mandate_now()
    changed = _mine(row).update(
        state=READY, sha256=digest, ended_at=at, expires_at=at + READY_FOR, beat_at=None
    )
    return bool(changed)


def broke(row: File, why: str) -> None:
    """It cannot be made."""
    with transaction.atomic():
        found = _mine(row).select_for_update().first()
        if found is not None:
            _end(found, why)


def expire(kind: Kind) -> int:
    """Take away what is older than a day, its key first; how many."""
    done = 0
    for row in File.objects.filter(kind=kind.name, state=READY, expires_at__lt=mandate_now()):
        _destroy_key(row)
        with transaction.atomic():
            done += File.objects.filter(pk=row.pk, state=READY).update(state=EXPIRED)
            FilePart.objects.filter(file=row.id).delete()
    return done


def _mine(row: File) -> Any:  # noqa: ANN401 - a QuerySet that is updated or locked
    return File.objects.filter(pk=row.pk, state=RUNNING, worker=row.worker)


def _end(row: File, why: str) -> None:
    row.state, row.told, row.ended_at, row.beat_at = FAILED, why, mandate_now(), None
    row.save(update_fields=["state", "told", "ended_at", "beat_at"])
    FilePart.objects.filter(file=row.id).delete()
    _destroy_key(row)


def _destroy_key(row: File) -> None:
    kind = KINDS[row.kind]
    if kind.sealed:
        store().destroy(kind.key_of(row.id))
