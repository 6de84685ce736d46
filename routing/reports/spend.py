"""Spend by day and provider, from the attempts; the same figures that budgets and calls show."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    F,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import TruncDate
from django.db.models.lookups import GreaterThanOrEqual

from controlplane.kernel.ids import uuid7_floor
from routing.anomalies.models import Anomaly
from routing.beside.read import of_callers
from routing.calls.models import Attempt, Call
from routing.reports.sums import CLOCKS


@dataclass(frozen=True, slots=True)
class Totals:
    """A span of time in figures. `spent_nano` is posted plus overrun.

    Of all times are `lost`, the attempts that hold their money until somebody knows what they cost, `ever`, whether there is
    any call, and `broken`, the open anomalies among those that were handed in. `told` are the rows that were asked for beside.
    """

    calls: int
    denied: int
    held: int
    failed: int
    running: int
    spent_nano: int
    lost: int
    ever: bool
    broken: int = 0
    told: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Daily:
    """Nano units by day, then provider; days without spend are there with nothing. Other steps than days have `grain`."""

    days: tuple[date, ...]
    providers: tuple[str, ...]
    nano: Mapping[tuple[date, str], int]
    grain: str = "day"

    def total(self, day: date) -> int:
        """All providers of a day."""
        return sum(self.nano.get((day, provider), 0) for provider in self.providers)


def month_start(now: datetime, zone: ZoneInfo) -> datetime:
    """The first moment of the calendar month, there."""
    here = now.astimezone(zone)
    return here.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def since(calls: QuerySet[Call], starts: datetime) -> QuerySet[Call]:
    """The calls that were admitted, or denied, from a moment on; by id too, so that old months are not read."""
    return calls.filter(pk__gte=uuid7_floor(starts - CLOCKS), admitted_at__gte=starts)


def totals(
    calls: QuerySet[Call],
    all_calls: QuerySet[Call],
    anomalies: QuerySet[Anomaly] | None = None,
    told: QuerySet[Any, Any] | None = None,
) -> Totals:
    """Counts by state, and what the attempts of these calls cost; of all calls what waits. One query, so one moment.

    Shadow runs are counted as nothing, and their money as any. `told` are other rows, of one column each.
    """
    of_these = Attempt.objects.filter(call__in=calls)
    lost = Attempt.objects.filter(call__in=all_calls, unknown_at__isnull=False)
    broken = (Anomaly.objects.none() if anomalies is None else anomalies).filter(ended_at=None)
    more = {} if told is None else {"told": _rows_beside(told)}
    row = of_callers(calls).aggregate(
        calls=Count("pk"),
        denied=Count("pk", filter=Q(state="denied")),
        held=Count("pk", filter=Q(state="held")),
        failed=Count("pk", filter=Q(state="failed")),
        running=Count("pk", filter=Q(state__in=("admitted", "running"))),
        spent=_beside(_of(of_these, Sum(F("posted_nano") + F("overrun_nano")))),
        lost=_beside(_of(lost, Count("no"))),
        ever=_beside(all_calls.values(figure=Value(1))[:1]),
        broken=_beside(_of(broken, Count("pk"))),
        **more,
    )
    return Totals(
        calls=row["calls"],
        denied=row["denied"],
        held=row["held"],
        failed=row["failed"],
        running=row["running"],
        spent_nano=int(row["spent"] or 0),
        lost=int(row["lost"] or 0),
        ever=bool(row["ever"]),
        broken=int(row["broken"] or 0),
        told=row.get("told") or (),
    )


def _of(rows: QuerySet[Attempt] | QuerySet[Anomaly], figure: Count | Sum) -> QuerySet[Any, Any]:
    return rows.order_by().values(all=Value(1)).annotate(figure=figure).values("figure")


def _beside(told: QuerySet[Any, Any]) -> Combinable:
    """A figure of other rows, beside those that are counted: Django wants an aggregate in it, hence one that adds nothing."""
    return Count("pk") * Value(0) + Subquery(told, output_field=BigIntegerField())


def _rows_beside(told: QuerySet[Any, Any]) -> Combinable:
    """The same of whole rows."""
    return Case(When(GreaterThanOrEqual(Count("pk"), 0), then=ArraySubquery(told)))


def daily(condition: Q, starts: datetime, until: datetime, zone: ZoneInfo) -> Daily:
    """What the attempts of these calls cost, by the day on which the call was asked for."""
    calls = since(Call.objects.filter(condition), starts)
    rows = (
        Attempt.objects.filter(call__in=calls)
        .annotate(day=TruncDate("call__admitted_at", tzinfo=zone))
        .values("day", "provider")
        .annotate(nano=Sum(F("posted_nano") + F("overrun_nano")))
    )
    nano: dict[tuple[date, str], int] = defaultdict(int)
    for row in rows:
        nano[row["day"], row["provider"]] += row["nano"] or 0
    first, last = starts.astimezone(zone).date(), until.astimezone(zone).date()
    days = tuple(first + timedelta(days=n) for n in range((last - first).days + 1))
    return Daily(days, _by_size(nano), dict(nano))


def _by_size(nano: Mapping[tuple[date, str], int]) -> tuple[str, ...]:
    sums: dict[str, int] = defaultdict(int)
    for (_, provider), amount in nano.items():
        sums[provider] += amount
    return tuple(sorted((p for p, amount in sums.items() if amount), key=lambda p: (-sums[p], p)))


def merged(found: Daily, most: int = 4) -> Daily:
    """At most so many providers; the rest together as `others`."""
    if len(found.providers) <= most:
        return found
    kept: Sequence[str] = found.providers[: most - 1]
    nano: dict[tuple[date, str], int] = defaultdict(int)
    for (day, provider), amount in found.nano.items():
        nano[day, provider if provider in kept else "others"] += amount
    return Daily(found.days, (*kept, "others"), dict(nano), found.grain)
