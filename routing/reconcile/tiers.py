"""Attempts served at a dearer service tier than any document prices, as their providers say: booked at the plain price, and told.

Every hour, with the ledger's check: those of the last 32 days, by model and tier, at the prices that are published now. What is
new is an entry `price.missing`; it stands until a document says a price, and then its difference is proposed.
"""

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from controlplane.kernel.ids import uuid7_floor
from controlplane.kernel.money import format_nano
from policies.bundles.published import published
from policies.bundles.snapshot import bundle_at
from policies.engine.bundle import Bundle
from policies.engine.pricing import DEARER, price_on, unpriced
from policies.order.entries import append_entry
from policies.order.lock import mandate_now
from routing.reconcile.models import Standing

JOB: Final = "job:tiers"
CHECK: Final = "tiers"
BACK: Final = timedelta(days=32)
_DEARER: Final = """
SELECT a.model_tenant, a.model, a.provider, a.service_tier, (c.admitted_at AT TIME ZONE 'UTC')::date, count(*),
       sum(a.posted_nano + a.overrun_nano)::bigint
  FROM routing_attempt a JOIN routing_call c ON c.id = a.call
 WHERE a.call >= %s AND a.service_tier = ANY (%s)
 GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
"""
Which = tuple[str, str, str, str]
"""Tenant of the model, model, provider, service tier."""


@dataclass(slots=True)
class Unpriced:
    """What was served so at one model: at its plain price it came to so much."""

    which: Which
    attempts: int = 0
    spent_nano: int = 0

    def words(self, currency: str) -> str:
        """`42 attempts at sky/small, served at priority: booked at the plain price, 1.25 EUR`."""
        tenant, model, provider, tier = self.which
        number = f"{self.attempts} attempt{'s' * (self.attempts != 1)}"
        at = f"{tenant}/{model}" if tenant else model
        spent = f"{format_nano(self.spent_nano)} {currency}"
        return (
            f"{number} at {at}, served by {provider} at {tier}: booked at the plain price, {spent}"
        )


def find() -> list[Unpriced]:
    """What the last days have, at the prices of now. Nothing is written."""
    found = published()
    if not found.revision:
        return []
    bundle = bundle_at(found.revision)
    sums: dict[Which, Unpriced] = defaultdict(lambda: Unpriced(("", "", "", "")))
    for *which, day, attempts, spent in _ask(mandate_now() - BACK):
        key: Which = tuple(which)
        if _without_price(bundle, key, day):
            one = sums[key]
            one.which, one.attempts = key, one.attempts + attempts
            one.spent_nano += spent
    return [sums[key] for key in sorted(sums)]


def look() -> list[Unpriced]:
    """Write down what there is, with an entry for what was not there at the last look."""
    now, every, currency = mandate_now(), find(), published().currency
    with transaction.atomic():
        Standing.objects.get_or_create(check_name=CHECK, defaults={"checked_at": now})
        row = Standing.objects.select_for_update().get(pk=CHECK)
        known = {tuple(one) for one in json.loads(row.seen or "[]")}
        for one in every:
            if one.which not in known:
                _append(one, currency, now)
        row.seen = json.dumps([one.which for one in every])
        row.checked_at, row.findings = now, [one.words(currency) for one in every]
        row.save(update_fields=["checked_at", "findings", "seen"])
    return every


def _append(one: Unpriced, currency: str, now: datetime) -> None:
    tenant, model, provider, tier = one.which
    data = {
        "model": model,
        "provider": provider,
        "service_tier": tier,
        "attempts": one.attempts,
        "spent": format_nano(one.spent_nano),
        "currency": currency,
    }
    subject = f"model:{model}"
    append_entry("price.missing", actor=JOB, at=now, tenant=tenant, subject=subject, data=data)


def _without_price(bundle: Bundle, which: Which, day: date) -> bool:
    model = bundle.models.get(which[:2])
    rated = None if model is None else price_on(bundle, model, day.isoformat())
    return rated is None or unpriced(rated.ref, which[3])


def _ask(since: datetime) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_DEARER, [uuid7_floor(since), sorted(DEARER)])
        return list(cursor.fetchall())
