"""Set and lift legal holds; erase by destroying a key. Whoever does takes one lock, so that no hold comes between check and deed.

Setting a hold and asking for an erasure need one admin; lifting and erasing are asked by one person and confirmed by another.
In single-operator mode one may do both, and the entry says so (`flagged`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet

from audit.log.append import append
from audit.log.entry import build
from audit.retention import access, read
from audit.retention.models import ERASURES, HOLDS, TENANT_KEY, Erasure, Hold
from audit.vault.store import KeyStore, fingerprint
from controlplane.kernel.clock import system_clock, to_text
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.ids import IdSource
from controlplane.kernel.principal import Principal

JOB = "job:retention"
_ids = IdSource()
_About = tuple[str, str, dict[str, object]]
"""The tenant, the subject and the scope that an entry names."""


class Outcome(StrEnum):
    """What a step that takes two people came to."""

    ASKED = "asked"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHold:
    """What to hold. `name` is a use case's, or the name of a subject's key (`audit.vault.keys.subject_of_user`)."""

    kind: str
    tenant: str = ""
    name: str = ""
    call: UUID | None = None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewErasure:
    """Which key to destroy: of a `user` or `team` by the name of its key, or a tenant's `month`. `basis` says by what right.

    Or the tenant's own in the key service (`own_key`), for which it must be `archived`.
    """

    kind: str
    tenant: str
    key: str
    basis: str
    archived: bool = False


def set_hold(principal: Principal, wanted: NewHold, *, exists: bool) -> Hold:
    """Hold it: nothing of it is pruned or erased from this commit on. `exists`: whether what it names is there.

    Raises Forbidden, NotFound, InvalidRequest without a reason or for what cannot be held.
    """
    access.require_hold(principal, wanted.tenant)
    _check_hold(wanted)
    if not exists:
        raise NotFound(f'there is no {wanted.kind} "{wanted.name or wanted.tenant}" to hold')
    with _locked() as at:
        row = Hold(
            id=_ids.new(),
            call=wanted.call,
            set_at=at,
            kind=wanted.kind,
            tenant=wanted.tenant,
            name=wanted.name,
            reason=wanted.reason.strip(),
            set_by=principal.actor,
        )
        row.save(force_insert=True)
        _entry("hold.set", principal.actor, _held(row), {"reason": row.reason})
    return row


def lift_hold(principal: Principal, hold: UUID, *, single_operator: bool) -> Outcome:
    """Ask for a hold's lifting, or confirm what another asked. Raises Forbidden, NotFound, Conflict."""
    access.require_lift(principal, read.one_hold(principal, hold).tenant)
    with _locked() as at:
        row = Hold.objects.select_for_update().get(pk=hold)
        if row.lifted_at is not None:
            raise Conflict(f"this hold was lifted on {to_text(row.lifted_at)} by {row.lifted_by}")
        if not row.lift_asked_by and not single_operator:
            row.lift_asked_by, row.lift_asked_at = principal.actor, at
            row.save(update_fields=["lift_asked_by", "lift_asked_at"])
            _entry("hold.lift-asked", principal.actor, _held(row), {})
            return Outcome.ASKED
        if row.lift_asked_by == principal.actor and not single_operator:
            raise Conflict("you asked for this lifting; another admin or approver confirms it")
        alone = row.lift_asked_by in {"", principal.actor}
        row.lifted_by, row.lifted_at = principal.actor, at
        row.save(update_fields=["lifted_by", "lifted_at"])
        said = {"askedBy": row.lift_asked_by, "flagged": alone}
        _entry("hold.lifted", principal.actor, _held(row), said)
    return Outcome.DONE


def ask_erasure(principal: Principal, wanted: NewErasure, store: KeyStore) -> Erasure:
    """Ask for a key's destruction; nothing is destroyed yet.

    Raises Forbidden, NotFound where there is no such key, Conflict under a legal hold, where it was asked for already, and for
    the own key of a tenant that is in use or has none.
    """
    if wanted.kind == TENANT_KEY:
        access.require_retire(principal)
    else:
        access.require_ask(principal, wanted.tenant)
    return _ask(principal.actor, wanted, store)


def confirm_erasure(
    principal: Principal,
    erasure: UUID,
    store: KeyStore,
    *,
    single_operator: bool,
    archived: bool = False,
) -> Erasure:
    """Destroy the key that another asked for; `archived`: whether its tenant is.

    Raises Forbidden, NotFound, Conflict: already done, asked by oneself, on hold, the own key of a tenant in use.
    """
    asked = read.one_erasure(principal, erasure)
    if asked.kind == TENANT_KEY:
        access.require_confirm_retirement(principal)
    else:
        access.require_confirm(principal, asked.tenant)
    with _locked() as at:
        row = Erasure.objects.select_for_update().get(pk=erasure)
        if row.erased_at is not None:
            raise Conflict(f"this was erased on {to_text(row.erased_at)} by {row.erased_by}")
        alone = row.asked_by == principal.actor
        if alone and not single_operator:
            raise Conflict("you asked for this erasure; another admin or approver confirms it")
        if row.kind == TENANT_KEY:
            _refuse_use(row.tenant, archived=archived)
            _retire(row, (principal.actor, at), store, {"flagged": alone})
            return row
        _destroy(row, principal.actor, at, store, flagged=alone)
    return row


def erase_month(tenant: str, month: str, store: KeyStore, days: int) -> bool:
    """Erase a tenant's month whose content was to be kept so many days. False under a legal hold, or where there is nothing."""
    key = f"tenant/{tenant}/{month}"
    basis = f"retention: content is kept {days} days"
    row = _waiting(key).first()
    try:
        row = row or _ask(JOB, NewErasure(kind="month", tenant=tenant, key=key, basis=basis), store)
        with _locked() as at:
            row = Erasure.objects.select_for_update().get(pk=row.pk)
            if row.erased_at is None:
                _destroy(row, JOB, at, store, flagged=False)
    except (Conflict, NotFound):
        return False
    return True


def _ask(actor: str, wanted: NewErasure, store: KeyStore) -> Erasure:
    mark = _mark(wanted, store)
    with _locked() as at:
        _refuse_held(wanted.tenant, wanted.key)
        if _waiting(wanted.key).exists():
            raise Conflict("this erasure was asked for already; it waits to be confirmed")
        row = _new(actor, wanted, at, mark)
        row.save(force_insert=True)
        _entry("erasure.asked", actor, _erased(row), {"basis": row.basis})
    return row


def _mark(wanted: NewErasure, store: KeyStore) -> str:
    """The fingerprint of a key that is there; "" of one that the key service keeps."""
    if wanted.kind not in ERASURES or not wanted.basis.strip():
        raise InvalidRequest(f"say what to erase ({', '.join(ERASURES)}) and on what legal basis")
    if wanted.kind == TENANT_KEY:
        _refuse_use(wanted.tenant, archived=wanted.archived)
        if not store.own_keys:
            raise Conflict("tenants share one key in the key service, or there is no such service")
        return ""
    key = store.get(wanted.key)
    if key is None:
        raise NotFound(
            f'there is no key "{wanted.key}": nothing is stored under it, or it is erased'
        )
    return fingerprint(key)


def _waiting(key: str) -> "QuerySet[Erasure]":
    return Erasure.objects.filter(key=key, erased_at=None)


def _new(actor: str, wanted: NewErasure, at: datetime, mark: str) -> Erasure:
    return Erasure(
        id=_ids.new(),
        asked_at=at,
        kind=wanted.kind,
        tenant=wanted.tenant,
        key=wanted.key,
        fingerprint=mark,
        basis=wanted.basis.strip(),
        asked_by=actor,
    )


def _destroy(row: Erasure, actor: str, at: datetime, store: KeyStore, *, flagged: bool) -> None:
    """Under the lock. The key goes before the commit: where that fails, the row still waits and is confirmed again."""
    # INVARIANT: asked again when it is done, since a hold may have come after it was asked for
    _refuse_held(row.tenant, row.key)
    key = store.get(row.key)
    row.fingerprint = fingerprint(key) if key else row.fingerprint
    store.destroy(row.key)
    row.erased_at, row.erased_by = at, actor
    row.save(update_fields=["erased_at", "erased_by", "fingerprint"])
    said = {"basis": row.basis, "fingerprint": row.fingerprint, "askedBy": row.asked_by}
    _entry("content.erased", actor, _erased(row), {**said, "flagged": flagged})


def _refuse_held(tenant: str, key: str) -> None:
    hold = read.blocking(tenant, key)
    if hold is not None:
        raise Conflict(
            f"a legal hold stands since {to_text(hold.set_at)} ({hold}): {hold.reason}; nothing of it is erased",
            hold=str(hold.id),
        )


def retire_tenant_key(principal: Principal, wanted: NewErasure, store: KeyStore) -> str:
    """Break the glass: have the key service delete a tenant's own key with no second person, which the entry says.

    The day until which that can be called off. Raises as `ask_erasure` does, and Unavailable without the service.
    """
    access.require_retire(principal)
    with _locked() as at:
        mark, row = _mark(wanted, store), _waiting(wanted.key).first()
        said = {"breakGlass": True, "reason": wanted.basis.strip()}
        if row is None:
            row = _new(principal.actor, wanted, at, mark)
            row.save(force_insert=True)
        return _retire(row, (principal.actor, at), store, {**said, "flagged": True})


def _retire(
    row: Erasure, by: tuple[str, datetime], store: KeyStore, said: dict[str, object]
) -> str:
    """Under the lock; the day on which the service deletes the key."""
    _refuse_held(row.tenant, row.key)
    row.erased_by, row.erased_at = by
    row.save(update_fields=["erased_at", "erased_by"])
    more = {"basis": row.basis, "askedBy": row.asked_by, **said}
    scope: dict[str, object] = {"tenant": row.tenant, "erasure": row.id.hex}
    about = row.tenant, f"tenant:{row.tenant}", scope
    _entry("tenant.key-retired", by[0], about, more)
    # after the entry, before its commit: what the service refuses has no entry, and what it did is done again to the same day
    return store.retire(row.tenant)


def _refuse_use(tenant: str, *, archived: bool) -> None:
    if not archived:
        raise Conflict(f'tenant "{tenant}" is in use: archive it first')


def _check_hold(wanted: NewHold) -> None:
    if wanted.kind not in HOLDS:
        raise InvalidRequest(f'"{wanted.kind}" cannot be held; use {", ".join(HOLDS)}')
    if not wanted.reason.strip():
        raise InvalidRequest("say why: the reason stands in the log")
    if (wanted.kind == "organisation") != (not wanted.tenant) and wanted.kind != "use-case":
        raise InvalidRequest(f"name the tenant whose {wanted.kind} is held")
    if (wanted.kind == "call") != (wanted.call is not None):
        raise InvalidRequest("name the call to hold, and nothing else of it")
    if (wanted.kind in {"use-case", "subject"}) != bool(wanted.name):
        raise InvalidRequest("only a use case or a subject is held by name")


@contextmanager
def _locked() -> Iterator[datetime]:
    """One transaction under the lock of holds and erasures, with PostgreSQL's time."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '5s'")
        cursor.execute("SELECT pg_advisory_xact_lock(7001, 4)")
        cursor.execute("SELECT mandate_now()")
        yield cursor.fetchone()[0]


def _held(row: Hold) -> _About:
    said: dict[str, object] = {
        "kind": row.kind,
        "name": row.name,
        "call": row.call.hex if row.call else "",
    }
    return row.tenant, f"hold:{row.id.hex}", said


def _erased(row: Erasure) -> _About:
    return row.tenant, f"erasure:{row.id.hex}", {"kind": row.kind, "key": row.key}


def _entry(kind: str, actor: str, about: _About, data: Mapping[str, object]) -> None:
    tenant, subject, scope = about
    append(
        build(
            kind,
            id=_ids.new(),
            at=system_clock(),
            actor=actor,
            tenant=tenant,
            subject=subject,
            data={"scope": scope, **data},
        )
    )
