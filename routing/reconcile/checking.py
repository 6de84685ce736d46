"""The ledger checks itself: what windows count = what their attempts say = what was posted = what the log was told.

1. Each window that began since then beside the sum of its attempts. 2. Each ended attempt beside its posting. 3. For each tenant
and day, the attempts beside their entries. Each comparison is one statement, hence one moment: calls that run meanwhile do not
matter. 4. Write down what was found, and append `ledger.checked`: whenever the verdict changes, and of all of it every night.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.db import connection, transaction

from controlplane.kernel.money import format_nano
from policies.order.entries import append_entry
from policies.order.lock import mandate_now
from routing.reconcile.models import Standing

JOB: Final = "job:ledger"
CHECK: Final = "ledger"
RECENT, ENTRIES, WHOLE = timedelta(days=32), timedelta(days=2), timedelta(days=400)
"""How far back: windows and postings every hour, entries every hour, windows and postings every night (entries: `RECENT`)."""
MOST: Final = 50
"""Findings that are listed of each kind."""
_log = structlog.get_logger(__name__)
_WINDOWS: Final = """
WITH counted AS (
  SELECT u.id, sum(a.posted_nano) AS posted, sum(a.overrun_nano) AS overrun,
         sum(a.reserved_nano) FILTER (WHERE a.state IN ('reserved', 'started', 'unknown')) AS pending
    FROM routing_attempt a CROSS JOIN LATERAL unnest(a.windows) u (id)
   WHERE a.call >= uuid7_floor(%(since)s::timestamptz) GROUP BY u.id)
SELECT w.id, w.tenant, w.budget, w.posted_nano, coalesce(c.posted, 0)::bigint, w.overrun_nano, coalesce(c.overrun, 0)::bigint,
       w.pending_nano, coalesce(c.pending, 0)::bigint
  FROM routing_ledger_window w LEFT JOIN counted c ON c.id = w.id
 WHERE w.starts >= %(since)s AND (%(tenant)s = '' OR w.tenant = %(tenant)s)
   AND (w.posted_nano, w.overrun_nano, w.pending_nano)
       <> (coalesce(c.posted, 0), coalesce(c.overrun, 0), coalesce(c.pending, 0))
 ORDER BY w.id LIMIT %(most)s
"""
_POSTINGS: Final = """
SELECT coalesce(a.call, p.call), coalesce(a.no, p.attempt), a.state, a.posted_nano + a.overrun_nano,
       p.posted_nano + p.overrun_nano
  FROM (SELECT a.call, a.no, a.state, a.posted_nano, a.overrun_nano FROM routing_attempt a JOIN routing_call c ON c.id = a.call
         WHERE a.call >= uuid7_floor(%(since)s::timestamptz) AND (%(tenant)s = '' OR c.tenant = %(tenant)s)) a
  FULL JOIN (SELECT p.call, p.attempt, p.posted_nano, p.overrun_nano FROM routing_posting p JOIN routing_call c ON c.id = p.call
              WHERE p.call >= uuid7_floor(%(since)s::timestamptz) AND (%(tenant)s = '' OR c.tenant = %(tenant)s)) p
    ON p.call = a.call AND p.attempt = a.no
 WHERE CASE WHEN p.call IS NULL THEN a.state IN ('succeeded', 'failed', 'reconciled', 'voided')
            ELSE a.call IS NULL OR a.state NOT IN ('succeeded', 'failed', 'reconciled', 'voided')
                 OR (a.posted_nano, a.overrun_nano) <> (p.posted_nano, p.overrun_nano) END
 ORDER BY 1, 2 LIMIT %(most)s
"""
# an entry of a call is never older than the call; an unknown attempt is told of again once its cost is known
_ENTRIES: Final = """
WITH told AS (
  SELECT e.call, (b.data ->> 'no')::int AS no, sum((b.data ->> 'amount')::bigint) AS nano, min(e.recorded_at) AS at
    FROM audit_entry e CROSS JOIN LATERAL (SELECT convert_from(e.body, 'UTF8')::jsonb -> 'data' AS data) b
   WHERE e.id >= uuid7_floor(%(since)s::timestamptz) AND e.call >= uuid7_floor(%(since)s::timestamptz)
     AND (%(tenant)s = '' OR e.tenant = %(tenant)s)
     AND e.kind IN ('attempt.succeeded', 'attempt.failed', 'attempt.reconciled')
   GROUP BY 1, 2),
     charged AS (
  SELECT a.call, a.no, c.tenant, c.admitted_at, a.posted_nano + a.overrun_nano AS nano
    FROM routing_attempt a JOIN routing_call c ON c.id = a.call
   WHERE a.call >= uuid7_floor(%(since)s::timestamptz) AND (%(tenant)s = '' OR c.tenant = %(tenant)s))
SELECT coalesce(c.tenant, k.tenant, ''), (coalesce(c.admitted_at, k.admitted_at, t.at) AT TIME ZONE 'UTC')::date,
       coalesce(sum(c.nano), 0)::bigint, coalesce(sum(t.nano), 0)::bigint, count(*) FILTER (WHERE c.nano IS DISTINCT FROM t.nano)
  FROM charged c FULL JOIN told t ON t.call = c.call AND t.no = c.no LEFT JOIN routing_call k ON k.id = t.call
 WHERE coalesce(c.nano, 0) <> coalesce(t.nano, 0)
 GROUP BY 1, 2 ORDER BY 1, 2 LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Checked:
    """What one check came to."""

    at: datetime
    findings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the ledger holds."""
        return not self.findings


def check_ledger(*, whole: bool = False, actor: str = JOB) -> Checked:
    """Check, write down what was found, and be loud when it is bad."""
    now = mandate_now()
    spans = (WHOLE, RECENT) if whole else (RECENT, ENTRIES)
    found = Checked(now, differences(now - spans[0], now - spans[1]))
    with transaction.atomic():
        Standing.objects.get_or_create(check_name=CHECK, defaults={"checked_at": now})
        row = Standing.objects.select_for_update().get(pk=CHECK)
        changed = found.ok == bool(row.findings)
        row.checked_at, row.findings = now, list(found.findings)
        row.held_at = now if found.ok else row.held_at
        row.save(update_fields=["checked_at", "held_at", "findings"])
        if whole or changed:
            data = {"ok": found.ok, "scope": "whole" if whole else "recent"}
            told = {**data, "findings": len(found.findings)}
            append_entry("ledger.checked", actor=actor, at=now, subject="ledger:", data=told)
    if not found.ok:
        _log.critical("ledger.does_not_hold", wrong=len(found.findings), first=found.findings[0])
    return found


def differences(since: datetime, entries_since: datetime, tenant: str = "") -> tuple[str, ...]:
    """What does not agree, one line each: of windows and postings since then, and of entries. Nothing is written."""
    given = {"tenant": tenant, "most": MOST}
    older, newer = {**given, "since": since}, {**given, "since": entries_since}
    return (
        *(_window(row) for row in _ask(_WINDOWS, older)),
        *(_posting(row) for row in _ask(_POSTINGS, older)),
        *(_day(row) for row in _ask(_ENTRIES, newer)),
    )


def _window(row: tuple[Any, ...]) -> str:
    name = f"{row[1]}/{row[2]}" if row[1] else row[2]
    pairs = (("posted", row[3:5]), ("overrun", row[5:7]), ("pending", row[7:9]))
    said = ", ".join(
        f"{word} {format_nano(counts)} where its attempts have {format_nano(sums)}"
        for word, (counts, sums) in pairs
        if counts != sums
    )
    return f"window {row[0]} of the budget {name} counts {said}"


def _posting(row: tuple[Any, ...]) -> str:
    call, no, state, charged, posted = row
    name = f"attempt {no} of call_{call.hex}"
    if posted is None:
        return f"{name} is {state} with {format_nano(charged)} and was never posted"
    if charged is None:
        return f"{name} was posted with {format_nano(posted)} and is not there"
    return (
        f"{name} is {state} with {format_nano(charged)} and was posted with {format_nano(posted)}"
    )


def _day(row: tuple[Any, ...]) -> str:
    tenant, day, charged, told, number = row
    what = f"{number} attempt{'s' * (number != 1)} of {tenant or 'nobody'} on {day.isoformat()}"
    return f"{what} came to {format_nano(charged)}, and the log was told {format_nano(told)}"


def _ask(query: str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, given)
        return list(cursor.fetchall())
