"""What a month comes to, from the attempts of the calls that were admitted in it; and what was open at the cut-off.

INVARIANT: an attempt that has ended never changes again, so the same cut gives the same figures at any later time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from controlplane.kernel.ids import uuid7_floor

_ENDED: Final = ["succeeded", "failed", "reconciled", "voided"]
_CUT: Final = """
SELECT true, a.call, a.no, a.reserved_nano, a.state
  FROM routing_call c JOIN routing_attempt a ON a.call = c.id
 WHERE c.tenant = %(tenant)s AND c.id >= %(first)s AND c.id < %(last)s AND a.call >= %(first)s AND a.call < %(last)s
   AND a.state <> ALL (%(ended)s)
UNION ALL
SELECT false, c.id, coalesce((SELECT max(a.no) FROM routing_attempt a WHERE a.call = c.id), 0), 0, c.state
  FROM routing_call c
 WHERE c.tenant = %(tenant)s AND c.id >= %(first)s AND c.id < %(last)s AND c.finished_at IS NULL
 ORDER BY 1 DESC, 2, 3
"""
# what was held at the cut counts as held, whatever it came to since; what began after the cut is not of this statement
_COUNTED: Final = """
WITH held AS (SELECT * FROM unnest(%(held)s::uuid[], %(held_no)s::smallint[], %(held_nano)s::bigint[]) AS t (call, no, nano)),
     open AS (SELECT * FROM unnest(%(open)s::uuid[], %(open_no)s::smallint[]) AS t (call, no)),
     counted AS (
       SELECT c.team, c.route, a.provider, a.service_tier, a.call, c.admitted_at, h.nano AS held, h.call IS NULL AS known,
              CASE WHEN a.model_tenant = '' THEN a.model ELSE a.model_tenant || '/' || a.model END AS model,
              a.posted_nano + a.overrun_nano AS spent, a.tokens_input, a.tokens_cached, a.tokens_cache_write, a.tokens_output
         FROM routing_call c JOIN routing_attempt a ON a.call = c.id
         LEFT JOIN held h ON h.call = a.call AND h.no = a.no
         LEFT JOIN open o ON o.call = a.call
        WHERE c.tenant = %(tenant)s AND c.id >= %(first)s AND c.id < %(last)s AND a.call >= %(first)s AND a.call < %(last)s
          AND (o.call IS NULL OR a.no <= o.no))
"""
_SUMS: Final = """
       count(DISTINCT call), count(*),
       coalesce(sum(spent) FILTER (WHERE known), 0)::bigint, coalesce(sum(held), 0)::bigint,
       coalesce(sum(tokens_input) FILTER (WHERE known), 0)::bigint, coalesce(sum(tokens_cached) FILTER (WHERE known), 0)::bigint,
       coalesce(sum(tokens_cache_write) FILTER (WHERE known), 0)::bigint,
       coalesce(sum(tokens_output) FILTER (WHERE known), 0)::bigint
"""
_LINES: Final = (
    _COUNTED
    + "SELECT team, route, model, provider,"
    + _SUMS
    + 'FROM counted GROUP BY 1, 2, 3, 4 ORDER BY team COLLATE "C", route COLLATE "C", model COLLATE "C", provider COLLATE "C"'
)
_DAYS: Final = (
    _COUNTED
    + "SELECT (admitted_at AT TIME ZONE %(zone)s)::date, service_tier, team, route, model, provider,"
    + _SUMS
    + "FROM counted GROUP BY 1, 2, 3, 4, 5, 6 "
    + 'ORDER BY 1, team COLLATE "C", route COLLATE "C", model COLLATE "C", provider COLLATE "C", service_tier COLLATE "C"'
)
_CALLS: Final = """
SELECT count(*) FILTER (WHERE state <> 'denied'), count(*) FILTER (WHERE state = 'denied')
  FROM routing_call WHERE tenant = %(tenant)s AND id >= %(first)s AND id < %(last)s
"""
_UNPOSTED: Final = """
SELECT count(*) FROM routing_call c JOIN routing_attempt a ON a.call = c.id
  LEFT JOIN routing_posting p ON p.call = a.call AND p.attempt = a.no AND p.call >= %(first)s AND p.call < %(last)s
 WHERE c.tenant = %(tenant)s AND c.id >= %(first)s AND c.id < %(last)s AND a.call >= %(first)s AND a.call < %(last)s
   AND a.state = ANY (%(ended)s) AND (p.call IS NULL OR p.posted_nano <> a.posted_nano OR p.overrun_nano <> a.overrun_nano)
"""
_WINDOWS: Final = """
SELECT w.tenant, w.budget, w.starts, w.ends, w.limit_nano,
       coalesce(sum(a.posted_nano + a.overrun_nano) FILTER (WHERE a.call < %(first)s), 0)::bigint,
       coalesce(sum(a.posted_nano + a.overrun_nano), 0)::bigint,
       coalesce(sum(a.reserved_nano) FILTER (WHERE a.state IN ('reserved', 'started', 'unknown')), 0)::bigint
  FROM routing_ledger_window w
  LEFT JOIN routing_attempt a ON w.id = ANY (a.windows) AND a.call >= uuid7_floor(w.starts) AND a.call < %(last)s
 WHERE w.id = ANY (%(windows)s)
 GROUP BY w.id ORDER BY w.tenant, w.budget, w.starts, w.ends
"""
_LATER: Final = """
SELECT a.call, a.no, a.posted_nano + a.overrun_nano, c.team, c.route,
       CASE WHEN a.model_tenant = '' THEN a.model ELSE a.model_tenant || '/' || a.model END, a.provider
  FROM routing_call c JOIN routing_attempt a ON a.call = c.id
 WHERE c.tenant = %(tenant)s AND a.call = ANY (%(calls)s) AND a.state = ANY (%(ended)s)
 ORDER BY a.call, a.no
"""


@dataclass(frozen=True, slots=True)
class Month:
    """Whose calls, of which span; the end is not part of it."""

    tenant: str
    starts: datetime
    until: datetime

    def bounds(self) -> dict[str, Any]:
        """For a query."""
        return {
            "tenant": self.tenant,
            "first": uuid7_floor(self.starts),
            "last": uuid7_floor(self.until),
        }


@dataclass(frozen=True, slots=True)
class Held:
    """One attempt whose cost nobody knew at the cut-off: it counts with what was reserved."""

    call: UUID
    no: int
    reserved_nano: int
    state: str


@dataclass(frozen=True, slots=True)
class Open:
    """One call that had not ended at the cut-off, with its attempts until then: later ones are late usage."""

    call: UUID
    attempts: int
    state: str


@dataclass(frozen=True, slots=True)
class Cut:
    """What was open at one moment, read in one statement."""

    held: tuple[Held, ...]
    open: tuple[Open, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """What one team's calls of one route cost at one model. `held_nano` is reserved for attempts whose cost is unknown."""

    team: str
    route: str
    model: str
    provider: str
    calls: int
    attempts: int
    spent_nano: int
    held_nano: int
    tokens_input: int
    tokens_cached: int
    tokens_cache_write: int
    tokens_output: int


@dataclass(frozen=True, slots=True)
class WindowFigures:
    """A budget's window: what was spent in it before the month, and at the month's end."""

    tenant: str
    budget: str
    starts: datetime
    ends: datetime
    limit_nano: int
    opening_nano: int
    closing_nano: int
    pending_nano: int


@dataclass(frozen=True, slots=True)
class Later:
    """What an attempt came to in the end."""

    call: UUID
    no: int
    spent_nano: int
    team: str
    route: str
    model: str
    provider: str


def cut(month: Month) -> Cut:
    """What is open now."""
    rows = _ask(_CUT, month.bounds())
    return Cut(
        tuple(Held(row[1], row[2], row[3], row[4]) for row in rows if row[0]),
        tuple(Open(row[1], row[2], row[4]) for row in rows if not row[0]),
    )


def lines(month: Month, at: Cut) -> tuple[Line, ...]:
    """The month's lines as they stood at a cut."""
    return tuple(Line(*row) for row in _ask(_LINES, _given(month, at)))


def days(month: Month, at: Cut, zone: str) -> tuple[tuple[date, str, Line], ...]:
    """The same by the day on which the calls were admitted, there, and by the service tier that providers named."""
    rows = _ask(_DAYS, {**_given(month, at), "zone": zone})
    return tuple((row[0], row[1], Line(*row[2:])) for row in rows)


def _given(month: Month, at: Cut) -> dict[str, Any]:
    return month.bounds() | {
        "held": [one.call for one in at.held],
        "held_no": [one.no for one in at.held],
        "held_nano": [one.reserved_nano for one in at.held],
        "open": [one.call for one in at.open],
        "open_no": [one.attempts for one in at.open],
    }


def calls(month: Month) -> tuple[int, int]:
    """How many calls were let in, and how many denied."""
    [(admitted, denied)] = _ask(_CALLS, month.bounds())
    return admitted, denied


def unposted(month: Month) -> int:
    """How many ended attempts the ledger has otherwise than the attempt itself says: 0, or somebody must look."""
    [(number,)] = _ask(_UNPOSTED, month.bounds())
    return int(number)


def windows(month: Month, wanted: Sequence[int]) -> tuple[WindowFigures, ...]:
    """The figures of these windows at the month's beginning and end."""
    rows = _ask(_WINDOWS, month.bounds() | {"windows": list(wanted)})
    return tuple(WindowFigures(*row) for row in rows)


def later(tenant: str, at: Cut) -> tuple[Later, ...]:
    """What the calls that were open at a cut have come to by now, attempt by attempt, where it is known."""
    wanted = {one.call for one in at.held} | {one.call for one in at.open}
    if not wanted:
        return ()
    return tuple(Later(*row) for row in _ask(_LATER, {"tenant": tenant, "calls": list(wanted)}))


def _ask(query: str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, {**given, "ended": _ENDED})
        return list(cursor.fetchall())
