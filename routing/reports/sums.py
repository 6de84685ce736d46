"""What attempts cost and how many calls they were of, by any columns: the one query that reports are made of.

Calls are those admitted in a span: `calls` counts each once, `of_model` once for each model it tried, `of_provider` once
for each provider, `of_tier` once for each service tier, `of_model_at_tier` once for each model at each; a call before any
attempt has none of them, and counts as one of "no model".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import (
    BigIntegerField,
    BinaryField,
    Case,
    Count,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    TextField,
    Value,
    When,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Coalesce

from controlplane.kernel.ids import uuid7_floor
from routing.calls.models import Attempt, Call
from routing.reports.dimensions import LABEL, STANDARD
from routing.reports.spans import Span

CLOCKS: Final = timedelta(days=1)
"""An id has the time of the process that made it: so far it may be from PostgreSQL's, which says when a call was admitted."""
_OF_ATTEMPT: Final = ("model", "provider")
_RECORD: Final = "policies_decision"
MEASURES: Final = (
    *("spent_nano", "calls", "of_model", "of_provider", "of_tier", "of_model_at_tier", "denied"),
)


@dataclass(frozen=True, slots=True)
class Where:
    """Which calls: a condition on the columns of calls, and exact values by column; `label` is the name of the column's label."""

    condition: Q
    values: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    measures: Sequence[str] = MEASURES


Row = tuple[Any, ...]
"""The number of the step, from 1 on, the values of the columns, and the measures in their order."""


def gather(
    where: Where, span: Span, columns: Sequence[str], begins: Sequence[datetime] = ()
) -> list[Row]:
    """The measures by step and columns, each "" where a call or attempt has none. `begins` are the first moments of the steps.

    The same values may come twice, for a run that is not there and for one without a name: figures add up.
    """
    rows = _rows(where, span, columns, begins)
    # most rows have every value, and there may be thousands: the others alone are made anew
    return [
        tuple(["" if value is None else value for value in row]) if None in row else row
        for row in rows
    ]


def admitted(condition: Q, starts: datetime, until: datetime) -> QuerySet[Call]:
    """The calls that were admitted, or denied, from a moment up to another; by id too, so that other months are not read."""
    return Call.objects.filter(
        condition,
        pk__gte=uuid7_floor(starts - CLOCKS),
        pk__lt=uuid7_floor(until + CLOCKS),
        admitted_at__gte=starts,
        admitted_at__lt=until,
    )


def _rows(
    where: Where, span: Span, columns: Sequence[str], begins: Sequence[datetime]
) -> list[Row]:
    """A row a group, as PostgreSQL gives it."""
    rows: QuerySet[Any, Any] = admitted(where.condition, span.starts, span.until)
    rows = rows.filter(**{_of_call(name): value for name, value in where.values.items()})
    if LABEL in columns:
        # joined, so that a year's records are read month by month and not call by call; each call has a first record
        first = [f"{_RECORD}.call = routing_call.id", f"{_RECORD}.no = 1"]
        rows = rows.extra(tables=[_RECORD], where=first)  # noqa: S610 - our own words
    names = {"step": _step(begins), **{f"in_{name}": _column(name) for name in columns}}
    counts = {f"n_{name}": _MEASURED[name]() for name in where.measures}
    named: QuerySet[Any, Any] = rows.order_by().annotate(**names).values(*names)
    found = named.annotate(**counts).values_list(*names, *counts)
    try:
        statement, given = found.query.sql_with_params()
    except EmptyResultSet:
        return []  # a reader without a team: Django sees that no call can fit
    if LABEL in columns:
        statement, given = _by_value(statement, names, counts), (where.label, *given)
    # as PostgreSQL gives them: over thousands of groups Django's conversions take longer than all the rest
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        return list(cursor.fetchall())


def _step(begins: Sequence[datetime]) -> Any:  # noqa: ANN401 - an expression of Django's
    if not begins:
        return Value(1)
    how = "width_bucket(routing_call.admitted_at, %s::timestamptz[])"
    return RawSQL(how, [list(begins)], output_field=IntegerField())  # noqa: S611 - our own words


def _by_value(inner: str, names: Iterable[str], counts: Iterable[str]) -> str:
    """Groups with the same labels become groups with the same value of one: it is read once for each group, not for each call."""
    label = f"in_{LABEL}"
    by = ", ".join(f"routing_label({name}, %s)" if name == label else name for name in names)
    of = ", ".join(f"sum({name})::bigint" for name in counts)
    numbers = ", ".join(str(number + 1) for number, _ in enumerate(names))
    return f"SELECT {by}, {of} FROM ({inner}) AS found GROUP BY {numbers}"  # noqa: S608 - our own words


def _of_call(name: str) -> str:
    return f"attempts__{name}" if name in _OF_ATTEMPT else name


def _column(name: str) -> Any:  # noqa: ANN401 - an expression of Django's
    if name == "revision":
        return Cast(name, TextField())
    if name == "service_tier":
        named = When(attempts__service_tier="", then=Value(STANDARD))
        return Case(named, default=F("attempts__service_tier"), output_field=TextField())
    if name != LABEL:
        return F(_of_call(name))
    return RawSQL(f"routing_labels({_RECORD}.facts)", [], output_field=BinaryField())  # noqa: S611 - our own words


def _tried_before(what: Sequence[str]) -> Exists:
    """Whether an earlier attempt of the same call went to the same model, provider or service tier."""
    same = {name: OuterRef(f"attempts__{name}") for name in what}
    before = Attempt.objects.filter(call=OuterRef("pk"), no__lt=OuterRef("attempts__no"))
    return Exists(before.filter(**same))


def _once(*before: str) -> Count:
    """The calls let in, each by its first attempt, or by the first at each model, provider or service tier.

    What is quickly asked and settles most rows stands first. A call that was denied has no attempt.
    """
    first = Q(attempts__no=1) | (Q(attempts__no__isnull=True) & _LET_IN)
    if before:
        first |= Q(attempts__no__gt=1) & ~Q(_tried_before(before))
    return Count("pk", filter=first)


def _spent() -> Cast:
    """As the ledger keeps it, a `bigint`: PostgreSQL's sum of them is a number of any length, which is slow to read."""
    whole = Coalesce(Sum(F("attempts__posted_nano") + F("attempts__overrun_nano")), 0)
    return Cast(whole, BigIntegerField())


_LET_IN: Final = ~Q(state="denied")
_MEASURED: Final[Mapping[str, Callable[[], Count | Cast]]] = {
    "spent_nano": _spent,
    "calls": _once,
    "of_model": lambda: _once("model"),
    "of_provider": lambda: _once("provider"),
    "of_tier": lambda: _once("service_tier"),
    "of_model_at_tier": lambda: _once("model", "service_tier"),
    "denied": lambda: Count("pk", filter=Q(attempts__no__isnull=True) & ~_LET_IN),
}
