"""In a demo only: do to the log what a superuser of the database could, so that a visitor sees Verify name it; and put it back.

A year in the entry's own bytes is changed, so the change can be undone from the row alone. INVARIANT: nothing here opens a
connection unless PostgreSQL is ours (`services.json` has the superuser's address) and the database itself says that it is a
demo, which only its owner can make it say, before the first entry.
"""

from typing import Final

import psycopg
from django.contrib import messages
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.views.decorators.http import require_POST

from audit.log import access, append
from audit.log.demonstration import is_demo
from audit.log.entry import build
from audit.ui.request import principal_of
from controlplane import env
from controlplane.kernel.clock import system_clock
from controlplane.kernel.errors import Conflict, NotFound
from controlplane.kernel.ids import IdSource
from controlplane.kernel.principal import Principal

OFFERED, DAMAGED = "offered", "damaged"
_TRUE, _FALSE = b'"at":"202', b'"at":"201'
_DAMAGED: Final = """
SELECT l.index, e.id FROM audit_entry e JOIN audit_leaf l ON l.entry = e.id WHERE position(%s::bytea IN e.body) > 0 LIMIT 1
"""
_CHOOSE: Final = """
SELECT l.index, e.id FROM audit_entry e JOIN audit_leaf l ON l.entry = e.id
 WHERE e.call IS NULL AND position(%s::bytea IN e.body) > 0 AND e.kind IN ('bundle.activated', 'change.approved')
 ORDER BY e.id DESC LIMIT 1
"""
_GUARDS: Final = """
SET LOCAL event_triggers = off;
DO $$ DECLARE part regclass; BEGIN
  FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'audit_entry'::regclass LOOP
    EXECUTE format('ALTER TABLE %s {verb} TRIGGER refuse_change', part);
  END LOOP;
END $$
"""
_CHANGE: Final = """
UPDATE audit_entry SET body = overlay(body PLACING %s::bytea FROM position(%s::bytea IN body)) WHERE id = %s
"""
_ids = IdSource()


def standing(principal: Principal, address: str) -> str:
    """What the log's pages offer: nothing, to damage a row, or to put back the one that is damaged."""
    if not (address.startswith("/log/") and access.may_tamper(principal) and _superuser()):
        return ""
    return DAMAGED if _damaged() else OFFERED


@require_POST
def tamper(request: HttpRequest) -> HttpResponse:
    """`/log/tamper/`: date one entry back by ten years."""
    principal = principal_of(request)
    dsn = _allowed(principal)
    with psycopg.connect(dsn) as db:
        if db.execute(_DAMAGED, [_FALSE]).fetchone():
            raise Conflict("an entry is changed already; put it back first")
        found = db.execute(_CHOOSE, [_TRUE]).fetchone()
        if found is None:
            raise Conflict("there is no entry to change yet; the sequencer has not run")
        _change(db, _FALSE, _TRUE, found[1])
    _told("demo.tampered", principal, found[0])
    messages.warning(
        request,
        f"Entry {found[0]} now says that it happened ten years earlier. The guards are on again, and nothing has noticed. "
        "Verify the whole log.",
    )
    return redirect("log-state")


@require_POST
def restore(request: HttpRequest) -> HttpResponse:
    """`/log/restore/`: put the year back."""
    principal = principal_of(request)
    dsn = _allowed(principal)
    with psycopg.connect(dsn) as db:
        found = db.execute(_DAMAGED, [_FALSE]).fetchone()
        if found is None:
            raise Conflict("no entry is changed; there is nothing to put back")
        _change(db, _TRUE, _FALSE, found[1])
    _told("demo.restored", principal, found[0])
    messages.success(request, f"Entry {found[0]} says again what it said. Verify the whole log.")
    return redirect("log-state")


def _allowed(principal: Principal) -> str:
    """The superuser's address. Raises Forbidden, NotFound where this is no demo."""
    access.require_tamper(principal)
    dsn = _superuser()
    if not dsn:
        raise NotFound("only a demo's log can be damaged on purpose")
    return dsn


def _superuser() -> str:
    """The superuser's address where PostgreSQL is ours and this is a demo; else nothing."""
    dsn = env.services().get("database_superuser_url", "")
    return dsn if dsn and is_demo() else ""


def _damaged() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_DAMAGED, [_FALSE])
        return cursor.fetchone() is not None


def _change(db: psycopg.Connection, to: bytes, was: bytes, entry: object) -> None:
    """What a superuser would do: the guards off, the row changed, the guards on, in one transaction."""
    with db.transaction():
        db.execute(_GUARDS.replace("{verb}", "DISABLE").encode())
        db.execute(_CHANGE, [to, was, entry])
        db.execute(_GUARDS.replace("{verb}", "ENABLE ALWAYS").encode())


def _told(kind: str, principal: Principal, index: int) -> None:
    with transaction.atomic():
        append.append(
            build(
                kind,
                id=_ids.new(),
                at=system_clock(),
                actor=principal.actor,
                subject="log",
                data={"index": index},
            )
        )


urlpatterns = [
    path("tamper/", tamper, name="log-tamper"),
    path("restore/", restore, name="log-restore"),
]
