"""Spend by day of each window, kept beside the attempts that it is summed from: a job fills it, and fills again what is behind.

A window whose days do not add up to what it has spent is behind: first the last days are summed anew, then, where that was not
all (a history that was made later, an attempt that was settled late), every day since it began.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import connection

from controlplane.kernel.ids import uuid7_floor

LATELY = timedelta(days=2)
HELD_AT_MOST = timedelta(days=40)
"""A call that was held belongs to the day of its release: so much earlier it may have been asked for."""

# a window that is over and adds up is never looked at again; one without end has no period to forecast
_BEHIND = """
SELECT w.id FROM routing_ledger_window w
 WHERE w.starts >= %s AND w.ends < '9999-01-01' AND w.posted_nano + w.overrun_nano > 0
   AND w.posted_nano + w.overrun_nano <> (SELECT coalesce(sum(d.spent_nano), 0) FROM routing_budget_day d WHERE d."window" = w.id)
"""
_FILL = """
INSERT INTO routing_budget_day ("window", day, spent_nano)
SELECT z.id, (coalesce(c.reserved_at, c.admitted_at) AT TIME ZONE z.zone)::date AS day, sum(a.posted_nano + a.overrun_nano)
  FROM routing_call c
  JOIN routing_attempt a ON a.call = c.id
 CROSS JOIN LATERAL unnest(a.windows) AS w(id)
  JOIN unnest(%s::bigint[], %s::text[]) AS z(id, zone) ON z.id = w.id
 WHERE c.id >= %s AND a.call >= %s AND a.posted_nano + a.overrun_nano > 0
   AND coalesce(c.reserved_at, c.admitted_at) >= (%s::timestamptz AT TIME ZONE z.zone)::date::timestamp AT TIME ZONE z.zone
 GROUP BY 1, 2
ON CONFLICT ("window", day) DO UPDATE SET spent_nano = excluded.spent_nano
 WHERE routing_budget_day.spent_nano <> excluded.spent_nano
"""


def fill(zones: Mapping[int, str], since: datetime, now: datetime) -> None:
    """Bring the days of these windows up to date: windows that began since then, each with its budget's time zone."""
    behind = _behind(zones, since)
    if behind:
        _sum(zones, behind, now - LATELY)
        behind = _behind(zones, since)
    if behind:
        _sum(zones, behind, since)


def _behind(zones: Mapping[int, str], since: datetime) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_BEHIND, [since])
        return [row[0] for row in cursor.fetchall() if row[0] in zones]


def _sum(zones: Mapping[int, str], windows: Sequence[int], since: datetime) -> None:
    """Sum anew from the beginning of that day on."""
    floor = uuid7_floor(since - HELD_AT_MOST)
    with connection.cursor() as cursor:
        cursor.execute(_FILL, [list(windows), [zones[one] for one in windows], floor, floor, since])
