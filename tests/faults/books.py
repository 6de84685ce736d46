"""What must be true of the database, the log and the upstream after any fault."""

import asyncio
import time
from datetime import timedelta

from controlplane.kernel.clock import system_clock
from controlplane.kernel.ids import IdSource
from routing.calls.pool import open_pool
from routing.sweep import Sweeper
from tests.faults.load import TENANT
from tests.journeys.installation import Installation

OPEN = (
    "SELECT id, state, worker, attempts FROM routing_call WHERE tenant = %s AND finished_at IS NULL"
)
ENDS = """
SELECT c.id, c.state, e.kinds FROM routing_call c CROSS JOIN LATERAL (
  SELECT coalesce(array_agg(kind), '{}') AS kinds FROM audit_entry
   WHERE call = c.id AND kind IN ('call.completed', 'call.failed', 'call.cancelled', 'call.denied')) e
 WHERE c.tenant = %s AND e.kinds <> ARRAY['call.' || c.state]"""
"""Ended calls whose terminal entries are not exactly the one of their state."""
LEFT_OPEN = """
SELECT a.call, a.no, a.state FROM routing_attempt a JOIN routing_call c ON c.id = a.call
 WHERE c.tenant = %s AND a.state IN ('reserved', 'started')"""
POSTINGS = """
SELECT a.call, a.no, a.state, p.count, p.posted, a.posted_nano FROM routing_attempt a JOIN routing_call c ON c.id = a.call
 CROSS JOIN LATERAL (SELECT count(*) AS count, coalesce(sum(posted_nano), 0) AS posted FROM routing_posting
                      WHERE call = a.call AND attempt = a.no) p
 WHERE c.tenant = %s AND (p.count <> (a.state <> 'unknown')::int OR p.posted <> a.posted_nano)"""
"""Attempts that were not posted exactly once, and unknown ones that were."""
SETTLED_TWICE = """
SELECT call, convert_from(body, 'UTF8')::jsonb -> 'data' ->> 'no' AS no, count(*)
  FROM audit_entry e JOIN routing_call c ON c.id = e.call
 WHERE c.tenant = %s AND kind IN ('attempt.succeeded', 'attempt.failed', 'attempt.reconciled', 'attempt.voided')
 GROUP BY 1, 2 HAVING count(*) > 1"""
COSTS = """
SELECT c.id, c.cost_nano, a.cost FROM routing_call c CROSS JOIN LATERAL (
  SELECT coalesce(sum(posted_nano + overrun_nano), 0) AS cost FROM routing_attempt WHERE call = c.id) a
 WHERE c.tenant = %s AND c.finished_at IS NOT NULL AND c.cost_nano <> a.cost"""
ANSWERS = """
SELECT c.id, a.count FROM routing_call c CROSS JOIN LATERAL (
  SELECT count(*) AS count FROM routing_attempt WHERE call = c.id AND state = 'succeeded') a
 WHERE c.tenant = %s AND a.count <> (c.state = 'completed')::int AND NOT (c.code = 'review_rejected' AND a.count = 1)"""
"""An answered call has exactly one attempt that succeeded, another has none; unless a person turned the answer down."""
WINDOWS = """
WITH owed AS (
  SELECT w, coalesce(sum(a.reserved_nano) FILTER (WHERE a.state IN ('reserved', 'started', 'unknown')), 0) AS pending,
         coalesce(sum(p.posted_nano), 0) AS posted, coalesce(sum(p.overrun_nano), 0) AS overrun
    FROM routing_attempt a CROSS JOIN LATERAL unnest(a.windows) AS w
    LEFT JOIN routing_posting p ON p.call = a.call AND p.attempt = a.no GROUP BY w)
SELECT l.id, l.tenant, l.pending_nano, o.pending, l.posted_nano, o.posted
  FROM routing_ledger_window l LEFT JOIN owed o ON o.w = l.id
 WHERE l.tenant = %s AND (l.pending_nano, l.posted_nano, l.overrun_nano)
       IS DISTINCT FROM (coalesce(o.pending, 0), coalesce(o.posted, 0), coalesce(o.overrun, 0))"""
"""Counters that are not what a scan over attempts and postings gives."""
PENDING = """
SELECT coalesce(sum(pending_nano), 0)::bigint AS pending,
       (SELECT coalesce(sum(a.reserved_nano), 0)::bigint FROM routing_attempt a JOIN routing_call c ON c.id = a.call
         WHERE c.tenant = %s AND a.state = 'unknown') AS unknown
  FROM routing_ledger_window WHERE tenant = %s"""
SETTLE_SECONDS = 60.0


def wait_ended(it: Installation, seconds: float = SETTLE_SECONDS) -> None:
    """Until every call of the tenant has ended."""
    until = time.monotonic() + seconds
    while found := it.rows(OPEN, TENANT):
        assert time.monotonic() < until, (
            f"{len(found)} calls are open after {seconds} s: {found[:3]}"
        )
        time.sleep(0.2)


def check(it: Installation) -> int:
    """Everything adds up, before and after unknown attempts are reconciled; how many those were."""
    wait_ended(it)
    _adds_up(it)
    (money,) = it.rows(PENDING, TENANT, TENANT)
    assert money["pending"] == money["unknown"]
    reconciled = asyncio.run(_reconcile(it))
    _adds_up(it)
    (money,) = it.rows(PENDING, TENANT, TENANT)
    assert money == {"pending": 0, "unknown": 0}
    report = it.upstream._call("GET", "/_sandbox/arrivals")
    assert report["violations"] == [], (
        "an attempt reached the upstream before its entry was committed"
    )
    assert report["repeated"] == [], "an attempt reached the upstream twice"
    assert "nothing is wrong" in it.operate("audit", "verify")
    return reconciled


def _adds_up(it: Installation) -> None:
    wrong = {
        name: found[:3]
        for name, query in {
            "terminal entries": ENDS,
            "open attempts": LEFT_OPEN,
            "postings": POSTINGS,
            "settled twice": SETTLED_TWICE,
            "costs": COSTS,
            "answers": ANSWERS,
            "windows": WINDOWS,
        }.items()
        if (found := it.rows(query, TENANT))
    }
    assert wrong == {}


async def _reconcile(it: Installation) -> int:
    """As the job does after 72 hours, at once."""
    db = await open_pool(it.services()["database_url"], 2)
    try:
        sweeper, done = Sweeper(db, IdSource().new, system_clock), 0
        while found := await sweeper.reconcile(timedelta(0)):
            done += found
        return done
    finally:
        await db.close()


def reconciled_late(it: Installation) -> int:
    """Attempts booked at what they used although their worker had been given up."""
    (row,) = it.rows(
        "SELECT count(*) FROM routing_attempt a JOIN routing_call c ON c.id = a.call"
        " WHERE c.tenant = %s AND a.state = 'reconciled' AND a.basis IN ('reported', 'counted')",
        TENANT,
    )
    return int(row["count"])
