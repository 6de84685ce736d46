"""Begin, cancel and carry a replay on. PostgreSQL is the truth: a row is claimed by whoever gets there, for as long as it lives.

Every step of a worker names itself and is refused once another took over, so a replay that runs twice is decided once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from django.db import transaction
from django.db.models import Q

from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import Conflict, InvalidRequest
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.order.entries import append_entry
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from policies.replay import access
from policies.replay.models import (
    BROKEN,
    CANCELLED,
    CHANGE,
    DONE,
    DRILL,
    OPEN,
    PLAN,
    RUNNING,
    Replay,
    ReplaySample,
)
from policies.replay.results import Result
from policies.replay.values import Tally

MOST_DAYS: Final = 366
LEASE_SECONDS: Final = 30
MOST_TRIES: Final = 4
SYSTEM: Final = Principal(kind="job", id="replay", name="the system")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A replay to begin. `draft` and `draft_checked` are the bytes of what a change request would publish."""

    base: int
    base_digest: str
    days: int
    tenant: str = ORGANISATION
    title: str = ""
    change: UUID | None = None
    content: str = ""
    draft: bytes | None = None
    draft_checked: bytes | None = None
    away: Mapping[str, Any] = field(default_factory=dict)

    @property
    def what(self) -> str:
        """A draft belongs to a change request or to a plan; a drill has none."""
        if self.change:
            return CHANGE
        return DRILL if self.draft is None else PLAN


def begin(by: Principal, wanted: Wanted) -> Replay:
    """Put it in the queue. One of the same draft over the same base that has not ended is returned; older drafts' end.

    Whoever calls has asked whether `by` may. Raises InvalidRequest.
    """
    if not 1 <= wanted.days <= MOST_DAYS:
        raise InvalidRequest(f"a replay goes over 1 to {MOST_DAYS} days, not {wanted.days}")
    at = mandate_now()
    with transaction.atomic():
        for row in _of_same(by, wanted):
            if (row.base, row.content, row.days) == (wanted.base, wanted.content, wanted.days):
                return row
            _end(row, CANCELLED, "a newer text is replayed instead", by, at)
        row = Replay(
            id=new_id(),
            what=wanted.what,
            change=wanted.change,
            tenant=wanted.tenant,
            title=wanted.title,
            away=dict(wanted.away),
            base=wanted.base,
            base_digest=wanted.base_digest,
            content=wanted.content,
            draft=wanted.draft,
            draft_checked=wanted.draft_checked,
            days=wanted.days,
            since=at - timedelta(days=wanted.days),
            until=at,
            actor=by.actor,
            created_at=at,
        )
        row.save(force_insert=True)
        data: dict[str, object] = {
            "replay": row.id.hex,
            "base": row.base,
            "days": row.days,
            "from": to_text(row.since),
            "to": to_text(row.until),
            **({"content": row.content} if row.content else {}),
            **({"away": dict(row.away)} if row.away else {}),
        }
        _entry("replay.started", row, by, at, data)
    return row


def cancel(by: Principal, replay: Replay) -> Replay:
    """End one that runs or waits; its worker notices. Whoever calls has asked whether `by` may. Raises Conflict at its end."""
    at = mandate_now()
    with transaction.atomic():
        row = Replay.objects.select_for_update().get(pk=replay.pk)
        if not row.open:
            raise Conflict(f"this replay is {row.state}")
        _end(row, CANCELLED, "", by, at)
    return row


def cancel_drill(principal: Principal, replay: UUID) -> Replay:
    """End an exit drill. Raises NotFound, Conflict."""
    return cancel(principal, access.drill(principal, replay))


def claim() -> Replay | None:
    """The next one to work at: queued, or left by a worker that died. One at a time runs in the whole installation."""
    with transaction.atomic():
        rows = list(Replay.objects.select_for_update().filter(state__in=OPEN).order_by("id"))
        at = mandate_now()
        lost = at - timedelta(seconds=LEASE_SECONDS)
        for row in rows:
            alive = row.state == RUNNING and row.beat_at is not None and row.beat_at > lost
            if alive:
                return None
        for row in rows:
            if row.tries >= MOST_TRIES:
                _end(row, BROKEN, f"it was begun {row.tries} times and never ended", SYSTEM, at)
                continue
            row.state, row.worker, row.beat_at, row.tries = RUNNING, new_id(), at, row.tries + 1
            row.save(update_fields=["state", "worker", "beat_at", "tries"])
            return row
    return None


def progress(row: Replay, tally: Tally, cursor: UUID) -> bool:
    """Say how far it is, and that its worker lives. False when it is another's now, or cancelled: then stop."""
    return bool(
        _mine(row).update(
            partial=msgspec.msgpack.encode(tally),
            cursor=cursor,
            done=tally.whole.calls,
            beat_at=mandate_now(),
        )
    )


def finish(row: Replay, result: Result, tally: Tally) -> bool:
    """Write what came of it, its samples and its entry, at once. False when it is another's now, or cancelled."""
    at = mandate_now()
    with transaction.atomic():
        mine = _mine(row).update(
            state=DONE,
            result=result.text,
            digest=result.digest,
            done=tally.whole.calls,
            partial=None,
            ended_at=at,
        )
        if not mine:
            return False
        _write_samples(row, tally)
        row.refresh_from_db()
        data: dict[str, object] = {"replay": row.id.hex, "digest": result.digest, **result.said}
        _entry("replay.finished", row, SYSTEM, at, data)
    return True


def broke(row: Replay, why: str) -> None:
    """It cannot go on, and trying again would not help."""
    at = mandate_now()
    with transaction.atomic():
        now = Replay.objects.select_for_update().filter(pk=row.pk, worker=row.worker).first()
        if now is not None and now.state == RUNNING:
            _end(now, BROKEN, why, SYSTEM, at)


def _mine(row: Replay) -> Any:  # noqa: ANN401 - a queryset
    # INVARIANT: a replay that was cancelled or taken over is written to by nobody else
    return Replay.objects.filter(pk=row.pk, state=RUNNING, worker=row.worker)


def _of_same(by: Principal, wanted: Wanted) -> Sequence[Replay]:
    """What runs for the same change request, the same drill, or the same person's plans, under its lock."""
    same = {
        CHANGE: Q(change=wanted.change),
        DRILL: Q(tenant=wanted.tenant, away=dict(wanted.away), base=wanted.base, days=wanted.days),
        PLAN: Q(tenant=wanted.tenant, actor=by.actor),
    }[wanted.what]
    rows = Replay.objects.select_for_update().filter(same, what=wanted.what, state__in=OPEN)
    return list(rows.order_by("id"))


def _write_samples(row: Replay, tally: Tally) -> None:
    ReplaySample.objects.bulk_create(
        ReplaySample(
            id=new_id(),
            replay=row,
            tenant=one.tenant,
            team=one.team,
            kind=one.kind,
            call=UUID(bytes=one.call),
            route=one.route,
            before=one.before,
            after=one.after,
            rule=one.rule,
            cost_nano=one.cost_nano,
        )
        for one in tally.samples
    )


def _end(row: Replay, state: str, why: str, by: Principal, at: datetime) -> None:
    row.state, row.told, row.ended_at, row.partial = state, why, at, None
    row.save(update_fields=["state", "told", "ended_at", "partial"])
    kind = "replay.cancelled" if state == CANCELLED else "replay.broken"
    data: dict[str, object] = {"replay": row.id.hex, **({"reason": why} if why else {})}
    _entry(kind, row, by, at, data)


def _entry(kind: str, row: Replay, by: Principal, at: datetime, data: Mapping[str, object]) -> None:
    append_entry(kind, actor=by.actor, at=at, tenant=row.tenant, subject=row.subject, data=data)
