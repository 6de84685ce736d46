"""Seal the log's tables against their own owner (`deploy/guard.sql`), and say whether they are.

The guard is a superuser's: where none ever ran `guard.sql`, nothing here can do it, and `check --deploy` says so.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from audit.log.entry import build
from audit.log.tiles import Cursor
from controlplane.kernel.clock import system_clock
from controlplane.kernel.ids import IdSource

_ids = IdSource()
_EVENT_TRIGGERS = ("mandate_guard_watch", "mandate_guard_rewrite")
_THERE = "SELECT to_regprocedure('mandate_guard.seal()') IS NOT NULL"
_STANDING = """
SELECT s.print IS NOT NULL, s.print IS NULL OR s.print = mandate_guard.print(), s.reason,
       ARRAY(SELECT mandate_guard.open_tables()),
       (SELECT count(*) FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE e.evtname = ANY(%s) AND e.evtenabled = 'A' AND e.evttags IS NULL
           AND n.nspname = 'mandate_guard' AND p.proname = 'watch' AND NOT pg_has_role('mandate_owner', e.evtowner, 'MEMBER'))
FROM mandate_guard.seal s
"""


class Sealed(StrEnum):
    """What sealing came to."""

    FIRST = "first"
    AGAIN = "again"  # after an upgrade for which it was unsealed: an entry says so
    ALREADY = "already"
    NO_GUARD = "no guard"


@dataclass(frozen=True, slots=True)
class Standing:
    """The guard as it is. `whole` is false where what was sealed is not what is there: somebody went round the guard."""

    installed: bool
    sealed: bool = False
    whole: bool = False
    watching: bool = False
    reason: str = ""
    open_tables: tuple[str, ...] = ()


def seal(cursor: Cursor) -> Sealed:
    """Seal as the owner, in the caller's transaction. Raises the database's error where the log's triggers are not whole."""
    cursor.execute(_THERE)
    if not _row(cursor)[0]:
        return Sealed.NO_GUARD
    cursor.execute("SELECT mandate_guard.seal()")
    sealed = Sealed(str(_row(cursor)[0]))
    if sealed is Sealed.AGAIN:
        entry = build("log.sealed", id=_ids.new(), at=system_clock(), actor="cli:migrator", data={})
        cursor.execute(
            "SELECT audit_append(%s, %s, NULL, '', %s)", [entry.id, entry.kind, entry.body]
        )
    return sealed


def standing(cursor: Cursor) -> Standing:
    """What can be seen of the guard by anybody who may read the catalogue."""
    cursor.execute(_THERE)
    if not _row(cursor)[0]:
        return Standing(installed=False)
    cursor.execute(_STANDING, [list(_EVENT_TRIGGERS)])
    sealed, whole, reason, open_tables, watching = _row(cursor)
    return Standing(
        installed=True,
        sealed=bool(sealed),
        whole=bool(whole),
        watching=watching == len(_EVENT_TRIGGERS),
        reason=str(reason),
        open_tables=tuple(open_tables),
    )


def _row(cursor: Cursor) -> tuple[Any, ...]:
    row: tuple[Any, ...] = cursor.fetchone()  # each statement gives one
    return row
