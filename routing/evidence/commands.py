"""Have a bundle made: a row and its entry at once, the bytes by a job. Every step names its worker, so it may run twice."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from audit.log import append
from audit.log.entry import build
from audit.vault.seal import seal
from controlplane.kernel.errors import Conflict
from controlplane.kernel.principal import Principal
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.evidence import access
from routing.evidence.asks import Ask
from routing.evidence.models import (
    EXPIRED,
    FAILED,
    READY,
    RUNNING,
    WAITING,
    Evidence,
    EvidencePart,
)
from routing.reports.content import store

LEASE: Final = timedelta(seconds=60)
READY_FOR: Final = timedelta(hours=24)
MOST_TRIES: Final = 3
MOST_WAITING: Final = 5


def begin(principal: Principal, ask: Ask) -> Evidence:
    """Put it in the queue. Raises Forbidden, NotFound, and Conflict while several of one's own wait already."""
    tenant = access.require(principal, ask)
    mine = access.own(principal).filter(state__in=(WAITING, RUNNING))
    if mine.count() >= MOST_WAITING:
        raise Conflict(f"{MOST_WAITING} of your evidence bundles are being made; wait for one")
    at, row = mandate_now(), Evidence(id=new_id(), tenant=tenant or "", actor=principal.actor)
    row.ask, row.created_at, row.principal = ask.stored(), at, principal.stored()
    with transaction.atomic():
        row.save(force_insert=True)
        told(principal, ask, tenant, at, {"evidence": row.id.hex})
    return row


def told(
    principal: Principal, ask: Ask, tenant: str | None, at: datetime, more: dict[str, object]
) -> None:
    """Append `export.created`, in the caller's transaction."""
    data = {"what": "evidence", "scope": ask.told(), "opens": ask.opens, **more}
    append.append(
        build(
            "export.created",
            id=new_id(),
            at=at,
            actor=principal.actor,
            tenant=tenant or "",
            call=ask.call,
            subject=str(ask),
            data=data,
        )
    )


def claim() -> tuple[Evidence, Principal] | None:
    """The next one to make, and for whom: one that waits, or that a worker left behind. One at a time is made."""
    with transaction.atomic():
        rows = list(
            Evidence.objects.select_for_update().filter(state__in=(WAITING, RUNNING)).order_by("id")
        )
        at = mandate_now()
        if any(row.beat_at is not None and row.beat_at > at - LEASE for row in rows):
            return None
        for row in rows:
            if row.tries >= MOST_TRIES:
                _end(row, f"it was begun {row.tries} times and never ended")
                continue
            EvidencePart.objects.filter(evidence=row.id).delete()
            row.state, row.worker, row.beat_at, row.tries = RUNNING, new_id(), at, row.tries + 1
            row.parts = row.done = row.size_bytes = 0
            row.save()
            return row, Principal.recalled(row.principal)
    return None


def keep(row: Evidence, piece: bytes, done: int) -> bool:
    """Seal the next piece and write it. False when the bundle is another worker's now: then stop."""
    key = store().get_or_create(key_of(row.id))
    nonce, ciphertext = seal(key, place(row.id, row.parts), piece)
    with transaction.atomic():
        changed = _mine(row).update(
            parts=row.parts + 1,
            done=done,
            size_bytes=row.size_bytes + len(piece),
            beat_at=mandate_now(),
        )
        if not changed:
            return False
        EvidencePart(evidence=row.id, no=row.parts, nonce=nonce, ciphertext=ciphertext).save(
            force_insert=True
        )
    row.parts, row.size_bytes = row.parts + 1, row.size_bytes + len(piece)
    return True


def finish(row: Evidence, digest: str) -> bool:
    """All of it is there, for a day. False when it was another worker's."""
    at = mandate_now()
    changed = _mine(row).update(
        state=READY, sha256=digest, ended_at=at, expires_at=at + READY_FOR, beat_at=None
    )
    return bool(changed)


def broke(row: Evidence, why: str) -> None:
    """It cannot be made."""
    with transaction.atomic():
        found = _mine(row).select_for_update().first()
        if found is not None:
            _end(found, why)


def expire() -> int:
    """Destroy what is older than a day, its key first; how many."""
    gone = Evidence.objects.filter(state=READY, expires_at__lt=mandate_now())
    done = 0
    for row in gone:
        store().destroy(key_of(row.id))
        with transaction.atomic():
            done += Evidence.objects.filter(pk=row.pk, state=READY).update(state=EXPIRED)
            EvidencePart.objects.filter(evidence=row.id).delete()
    return done


def key_of(evidence: UUID) -> str:
    """The name of the key that a bundle's pieces are sealed under."""
    return f"export/{evidence.hex}"


def place(evidence: UUID, no: int) -> bytes:
    """What binds a piece to its place."""
    return b"mandate/evidence/1\0" + evidence.bytes + no.to_bytes(4)


def _mine(row: Evidence) -> Any:  # noqa: ANN401 - a QuerySet that is updated or locked
    return Evidence.objects.filter(pk=row.pk, state=RUNNING, worker=row.worker)


def _end(row: Evidence, why: str) -> None:
    row.state, row.told, row.ended_at, row.beat_at = FAILED, why, mandate_now(), None
    row.save(update_fields=["state", "told", "ended_at", "beat_at"])
    EvidencePart.objects.filter(evidence=row.id).delete()
    store().destroy(key_of(row.id))
