"""What the ledger has of one provider's models, by day, as its invoices name them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection

from controlplane.kernel.ids import uuid7_floor
from policies.bundles.published import Governed, Published
from policies.engine.bundle import Bundle, Key
from policies.engine.prices import PriceRef
from policies.engine.pricing import UsageCounts, price_on
from routing.reconcile.classing import NONE, Ours, added

_DATED: Final = re.compile(r"-([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8})$")
_SUMS: Final = """
SELECT (c.admitted_at AT TIME ZONE 'UTC')::date, a.model_tenant, a.model, a.service_tier,
       coalesce(sum(a.tokens_input) FILTER (WHERE a.basis = 'reported'), 0)::bigint,
       coalesce(sum(a.tokens_cached) FILTER (WHERE a.basis = 'reported'), 0)::bigint,
       coalesce(sum(a.tokens_cache_write) FILTER (WHERE a.basis = 'reported'), 0)::bigint,
       coalesce(sum(a.tokens_output) FILTER (WHERE a.basis = 'reported'), 0)::bigint,
       sum(a.posted_nano + a.overrun_nano)::bigint, count(*),
       coalesce(sum(a.posted_nano + a.overrun_nano) FILTER (WHERE a.basis <> 'reported'), 0)::bigint,
       count(*) FILTER (WHERE a.basis IN ('counted', 'reserve', 'person') OR a.state = 'unknown')
  FROM routing_attempt a JOIN routing_call c ON c.id = a.call
 WHERE a.call >= %s AND a.call < %s AND a.provider = %s AND a.state IN ('succeeded', 'failed', 'reconciled', 'unknown')
 GROUP BY 1, 2, 3, 4
"""


_SHARES: Final = """
SELECT (c.admitted_at AT TIME ZONE 'UTC')::date, a.model_tenant, a.model, c.tenant,
       sum(a.posted_nano + a.overrun_nano)::bigint,
       coalesce(sum(a.posted_nano + a.overrun_nano) FILTER (WHERE a.basis <> 'reported'), 0)::bigint,
       count(*) FILTER (WHERE a.basis IN ('counted', 'reserve', 'person') OR a.state = 'unknown'), count(*)
  FROM routing_attempt a JOIN routing_call c ON c.id = a.call
 WHERE a.call >= %s AND a.call < %s AND a.provider = %s AND a.state IN ('succeeded', 'failed', 'reconciled', 'unknown')
 GROUP BY 1, 2, 3, 4 ORDER BY 1, 4, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Share:
    """What one tenant has of one day and model, as the ledger names it. `lost_nano`, `lost`: what nobody reported."""

    day: date
    upstream: str
    label: str
    tenant: str
    spent_nano: int
    lost_nano: int
    lost: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Account:
    """A provider, and what its models are called there."""

    provider: Governed
    upstream: Mapping[Key, str]

    @classmethod
    def of(cls, found: Published, provider: Governed) -> "Account":
        """As it is published now."""
        names = {}
        for model in found.of("Model"):
            at = found.find("Provider", model.tenant, str(model.spec["provider"]))
            if at is not None and (at.tenant, at.name) == (provider.tenant, provider.name):
                names[model.tenant, model.name] = str(model.spec.get("upstreamName") or model.name)
        return cls(provider, names)

    @classmethod
    def find(cls, found: Published, tenant: str, name: str) -> "Account | None":
        """Of a provider that is published now; None where there is none."""
        for one in found.of("Provider"):
            if (one.tenant, one.name) == (tenant, name):
                return cls.of(found, one)
        return None

    def named(self, model: str) -> str:
        """The name that we use for what an invoice calls so: with or without its date."""
        ours = set(self.upstream.values())
        if model in ours:
            return model
        bare = _DATED.sub("", model)
        return next((name for name in sorted(ours) if _DATED.sub("", name) == bare), model)

    def price(self, bundle: Bundle, day: date, model: str) -> PriceRef | None:
        """Our price of the day for what is called so there."""
        for key, name in sorted(self.upstream.items()):
            if name == model and key in bundle.models:
                rated = price_on(bundle, bundle.models[key], day.isoformat())
                if rated is not None:
                    return rated.ref
        return None


def ours(account: Account, first: date, last: date) -> dict[tuple[date, str], Ours]:
    """By day (UTC's, of the calls' admission) and name upstream."""
    found: dict[tuple[date, str], Ours] = {}
    for row in _ask(_SUMS, [*calls_of(first, last), account.provider.name]):
        name = account.upstream.get((row[1], row[2]))
        if name is None:
            continue
        usage, tier = UsageCounts(*row[4:8]), row[3]
        spent, attempts, lost_nano, lost = row[8:12]
        one = Ours(usage, spent, attempts, lost_nano, lost, {tier: usage} if tier else {})
        known = found.get((row[0], name))
        found[row[0], name] = one if known is None else _sum(known, one)
    return found


def shares(account: Account, first: date, last: date) -> list[Share]:
    """Whose the money of these days is, tenant by tenant."""
    found = []
    for day, place, model, *more in _ask(_SHARES, [*calls_of(first, last), account.provider.name]):
        upstream = account.upstream.get((place, model))
        if upstream is not None:
            label = f"{place}/{model}" if place else model
            found.append(Share(day, upstream, label, *more))
    return found


def calls_of(first: date, last: date) -> tuple[UUID, UUID]:
    """The ids between which the calls of these days (UTC's) lie: from the first, below the second."""
    starts = datetime.combine(first, time(), tzinfo=UTC)
    until = datetime.combine(last + timedelta(days=1), time(), tzinfo=UTC)
    return uuid7_floor(starts), uuid7_floor(until)


def _sum(one: Ours, other: Ours) -> Ours:
    return Ours(
        added(one.usage, other.usage),
        one.spent_nano + other.spent_nano,
        one.attempts + other.attempts,
        one.lost_nano + other.lost_nano,
        one.lost + other.lost,
        {
            tier: added(one.tiers.get(tier, NONE), other.tiers.get(tier, NONE))
            for tier in {*one.tiers, *other.tiers}
        },
    )


def _ask(query: str, values: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())
