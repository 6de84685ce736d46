"""What ten minutes cost by pattern, and the same ten minutes of the days before: always posted and overrun, by admission."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from controlplane.kernel.ids import uuid7_floor
from routing.anomalies.pattern import WINDOW, YOUNG, Span

_SPENT = """
SELECT c.tenant, c.team, c.key, c.route, sum(a.posted_nano + a.overrun_nano)::bigint, count(DISTINCT c.id),
       min(c.id::text)::uuid
  FROM routing_call c JOIN routing_attempt a ON a.call = c.id
 WHERE c.id >= %s AND a.call >= %s AND c.id < %s AND a.call < %s
 GROUP BY c.tenant, c.team, c.key, c.route
HAVING sum(a.posted_nano + a.overrun_nano) >= %s
"""
_BEFORE = """
SELECT s.day, floor(extract(epoch FROM c.admitted_at - s.starts) / %s)::int, sum(a.posted_nano + a.overrun_nano)::bigint
  FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[]) WITH ORDINALITY AS s(lo, hi, starts, day)
  JOIN routing_call c ON c.id >= s.lo AND c.id < s.hi
  JOIN routing_attempt a ON a.call = c.id AND a.call >= s.lo AND a.call < s.hi
 WHERE c.tenant = %s AND c.team = %s AND c.key = %s AND c.route = %s
 GROUP BY 1, 2
"""
_KNOWN = """
SELECT EXISTS (SELECT FROM routing_call WHERE tenant = %s AND team = %s AND key = %s AND route = %s AND id >= %s AND id < %s)
"""
_SINCE = """
SELECT coalesce(sum(a.posted_nano + a.overrun_nano), 0)::bigint, count(DISTINCT c.id)
  FROM routing_call c JOIN routing_attempt a ON a.call = c.id
 WHERE c.tenant = %s AND c.team = %s AND c.key = %s AND c.route = %s
   AND c.id >= %s AND a.call >= %s AND c.id < %s AND a.call < %s
"""
Pattern = tuple[str, str, str, str]
"""Tenant, team, key, route."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What the calls of one pattern cost in ten minutes, and the first of them."""

    nano: int
    calls: int
    first: UUID


def spent(now: datetime, least_nano: int) -> dict[Pattern, Spent]:
    """The ten minutes before `now`, of every pattern that spent at least so much."""
    lo, hi = uuid7_floor(now - WINDOW), uuid7_floor(now)
    with connection.cursor() as cursor:
        cursor.execute(_SPENT, [lo, lo, hi, hi, least_nano])
        rows = cursor.fetchall()
    return {(row[0], row[1], row[2], row[3]): Spent(*row[4:]) for row in rows}


def before(pattern: Pattern, spans: Sequence[Span]) -> Mapping[tuple[int, int], int]:
    """Spend by (day, window) of the spans."""
    edges = [uuid7_floor(s.starts) for s in spans], [uuid7_floor(s.ends) for s in spans]
    with connection.cursor() as cursor:
        seconds = int(WINDOW.total_seconds())
        cursor.execute(_BEFORE, [seconds, *edges, [s.starts for s in spans], *pattern])
        return {(day - 1, window): nano for day, window, nano in cursor.fetchall()}


def is_young(pattern: Pattern, now: datetime, since: datetime) -> bool:
    """Whether it made no call before the last three days, as far back as `since`."""
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, [*pattern, uuid7_floor(since), uuid7_floor(now - YOUNG)])
        return not cursor.fetchone()[0]


def cost_since(pattern: Pattern, since: datetime, now: datetime) -> tuple[int, int]:
    """What a pattern cost since then, and how many calls."""
    lo, hi = uuid7_floor(since), uuid7_floor(now)
    with connection.cursor() as cursor:
        cursor.execute(_SINCE, [*pattern, lo, lo, hi, hi])
        nano, calls = cursor.fetchone()
    return nano, calls
