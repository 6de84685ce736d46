"""Take old months away. What may go is asked by `drop_month` in PostgreSQL, whatever is asked here; proofs of all stay valid.

Of the log a month's entries of calls and its sign-ins go; acts stay in their places (a process asks for the `bundle.activated` of
its revision for ever), and so do leaves, tiles and checkpoints. `log.pruned` is in the same commit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from django.db import DatabaseError, connection, transaction

from audit.log.append import append
from audit.log.entry import build
from controlplane.kernel.clock import system_clock
from controlplane.kernel.errors import Conflict, Unavailable
from controlplane.kernel.ids import IdSource

LOG = "audit_entry"
LEAST_MONTHS = 6
"""The log keeps at least so much, whatever a document says (`drop_month` asks again)."""
_REFUSED = {"MD010", "MD012"}
_BUSY = "55P03"
_ids = IdSource()
_MONTHS = """
SELECT p.name, to_date(right(c.relname, 6), 'YYYYMM')
  FROM partitioned_table p JOIN pg_class t ON t.relname = p.name
  JOIN pg_inherits i ON i.inhparent = t.oid JOIN pg_class c ON c.oid = i.inhrelid
 ORDER BY 2, 1
"""


@dataclass(frozen=True, slots=True)
class OfLog:
    """A month of the log: how many entries go and stay, how many have no signed place, and what `log.pruned` says of it."""

    goes: int
    stays: int
    outside: int
    minimum: int | None
    kept_digest: str


def months() -> Iterator[tuple[str, date]]:
    """Every table by months with each month that it has, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_MONTHS)
        yield from cursor.fetchall()


def of_log(month: date) -> OfLog:
    """What a month of the log holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM month_of_log(%s)", [month])
        return OfLog(*cursor.fetchone())


def prune_log(month: date, actor: str) -> int:
    """Take the entries of calls and the sign-ins of a month away; how many went.

    Raises Conflict where it is too young, on legal hold, or not all in the signed tree; Unavailable when appends did not pause.
    """
    found = of_log(month)
    if not found.goes:
        return 0
    with transaction.atomic():
        said = {
            "month": f"{month:%Y-%m}",
            "minimumIndex": str(found.minimum),
            "entries": str(found.goes),
            "kept": str(found.stays),
            "keptDigest": found.kept_digest,
        }
        append(build("log.pruned", id=_ids.new(), at=system_clock(), actor=actor, data=said))
        drop(LOG, month)
    return found.goes


def drop(table: str, month: date) -> bool:
    """Take a month of a table away; False where there is none. Raises as `prune_log` does."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT drop_month(%s, %s)", [table, month])
            return bool(cursor.fetchone()[0])
    except DatabaseError as error:
        state = getattr(error.__cause__, "sqlstate", "")
        if state == _BUSY:
            raise Unavailable(f"{table} {month:%Y-%m} was in use; try again") from error
        if state in _REFUSED:
            raise Conflict(str(error.__cause__).splitlines()[0]) from error
        raise
