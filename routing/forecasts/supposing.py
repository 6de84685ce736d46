"""What if a budget's limit were another: the day it would be reached, and the calls of a window that it would have refused.

Calls are taken in the order in which they were asked for, at what they cost in the end. From the moment on at which that is
more than the limit every further call counts as refused: what a clamp or a cheaper call would have saved is not guessed.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from controlplane.kernel.ids import uuid7_floor
from routing.forecasts.days import HELD_AT_MOST
from routing.ledger.models import LedgerWindow
from routing.ledger.windows import ALWAYS

_REFUSED = """
SELECT count(*), count(*) FILTER (WHERE sum_nano > %s), min(at) FILTER (WHERE sum_nano > %s)
  FROM (SELECT coalesce(c.reserved_at, c.admitted_at) AS at,
               sum(sum(a.posted_nano + a.overrun_nano)) OVER (ORDER BY coalesce(c.reserved_at, c.admitted_at), c.id) AS sum_nano
          FROM routing_call c
          JOIN routing_attempt a ON a.call = c.id
         WHERE c.id >= %s AND a.call >= %s AND c.id < %s AND a.call < %s AND a.windows @> ARRAY[%s]::bigint[]
         GROUP BY c.id, c.reserved_at, c.admitted_at) AS s
"""


@dataclass(frozen=True, slots=True)
class Supposed:
    """The calls of a window, how many a limit would have refused, and the first moment it would have."""

    calls: int
    refused: int
    since: datetime | None


def suppose(window: LedgerWindow, limit_nano: int) -> Supposed:
    """What a limit would have done to the calls of a window."""
    # the window of a budget that is spent once begins where ids do
    begins = max(window.starts - HELD_AT_MOST, ALWAYS[0])
    first, last = uuid7_floor(begins), uuid7_floor(window.ends)
    with connection.cursor() as cursor:
        cursor.execute(_REFUSED, [limit_nano, limit_nano, first, first, last, last, window.id])
        calls, refused, since = cursor.fetchone()
    return Supposed(calls, refused, since)
