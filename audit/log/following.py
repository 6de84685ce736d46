"""Follow the log without losing an entry: what was committed after a place, up to the horizon, in the order of (xid, id).

An entry's id and transaction id are made before its commit, so "the greatest so far" would pass by what commits late. Below the
horizon every transaction is over: it is read first, in a statement of its own. No leaf is needed: who follows goes on while the
sequencer is away, or refuses to sign.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

LOG = 1
_FIRST = UUID(int=0)
_HORIZON = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_ENTRIES = """
SELECT xid::text::bigint, id, body FROM audit_entry
 WHERE log = %s AND (xid, id) > (%s::text::xid8, %s) AND xid < %s::text::xid8 AND kind = ANY(%s)
 ORDER BY audit_entry.xid, audit_entry.id LIMIT %s
"""
"""The columns by name: plain `xid` is that of the answer, a number that no index is in the order of."""


@dataclass(frozen=True, slots=True)
class Place:
    """Everything before it was read. A fresh horizon is a place."""

    xid: int
    entry: UUID = _FIRST


@dataclass(frozen=True, slots=True)
class Followed:
    """The bodies of entries, where to go on, and whether there is more below the horizon."""

    bodies: tuple[bytes, ...]
    place: Place
    more: bool


def horizon() -> Place:
    """Below it every transaction is over."""
    with connection.cursor() as cursor:
        cursor.execute(_HORIZON)
        return Place(cursor.fetchone()[0])


def follow(after: Place, until: Place, kinds: Sequence[str], most: int) -> Followed:
    """Entries of these kinds from a place up to a horizon that was read before; without any kind nothing is read."""
    if not kinds:
        return Followed((), until, more=False)
    with connection.cursor() as cursor:
        span = (str(after.xid), after.entry, str(until.xid))
        cursor.execute(_ENTRIES, (LOG, *span, list(kinds), most))
        rows = cursor.fetchall()
    more = len(rows) == most
    place = Place(*rows[-1][:2]) if more else until
    return Followed(tuple(bytes(row[2]) for row in rows), place, more)
