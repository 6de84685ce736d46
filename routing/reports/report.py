"""The spend report: what calls cost, by one dimension and then another, beside the span before; from the attempts.

Every figure is a sum of `posted + overrun` of attempts, by the moment at which their call was asked for: the same sum
that the ledger's windows, the overview and a call's own page show.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from controlplane.kernel.ids import uuid7_floor
from routing.calls.models import Call
from routing.reports.spans import Span

DIMENSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "tenant": ("tenant",),
    "team": ("tenant", "team"),
    "route": ("tenant", "route"),
    "key": ("tenant", "key"),
    "model": ("attempts__model",),
    "provider": ("attempts__provider",),
}
"""What a line of the report can stand for, and the columns that tell it, from a call."""

Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: of which calls, by what and then by what ("" for no second), over which spans."""

    condition: Q
    span: Span
    before: Span
    by: str = "team"
    then: str = "route"


@dataclass(slots=True)
class Line:
    """One line; `name` are the words of its columns. Calls are those admitted; money in nano units."""

    name: Cells
    calls: int = 0
    spent_nano: int = 0
    before_nano: int = 0
    inside: "list[Line]" = field(default_factory=list)

    @property
    def title(self) -> str:
        """`insurance / claims`; `no model` where no attempt was made."""
        return " / ".join(part or "none" for part in self.name)


@dataclass(frozen=True, slots=True)
class Report:
    """The lines with the dearest first, and their sum. `denied` calls cost nothing and are in no line."""

    lines: tuple[Line, ...]
    total: Line
    denied: int


def report(asked: Question) -> Report:
    """Ask three times: this span, the span before, and how many were denied."""
    outer, inner = DIMENSIONS[asked.by], DIMENSIONS.get(asked.then, ())
    lines: dict[Cells, Line] = {}
    within: dict[tuple[Cells, Cells], Line] = {}
    for row in _sums(asked, asked.span, (*outer, *inner)):
        line, part = _find(lines, within, _cells(row, outer), _cells(row, inner))
        line.spent_nano += row["nano"] or 0
        part.spent_nano += row["nano"] or 0
        part.calls += row["number"]
    for row in _sums(asked, asked.before, (*outer, *inner)):
        line, part = _find(lines, within, _cells(row, outer), _cells(row, inner))
        line.before_nano += row["nano"] or 0
        part.before_nano += row["nano"] or 0
    for row in (
        _calls_in(asked, asked.span).values(*outer).annotate(number=Count("pk", distinct=True))
    ):
        lines[_cells(row, outer)].calls = row["number"]
    for line in lines.values():
        line.inside = _dearest(line.inside) if inner else []
    total = Line(
        (),
        _calls_in(asked, asked.span).count(),
        sum(line.spent_nano for line in lines.values()),
        sum(line.before_nano for line in lines.values()),
    )
    denied = _in_span(asked, asked.span).filter(state="denied").count()
    return Report(tuple(_dearest(lines.values())), total, denied)


def daily_by(asked: Question) -> tuple[tuple[date, ...], dict[tuple[date, str], int]]:
    """Every day of the span, and nano units by day and line of the first dimension; for the chart."""
    columns = DIMENSIONS[asked.by]
    rows = (
        _in_span(asked, asked.span)
        .annotate(day=TruncDate("admitted_at", tzinfo=asked.span.zone))
        .values("day", *columns)
        .annotate(nano=Sum(F("attempts__posted_nano") + F("attempts__overrun_nano")))
    )
    nano: dict[tuple[date, str], int] = defaultdict(int)
    for row in rows:
        if row["nano"]:
            nano[row["day"], Line(_cells(row, columns)).title] += row["nano"]
    days = tuple(asked.span.first + timedelta(days=n) for n in range(asked.span.days))
    return days, dict(nano)


def _in_span(asked: Question, span: Span) -> QuerySet[Call]:
    return Call.objects.filter(
        asked.condition, pk__gte=uuid7_floor(span.starts), pk__lt=uuid7_floor(span.until)
    )


def _calls_in(asked: Question, span: Span) -> QuerySet[Call]:
    return _in_span(asked, span).exclude(state="denied")


def _sums(asked: Question, span: Span, columns: Sequence[str]) -> Iterable[dict[str, Any]]:
    rows: Iterable[dict[str, Any]] = (
        _calls_in(asked, span)
        .values(*columns)
        .annotate(
            number=Count("pk", distinct=True),
            nano=Sum(F("attempts__posted_nano") + F("attempts__overrun_nano")),
        )
        .order_by()
    )
    return rows


def _cells(row: Mapping[str, Any], columns: Sequence[str]) -> Cells:
    return tuple(str(row[column] or "") for column in columns)


def _find(
    lines: dict[Cells, Line], within: dict[tuple[Cells, Cells], Line], outer: Cells, inner: Cells
) -> tuple[Line, Line]:
    line = lines.setdefault(outer, Line(outer))
    part = within.get((outer, inner))
    if part is None:
        # what the outer line says already is not said again
        part = within[outer, inner] = Line(inner[1:] if inner[:1] == outer[:1] else inner)
        line.inside.append(part)
    return line, part


def _dearest(lines: Iterable[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: (-line.spent_nano, -line.before_nano, line.name))
