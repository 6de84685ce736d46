"""What attempts cost and how many calls they were of, by any columns: the one query that reports are made of.

Calls are those admitted in a span: `calls` counts each once, `of_model` once for each model it tried, `of_provider` once
for each provider; a call before any attempt has none of either, and counts as one of "no model".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db.models import (
    Count,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    TextField,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import TruncDate

from controlplane.kernel.ids import uuid7_floor
from routing.calls.models import Attempt, Call
from routing.reports.dimensions import LABEL
from routing.reports.spans import Span

CLOCKS: Final = timedelta(days=1)
"""An id has the time of the process that made it: so far it may be from PostgreSQL's, which says when a call was admitted."""
_OF_ATTEMPT: Final = ("model", "provider")
_RECORD: Final = "policies_decision"
MEASURES: Final = ("spent_nano", "calls", "of_model", "of_provider", "denied")


@dataclass(slots=True)
class Figures:
    """Money in nano units, posted and overrun; and counts of calls."""

    spent_nano: int = 0
    calls: int = 0
    of_model: int = 0
    of_provider: int = 0
    denied: int = 0

    def add(self, other: "Figures") -> None:
        """Both together."""
        for name in MEASURES:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True, slots=True)
class Where:
    """Which calls: a condition on the columns of calls, and exact values by column; `label` is the name of the column's label."""

    condition: Q
    values: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    measures: Sequence[str] = MEASURES


Key = tuple[date | None, tuple[str, ...]]


def gather(
    where: Where, span: Span, columns: Sequence[str], *, daily: bool = False
) -> dict[Key, Figures]:
    """The figures by the day of admission (with `daily`) and the columns, each "" where a call or attempt has none."""
    found: dict[Key, Figures] = {}
    _take(found, _live(where, span, columns, daily=daily), columns)
    return found


def _take(
    found: dict[Key, Figures], rows: Iterable[Mapping[str, Any]], columns: Sequence[str]
) -> None:
    for row in rows:
        key = row.get("day"), tuple(str(row[f"in_{name}"] or "") for name in columns)
        told = Figures(*(int(row.get(f"n_{name}") or 0) for name in MEASURES))
        known = found.setdefault(key, told)
        if known is not told:
            known.add(told)


def admitted(condition: Q, starts: datetime, until: datetime) -> QuerySet[Call]:
    """The calls that were admitted, or denied, from a moment up to another; by id too, so that other months are not read."""
    return Call.objects.filter(
        condition,
        pk__gte=uuid7_floor(starts - CLOCKS),
        pk__lt=uuid7_floor(until + CLOCKS),
        admitted_at__gte=starts,
        admitted_at__lt=until,
    )


def _live(where: Where, span: Span, columns: Sequence[str], *, daily: bool) -> QuerySet[Any, Any]:
    rows: QuerySet[Any, Any] = admitted(where.condition, span.starts, span.until)
    rows = rows.filter(**{_of_call(name): value for name, value in where.values.items()})
    if LABEL in columns:
        # joined, so that a year's records are read month by month and not call by call; each call has a first record
        first = [f"{_RECORD}.call = routing_call.id", f"{_RECORD}.no = 1"]
        rows = rows.extra(tables=[_RECORD], where=first)  # noqa: S610 - our own words
    names = {f"in_{name}": _column(name, where.label) for name in columns}
    if daily:
        names["day"] = TruncDate("admitted_at", tzinfo=span.zone)
    counts = {f"n_{name}": _MEASURED[name]() for name in where.measures}
    named: QuerySet[Any, Any] = rows.order_by().annotate(**names).values(*names)
    counted: QuerySet[Any, Any] = named.annotate(**counts)
    return counted


def _of_call(name: str) -> str:
    return f"attempts__{name}" if name in _OF_ATTEMPT else name


def _column(name: str, label: str) -> Any:  # noqa: ANN401 - an expression of Django's
    if name != LABEL:
        return F(_of_call(name))
    return RawSQL(f"routing_label({_RECORD}.facts, %s)", [label], output_field=TextField())  # noqa: S611 - our own words


def _tried_before(what: str) -> Exists:
    """Whether an earlier attempt of the same call went to the same model, or provider."""
    same = {"call": OuterRef("pk"), what: OuterRef(f"attempts__{what}")}
    return Exists(Attempt.objects.filter(no__lt=OuterRef("attempts__no"), **same))


def _counted(*, before: str) -> Count:
    """The calls let in, each by its first attempt, or by the first at each model or provider."""
    first = Q(attempts__no=1) | Q(attempts__no__isnull=True)
    if before:
        first |= Q(~_tried_before(before))
    return Count("pk", filter=_LET_IN & first)


_LET_IN: Final = ~Q(state="denied")
_MEASURED: Final[Mapping[str, Callable[[], Count | Sum]]] = {
    "spent_nano": lambda: Sum(F("attempts__posted_nano") + F("attempts__overrun_nano")),
    "calls": lambda: _counted(before=""),
    "of_model": lambda: _counted(before="model"),
    "of_provider": lambda: _counted(before="provider"),
    "denied": lambda: Count("pk", filter=~_LET_IN),
}
