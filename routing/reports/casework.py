"""What a finished case costs: the attempts of its call, and the time that people had it at the rate of its queue then.

A case belongs to the span that it was closed in. A call that had several counts its money once, with the first that closed.
Minutes are of the log: claims stand in entries alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from django.db.models import BigIntegerField, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value

from audit.log.read import of_calls
from policies.bundles.published import Published
from routing.calls.models import Attempt
from routing.reports.attributes import Attributes, attributes
from routing.reports.handling import KINDS, Act, Handled, handled, ranked
from routing.reports.hourly_rates import hourly_rates
from routing.reports.spans import Span, step_of
from routing.reviews.models import ReviewCase
from routing.reviews.steps import CLAIM

BY: Final = {"queue": "queue", "useCase": "use case", "route": "route", "tenant": "tenant"}
BY_PEOPLE: Final = ("approved", "edited", "redacted", "rejected")
"""How a case ends that a person finished; the others ended by themselves."""
_BEFORE: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Question:
    """Which cases, of which span of their closing, by what."""

    condition: Q
    span: Span
    by: str = "queue"
    grain: str = "day"
    fiscal: str = "01-01"


@dataclass(frozen=True, slots=True)
class Case:
    """One closed case; `model_nano` is what its call's attempts cost, 0 where an earlier case has that already.

    `people_nano` is what the time of people cost, each stretch at the rate of its day; `rated`: somebody said what that is.
    """

    name: tuple[str, ...]
    day: date
    outcome: str
    model_nano: int
    people_nano: int
    rated: bool
    told: Handled

    @property
    def finished(self) -> bool:
        """Whether a person decided it."""
        return self.outcome in BY_PEOPLE


@dataclass(slots=True)
class Line:
    """One line. Without an hourly rate (`unrated` counts such cases) the time of people is told and costs nothing."""

    name: tuple[str, ...]
    finished: int = 0
    alone: int = 0
    unrated: int = 0
    returned: int = 0
    lapsed: int = 0
    model_nano: int = 0
    people_nano: int = 0
    time: timedelta = timedelta()
    returned_time: timedelta = timedelta()
    lapsed_time: timedelta = timedelta()
    times: list[timedelta] = field(default_factory=list, repr=False)

    @property
    def cost_nano(self) -> int:
        """Models and people."""
        return self.model_nano + self.people_nano

    @property
    def each_nano(self) -> int | None:
        """What one finished case costs, rounded up; None where none is."""
        return -(-self.cost_nano // self.finished) if self.finished else None

    @property
    def median(self) -> timedelta:
        """Half of the finished cases took no longer."""
        return ranked(self.times, 50)

    @property
    def p90(self) -> timedelta:
        """Nine in ten of the finished cases took no longer."""
        return ranked(self.times, 90)

    def add(self, case: Case) -> None:
        """One more case."""
        self.finished += case.finished
        self.alone += not case.finished
        self.unrated += not case.rated
        self.model_nano += case.model_nano
        self.people_nano += case.people_nano
        self.time += case.told.time
        self.returned += case.told.returned
        self.returned_time += case.told.returned_time
        self.lapsed += case.told.lapsed
        self.lapsed_time += case.told.lapsed_time
        if case.finished:
            self.times.append(case.told.time)


@dataclass(frozen=True, slots=True)
class Casework:
    """The lines with the dearest first, their sum, and what models and people cost by step."""

    lines: tuple[Line, ...]
    total: Line
    steps: Mapping[tuple[date, str], int]


def casework(asked: Question, found: Published) -> Casework:
    """The figures, in three queries (cases, entries, versions of rates), or four where use cases are asked for."""
    lines: dict[tuple[str, ...], Line] = {}
    total, steps = Line(()), defaultdict[tuple[date, str], int](int)
    for case in cases(asked, found):
        for line in (lines.setdefault(case.name, Line(case.name)), total):
            line.add(case)
        day = step_of(case.day, asked.grain, asked.fiscal)
        steps[day, "models"] += case.model_nano
        steps[day, "people"] += case.people_nano
    ranked_lines = sorted(lines.values(), key=lambda one: (-one.cost_nano, one.name))
    return Casework(tuple(ranked_lines), total, dict(steps))


def cases(asked: Question, found: Published) -> Iterator[Case]:
    """Every closed case, in the order of their closing."""
    rows = list(_closed(asked))
    known = attributes() if asked.by == "useCase" else Attributes()
    acts, rates = _acts(asked, rows), hourly_rates(found)
    for row in rows:
        told = handled(acts.get(row.id.hex, ()), row.closed_at, CLAIM)
        queue = (row.queue_tenant, row.queue)
        yield Case(
            name=_name(asked.by, row, known),
            day=row.closed_at.astimezone(asked.span.zone).date(),
            outcome=row.outcome,
            model_nano=0 if row.later else int(row.spent or 0),
            people_nano=rates.cost_nano(*queue, told.worked),
            rated=bool(rates.nano(*queue, row.closed_at)),
            told=told,
        )


def _closed(asked: Question) -> "QuerySet[Any]":
    before = ReviewCase.objects.filter(call=OuterRef("call"), closed_at__isnull=False).filter(
        Q(closed_at__lt=OuterRef("closed_at"))
        | Q(closed_at=OuterRef("closed_at"), pk__lt=OuterRef("pk"))
    )
    of_call = Attempt.objects.filter(call=OuterRef("call")).order_by().values(all=Value(1))
    spent = of_call.annotate(nano=Sum(F("posted_nano") + F("overrun_nano"))).values("nano")
    return (
        _in_span(asked)
        .annotate(later=Exists(before), spent=Subquery(spent, output_field=BigIntegerField()))
        .order_by("closed_at", "id")
    )


def _in_span(asked: Question) -> "QuerySet[ReviewCase]":
    span = asked.span
    return ReviewCase.objects.filter(
        asked.condition, closed_at__gte=span.starts, closed_at__lt=span.until
    )


def _acts(asked: Question, rows: Iterable[Any]) -> Mapping[str, list[Act]]:
    """What was done with each case, by its id."""
    opened = [row.opened_at for row in rows]
    if not opened:
        return {}
    found: dict[str, list[Act]] = defaultdict(list)
    calls = _in_span(asked).values_list("call", flat=True)
    span = min(opened) - _BEFORE, asked.span.until + _BEFORE
    for line in of_calls(calls, KINDS, span):
        act = Act(line.kind.name, line.actor, line.recorded_at)
        found[line.subject.removeprefix("review:")].append(act)
    return found


def _name(by: str, row: ReviewCase, known: Attributes) -> tuple[str, ...]:
    match by:
        case "queue":
            return (row.queue_tenant, row.queue)
        case "useCase":
            return (row.tenant, known.of_route(row.tenant, row.route, row.revision)[0])
        case "route":
            return (row.tenant, row.route)
        case _:
            return (row.tenant,)
