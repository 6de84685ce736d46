"""Whose share of models bought by the hour a month's is: as it stands now, and as the first close of the month froze it.

Shares are by tokens of all tenants in the organisation's month. Tenants close at different times, so the first of them that
closes splits the month for all: what is used, settled or published later moves no share.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor
from typing import Any, Final

from audit.merkle import canonical
from audit.retention.pruning import LEAST_MONTHS, months
from controlplane.kernel.money import apportion, format_nano
from policies.bundles.published import Published
from routing.closing.adjusting import MICRO, told_hours
from routing.closing.models import CapacityShare, Period
from routing.closing.months import month_of, span_of
from routing.ledger import capacity
from routing.ledger.capacity import Capacity
from routing.ledger.spans import Span

_CALLS: Final = "routing_attempt"
_NEVER_TAKEN: Final = timedelta(days=30 * LEAST_MONTHS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What falls to one team of the hours of one model, `name` or `tenant/name`; without tenant and team: nobody used it."""

    model: str
    tenant: str
    team: str
    tokens: int
    microhours: int
    cost_nano: int

    def told(self) -> dict[str, Any]:
        """As a statement writes it."""
        return {
            "model": self.model,
            "team": self.team,
            "hours": told_hours(self.microhours),
            "tokens": self.tokens,
            "amount": format_nano(self.cost_nano),
        }


def organisations(found: Published, month: str) -> Span:
    """The month in the organisation's time zone, whose hours are shared. Raises ValueError."""
    starts, until = span_of(month, str(found.zone.key))
    return Span(starts, until, found.zone)


def bought(found: Published, month: str) -> bool:
    """Whether any model is bought by the hour in a part of the month, as the documents say it now."""
    return bool(capacity.bought(found, organisations(found, month)))


def split(found: Iterable[Capacity]) -> tuple[Part, ...]:
    """PURE: a part for each team; of each model hours and cost add up to the whole, also where nobody used it."""
    return tuple(part for line in found for part in _parts(line))


def frozen(month: str) -> bool:
    """Whether a tenant has closed it: from then on its hours are split for all."""
    return Period.objects.filter(period=month).exists()


def kept(month: str) -> tuple[Part, ...]:
    """As the first close of the month split it; nothing where nothing was bought then."""
    rows = CapacityShare.objects.filter(period=month).values(*Part.__dataclass_fields__)
    return tuple(sorted((Part(**row) for row in rows), key=_order))


def parts(found: Published, month: str) -> tuple[Part, ...]:
    """The month's split: as it was frozen, else as it stands now."""
    # INVARIANT: who closes later gets what was split when the first tenant closed, whatever changed since
    return kept(month) if frozen(month) else now(found, month)


def told(rows: Iterable[Part], tenant: str, cost_centre: str) -> list[dict[str, Any]]:
    """A tenant's parts as its statement writes them."""
    own = sorted((row for row in rows if row.tenant == tenant), key=_order)
    return [{"costCentre": cost_centre, **row.told()} for row in own]


def now(found: Published, month: str) -> tuple[Part, ...]:
    """As it would be split now: beside a frozen split it says how far that is from today's figures."""
    return split(capacity.capacities(found, organisations(found, month)))


def settled(found: Published, month: str) -> tuple[Part, ...]:
    """The same, of the models whose figures stand: no attempt has yet to end, and no day of their hours is without a rate."""
    span = organisations(found, month)
    waits = capacity.pending(found, span)
    known = (
        line
        for line in capacity.capacities(found, span)
        if line.label not in waits and not line.unrated_days
    )
    return split(known)


def remembered(found: Published, month: str, now: datetime) -> bool:
    """Whether none of its calls were taken away with their month: without them nobody would have used anything."""
    span = organisations(found, month)
    if span.starts > now - _NEVER_TAKEN:
        return True
    held = {f"{first:%Y-%m}" for table, first in months() if table == _CALLS}
    return {month_of(span.starts, "UTC"), month_of(span.until, "UTC")} <= held


def closed(since: str) -> list[str]:
    """The months from then on that a tenant has closed."""
    rows = Period.objects.filter(period__gte=since).order_by("period")
    return list(rows.values_list("period", flat=True).distinct())


def of_nano(rows: Iterable[Part], tenant: str) -> int:
    """What falls to one tenant."""
    return sum(row.cost_nano for row in rows if row.tenant == tenant)


def unrated_days(found: Published, month: str) -> int:
    """Days of hours whose currency has no exchange rate: their cost would be missing for ever."""
    models = capacity.bought(found, organisations(found, month))
    return sum(capacity.hourly(spec, part, found.organisation)[1] for _, spec, part in models)


def canonical_of(rows: Sequence[Part]) -> bytes:
    """The split of all tenants, for its digest."""
    return canonical.dumps(
        [{"tenant": row.tenant, **row.told()} for row in sorted(rows, key=_order)]
    )


def over_at(found: Published, month: str) -> datetime:
    """When the organisation's month has ended, which may be after the tenant's."""
    return organisations(found, month).until


def _parts(line: Capacity) -> Iterable[Part]:
    microhours = floor(line.hours * MICRO)
    if not line.shares:
        yield Part(
            model=line.label,
            tenant="",
            team="",
            tokens=0,
            microhours=microhours,
            cost_nano=line.cost_nano,
        )
    each = apportion(microhours, [share.tokens for share in line.shares])
    for share, own in zip(line.shares, each, strict=True):
        yield Part(
            model=line.label,
            tenant=share.tenant,
            team=share.team,
            tokens=share.tokens,
            microhours=own,
            cost_nano=share.cost_nano,
        )


def _order(row: Part) -> tuple[str, str, str]:
    return row.model, row.tenant, row.team
