"""Set and lift kill switches. Each binds at its commit: it takes the exclusive order lock and moves the stop epoch.

Setting needs one admin; lifting is asked by one admin or approver and confirmed by another. In single-operator mode one person
may do both, and the entry says so (`flagged`).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.order.entries import append_entry
from policies.order.ids import new_id
from policies.order.lock import exclusively, mandate_now, next_stop_epoch
from policies.stops import access
from policies.stops.models import KINDS, Stop

SWEEPER = "job:stops"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStop:
    """A stop to set. `tenant` is where the stopped thing is ("" the organisation); `name` is empty for `everything`.

    `until` ends it by itself, once the job's lifting is committed; until then it stays on.
    """

    kind: str
    name: str = ""
    tenant: str = ORGANISATION
    reason: str
    until: datetime | None = None

    @property
    def scope(self) -> dict[str, str]:
        """As the row and the entry have it."""
        return {"kind": self.kind, "tenant": self.tenant, "name": self.name}


class Lifting(StrEnum):
    """What a request to lift came to."""

    ASKED = "asked"
    LIFTED = "lifted"


def set_stop(principal: Principal, wanted: NewStop, *, exists: bool) -> Stop:
    """Turn a kill switch on; no admission or start of an attempt commits in its scope afterwards.

    `exists` is whether what it names is there (`policies.bundles.read.stoppable`): a stop of a misspelt name would stop nothing.
    Raises Forbidden, NotFound, InvalidRequest without a reason, with a scope that cannot be, or an end in the past.
    """
    access.require_set(principal, place_of(wanted.scope))
    at = mandate_now()
    _check(wanted, at)
    if not exists:
        raise NotFound(f'there is no {wanted.kind} "{_where(wanted.scope)}" to stop')
    row = Stop(
        id=new_id(),
        scope=wanted.scope,
        reason=wanted.reason.strip(),
        actor=principal.actor,
        set_at=at,
        until=wanted.until,
    )

    def work() -> None:
        row.set_epoch = next_stop_epoch()
        row.save(force_insert=True)
        data = {"scope": wanted.scope, "reason": row.reason, "epoch": row.set_epoch}
        if wanted.until is not None:
            data["until"] = to_text(wanted.until)
        _entry("stop.set", row, principal.actor, at, data)

    exclusively(work)
    return row


def lift_stop(principal: Principal, stop: UUID, *, single_operator: bool) -> Lifting:
    """Ask for a stop's lifting, or confirm what another asked.

    Raises Forbidden, NotFound, Conflict when it is off or when one confirms what one asked oneself.
    """
    row = _get(stop)
    access.require_lift(principal, place_of(row.scope))
    at = mandate_now()
    alone = single_operator and row.lift_asked_by in {"", principal.actor}

    def work() -> Lifting:
        row = Stop.objects.select_for_update().get(pk=stop)
        _check_on(row)
        if not row.lift_asked_by and not single_operator:
            row.lift_asked_by, row.lift_asked_at = principal.actor, at
            row.save(update_fields=["lift_asked_by", "lift_asked_at"])
            _entry("stop.lift-asked", row, principal.actor, at, {"scope": row.scope})
            return Lifting.ASKED
        if row.lift_asked_by == principal.actor and not single_operator:
            raise Conflict("you asked for this lifting; another admin or approver confirms it")
        _lift(row, principal.actor, at, {"askedBy": row.lift_asked_by, "flagged": alone})
        return Lifting.LIFTED

    return exclusively(work)


def lift_expired() -> list[UUID]:
    """Lift every stop whose end has passed by PostgreSQL's clock, and say which; a job calls it every few seconds.

    It looks before it locks: the exclusive lock holds up every admission, and nearly always nothing has ended.
    """
    ended = Stop.objects.filter(lifted_at=None, until__lte=mandate_now())
    if not ended.exists():
        return []

    def work() -> list[UUID]:
        at = mandate_now()
        rows = list(
            Stop.objects.select_for_update()
            .filter(lifted_at=None, until__lte=at)
            .order_by("set_epoch")
        )
        for row in rows:
            _lift(row, SWEEPER, at, {"askedBy": "", "flagged": False, "ended": True})
        return [row.id for row in rows]

    return exclusively(work)


def place_of(scope: dict[str, str]) -> str:
    """Where an admin must be one to stop this: a tenant's own thing, or the tenant itself, in that tenant."""
    return scope["name"] if scope["kind"] == "tenant" else scope["tenant"]


def _lift(row: Stop, actor: str, at: datetime, data: dict[str, object]) -> None:
    row.lifted_at, row.lifted_by, row.lifted_epoch = at, actor, next_stop_epoch()
    row.save(update_fields=["lifted_at", "lifted_by", "lifted_epoch"])
    _entry("stop.lifted", row, actor, at, {"scope": row.scope, "epoch": row.lifted_epoch, **data})


def _entry(kind: str, row: Stop, actor: str, at: datetime, data: dict[str, object]) -> None:
    place = place_of(row.scope)
    append_entry(kind, actor=actor, at=at, tenant=place, subject=f"stop:{row.id.hex}", data=data)


def _get(stop: UUID) -> Stop:
    row = Stop.objects.filter(pk=stop).first()
    if row is None:
        raise NotFound(f'there is no stop "{stop}"')
    return row


def _check_on(row: Stop) -> None:
    if row.lifted_at is not None:
        raise Conflict(f"this stop was lifted on {to_text(row.lifted_at)} by {row.lifted_by}")


def _check(wanted: NewStop, at: datetime) -> None:
    if wanted.kind not in KINDS:
        raise InvalidRequest(f'"{wanted.kind}" cannot be stopped; use {", ".join(KINDS)}')
    if (wanted.kind == "everything") == bool(wanted.name):
        raise InvalidRequest("name what to stop; only `everything` has no name")
    if wanted.kind in {"everything", "tenant"} and wanted.tenant:
        raise InvalidRequest(f"{wanted.kind} is stopped for the organisation, not in a tenant")
    if not wanted.reason.strip():
        raise InvalidRequest("say why: the reason stands in the log and callers read it")
    if wanted.until is not None and wanted.until <= at:
        raise InvalidRequest(f"it would have ended on {to_text(wanted.until)}; name a later time")


def _where(scope: dict[str, str]) -> str:
    return f"{scope['tenant']}/{scope['name']}" if scope["tenant"] else scope["name"]
