"""The spend report: what calls cost, by one dimension and then another, beside another span; from the attempts.

Every figure is a sum of `posted + overrun` of attempts, by the moment at which their call was admitted: the same sum
that the ledger's windows, the overview and a call's own page show. Shadow runs are part of it, told apart: their money
stays in every sum, and no count of calls has them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from django.db.models import Q

from audit.vault.keys import subject_of_user
from routing.beside.read import OF_A_CALL
from routing.reports.attributes import Attributes, attributes
from routing.reports.budgeted import Scope, scope_of
from routing.reports.dimensions import (
    DIMENSIONS,
    LABEL,
    UNALLOCATED,
    UNRECORDED,
    Cells,
    Teller,
    teller,
    title_of,
)
from routing.reports.shadow_runs import among
from routing.reports.spans import Span, begin, steps
from routing.reports.splitting import Part, split
from routing.reports.sums import Row, Where, gather

_DERIVED = ("costCentre", "useCase", "task")
_COMPARED_HERE = (*_DERIVED, "label", "user", "serviceTier")
SHADOW: Final[Mapping[str, Q]] = {"": Q(), "only": OF_A_CALL, "without": ~OF_A_CALL}
"""Which rows count, by what is asked of shadow runs."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: of which calls, by what and then by what ("" for no second), over which spans.

    `only` narrows to exact values by dimension; `label` is the name of the label where one is asked for. `before` is None
    where nothing is compared; `limits` are budgets to compare with instead. `grain` are the steps of the chart, "" where none is
    drawn; `shared` is how what no line owns is laid over the others. `shadow` is "only" for shadow runs alone, "without" for all
    but them.
    """

    condition: Q
    span: Span
    before: Span | None
    by: str = "team"
    then: str = "route"
    only: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    grain: str = "day"
    fiscal: str = "01-01"
    shared: str = ""
    compare: str = "previous"
    shadow: str = ""
    limits: Mapping[Scope, int] | None = None


@dataclass(slots=True)
class Line:
    """One line; `name` are the words of its columns, `by` what it is a line of. Calls are those admitted; money in nano units.

    `shadow_runs` are no calls, but what they cost, `shadow_nano`, is in `spent_nano`. `shared_nano` is the part of others' cost
    that was laid on it, which is not.
    """

    name: Cells
    by: str = ""
    calls: int = 0
    spent_nano: int = 0
    before_nano: int = 0
    shared_nano: int = 0
    shadow_runs: int = 0
    shadow_nano: int = 0
    parts: "_Parts | None" = field(default=None, repr=False, compare=False)

    @property
    def inside(self) -> "list[Line]":
        """By the second dimension, the dearest first; of none there are none."""
        return self.parts.lines if self.parts else []

    @property
    def title(self) -> str:
        """In words for people."""
        return title_of(self.by, self.name) if self.by else ""

    @property
    def readable(self) -> bool:
        """Whether its name says whose it is, or that it is nobody's; not where a label was committed."""
        return self.by != LABEL or self.name[-1:] != (UNRECORDED,)

    def set_apart(self, runs: int, nano: int) -> None:
        """Count that many of its calls as shadow runs, and tell what of its spend they cost."""
        self.calls -= runs
        self.shadow_runs += runs
        self.shadow_nano += nano


@dataclass(frozen=True, slots=True)
class Report:
    """The lines with the dearest first, and their sum. `denied` calls cost nothing and are in no line.

    `unallocated` is all of what no cost centre, use case, task, label, user or run is known of, where there is any;
    `unreadable` is the line of the calls whose labels were committed, which is no value and is laid on nobody.
    `steps` and `chart` are there where the question has a grain: the first day of every step of the span, and nano units by
    step and line of the first dimension; of users and runs all together.
    """

    lines: tuple[Line, ...]
    total: Line
    denied: int
    unallocated: Line | None = None
    unreadable: Line | None = None
    steps: tuple[date, ...] = ()
    chart: Mapping[tuple[date, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a row is read: what tells its line and the part of it, and where its figures stand."""

    asked: Question
    outer: Teller
    inner: Teller
    measures: tuple[str, ...]
    first: int
    """Where the measures begin."""

    @classmethod
    def of(cls, asked: Question, known: Attributes, columns: Sequence[str]) -> "_Reading":
        places = ("step", *columns)
        outer = teller(asked.by, places, known)
        inner = teller(asked.then, places, known) if asked.then else _nothing
        counts = _counted(asked, asked.by), _counted(asked, asked.by, asked.then), _counted(asked)
        measures = "spent_nano", "denied", *dict.fromkeys(counts)
        return cls(asked, outer, inner, measures, len(places))

    def calls(self, *dimensions: str) -> int:
        """Where the calls of a line of these dimensions stand."""
        return self.first + self.measures.index(_counted(self.asked, *dimensions))


@dataclass(slots=True)
class _Parts:
    """The rows that a line is the sum of. Its parts are made of them once asked for: most lines of thousands nobody opens."""

    reading: _Reading
    name: Cells
    rows: list[Row] = field(default_factory=list)
    apart: list[Row] = field(default_factory=list)
    before: list[Row] = field(default_factory=list)
    made: list[Line] | None = None

    @property
    def lines(self) -> list[Line]:
        """The dearest first."""
        if self.made is None:
            self.made = dearest(self._lines())
        return self.made

    def _lines(self) -> Iterable[Line]:
        asked, found = self.reading.asked, dict[Cells, Line]()
        spent, calls = self.reading.first, self.reading.calls(asked.by, asked.then)
        for row in self.rows:
            line = self._line(found, row)
            line.spent_nano += row[spent]
            line.calls += row[calls]
        for row in self.apart:
            self._line(found, row).set_apart(row[calls], row[spent])
        for row in self.before:
            self._line(found, row).before_nano += row[-1]
        return found.values()

    def _line(self, found: dict[Cells, Line], row: Row) -> Line:
        inner = self.reading.inner(row)
        line = found.get(inner)
        if line is None:
            # what the outer line says already is not said again
            short = inner[1:] if inner[:1] == self.name[:1] and len(inner) > 1 else inner
            line = found[inner] = Line(short, self.reading.asked.then)
        return line


@dataclass(slots=True)
class _Table:
    """The lines as they come together, and the chart."""

    reading: _Reading
    lines: dict[Cells, Line] = field(default_factory=dict)
    total: Line = field(default_factory=lambda: Line(()))
    denied: int = 0
    chart: dict[tuple[int, Cells], int] = field(default_factory=lambda: defaultdict(int))

    def fill(self, rows: Iterable[Row], *, charted: bool) -> None:
        """With those of the span that is asked for."""
        reading, total, together = self.reading, self.total, self.together
        spent_at, denied_at, counts_at = (reading.first + n for n in range(3))
        of_line, of_all = reading.calls(reading.asked.by), reading.calls()
        # thousands of runs go through here: nothing is looked up by name, and of a line nothing is made but its sum
        for row in rows:
            spent = row[spent_at]
            self.denied += row[denied_at]
            if not spent and not any(row[counts_at:]):
                continue
            line = self._line(row)
            line.spent_nano += spent
            line.calls += row[of_line]
            if line.parts:
                line.parts.rows.append(row)
            total.spent_nano += spent
            total.calls += row[of_all]
            if spent and charted:
                self.chart[row[0] - 1, () if together else line.name] += spent

    def set_apart(self, rows: Iterable[Row]) -> None:
        """Those of shadow runs: nobody asked for these calls."""
        reading = self.reading
        spent_at, denied_at, counts_at = (reading.first + n for n in range(3))
        of_line, of_all = reading.calls(reading.asked.by), reading.calls()
        for row in rows:
            spent = row[spent_at]
            self.denied -= row[denied_at]
            if not spent and not any(row[counts_at:]):
                continue
            line = self._line(row)
            line.set_apart(row[of_line], spent)
            self.total.set_apart(row[of_all], spent)
            if line.parts:
                line.parts.apart.append(row)

    def compare(self, rows: Iterable[Row]) -> None:
        """With those of the span before."""
        for row in rows:
            spent = row[-1]
            if spent:
                line = self._line(row)
                line.before_nano += spent
                if line.parts:
                    line.parts.before.append(row)
                self.total.before_nano += spent

    def _line(self, row: Row) -> Line:
        name = self.reading.outer(row)
        line = self.lines.get(name)
        if line is None:
            asked = self.reading.asked
            parts = _Parts(self.reading, name) if asked.then else None
            line = self.lines[name] = Line(name, asked.by, parts=parts)
        return line

    def drawn(self, days: Sequence[date]) -> dict[tuple[date, str], int]:
        """The chart by the first day of a step and the title of a line; lines of the same title are one."""
        whole = f"every {self.reading.asked.by}"
        titles = (
            {name: line.title for name, line in self.lines.items()} if not self.together else {}
        )
        chart: dict[tuple[date, str], int] = defaultdict(int)
        for (number, name), nano in self.chart.items():
            chart[days[number], titles.get(name, whole)] += nano
        return dict(chart)

    @property
    def together(self) -> bool:
        """Whether the chart has all lines as one: there are too many users and runs to tell apart by colour."""
        return self.reading.asked.by in ("user", "run")


def report(asked: Question) -> Report:
    """Ask of this span, by the steps of the chart too; of the shadow runs in it; and of the span before."""
    known = attributes() if _needs_documents(asked) else Attributes()
    columns = _needed(asked)
    days = steps(asked.span, asked.grain, asked.fiscal) if asked.grain else ()
    reading, found = _Reading.of(asked, known, columns), _Found(asked, known, columns)
    table = _Table(reading)
    table.fill(found.rows(asked.span, reading.measures, days), charted=bool(days))
    if asked.shadow != "without" and (runs := among(asked.span)):
        beside = replace(found, asked=replace(asked, condition=asked.condition & runs))
        table.set_apart(beside.rows(asked.span, reading.measures))
    if asked.before is not None:
        table.compare(found.rows(asked.before, ("spent_nano",)))
    told = _told(table, days)
    if asked.limits is not None:
        _limited(told, asked, asked.limits)
    return told


def _limited(told: Report, asked: Question, limits: Mapping[Scope, int]) -> None:
    """What each line is compared with is its budget, where there is one."""

    def limit(*parts: tuple[str, Cells]) -> int:
        scope = scope_of(asked.only, parts)
        return limits.get(scope, 0) if scope is not None else 0

    told.total.before_nano = limit()
    for line in told.lines:
        line.before_nano = limit((asked.by, line.name))
        for part in line.inside:
            part.before_nano = limit((asked.by, line.name), (asked.then, part.name))


def _nothing(_: Sequence[Any]) -> Cells:
    return ()


def _told(table: _Table, days: tuple[date, ...]) -> Report:
    asked = table.reading.asked
    lines = dearest(table.lines.values())
    # of a dimension that has a tenant in its name there is a line for each tenant
    without = [line for line in lines if asked.by in UNALLOCATED and not line.name[-1]]
    if asked.shared:
        _lay(asked.shared, without, [line for line in lines if line.name[-1] and line.readable])
    return Report(
        tuple(lines),
        table.total,
        table.denied,
        _together(without),
        next((line for line in lines if not line.readable), None) if asked.by == LABEL else None,
        days,
        table.drawn(days),
    )


def _lay(key: str, without: Iterable[Line], others: Sequence[Line]) -> None:
    """What has no owner over the lines that are owners."""
    parts = [Part(line.calls, line.spent_nano) for line in others]
    for alone in without:
        for line, more in zip(others, split(alone.spent_nano, parts, key), strict=True):
            line.shared_nano += more
            alone.shared_nano -= more


def _together(lines: Sequence[Line]) -> Line | None:
    """Several lines as one; None for none."""
    if not lines:
        return None
    return Line(
        ("",),
        calls=sum(line.calls for line in lines),
        spent_nano=sum(line.spent_nano for line in lines),
        before_nano=sum(line.before_nano for line in lines),
        shared_nano=sum(line.shared_nano for line in lines),
        shadow_runs=sum(line.shadow_runs for line in lines),
        shadow_nano=sum(line.shadow_nano for line in lines),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows whose values are those asked for; what documents or labels say is compared here, not in the database."""

    asked: Question
    known: Attributes
    columns: Sequence[str]

    def rows(self, span: Span, measures: Sequence[str], days: Sequence[date] = ()) -> Iterable[Row]:
        """By the number of the step that begins on one of these days, and the values of the columns."""
        only = self.asked.only
        plain = {n: v for n, v in only.items() if n not in _COMPARED_HERE}
        if only.get("user") and only.get("tenant"):
            plain["user_ref"] = subject_of_user(only["tenant"], only["user"])
        condition = self.asked.condition & SHADOW[self.asked.shadow]
        where = Where(condition, plain, self.asked.label, measures)
        here = [
            (teller(name, ("step", *self.columns), self.known), value)
            for name, value in only.items()
            if name in _COMPARED_HERE
        ]
        found = gather(where, span, self.columns, [begin(day, span.zone) for day in days])
        if not here:
            return found
        return (row for row in found if all(tell(row)[-1] == value for tell, value in here))


def _needed(asked: Question) -> tuple[str, ...]:
    names = (asked.by, asked.then, *(name for name in asked.only if name in _COMPARED_HERE))
    return tuple(dict.fromkeys(c for name in names if name for c in DIMENSIONS[name].columns))


def _needs_documents(asked: Question) -> bool:
    return any(name in _DERIVED for name in (asked.by, asked.then, *asked.only))


def _counted(asked: Question, *dimensions: str) -> str:
    """How calls are counted where lines are told apart by models, providers or service tiers, or by none of them."""
    kinds = {DIMENSIONS[name].calls for name in (*dimensions, *asked.only) if name}
    if "of_tier" in kinds and kinds & {"of_model", "of_provider"}:
        return "of_model_at_tier"
    return next((kind for kind in ("of_model", "of_provider", "of_tier") if kind in kinds), "calls")


def dearest(lines: Iterable[Line]) -> list[Line]:
    """The dearest first."""
    return sorted(lines, key=lambda line: (-line.spent_nano, -line.before_nano, line.name))
