"""The spend report: what calls cost, by one dimension and then another, beside another span; from the attempts.

Every figure is a sum of `posted + overrun` of attempts, by the moment at which their call was admitted: the same sum
that the ledger's windows, the overview and a call's own page show. Shadow runs are part of it, told apart: their money
stays in every sum, and no count of calls has them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from django.db.models import Q

from audit.vault.keys import subject_of_user
from routing.beside.read import OF_A_CALL
from routing.reports.attributes import Attributes, attributes
from routing.reports.dimensions import (
    DIMENSIONS,
    LABEL,
    UNALLOCATED,
    UNRECORDED,
    Cells,
    Teller,
    Values,
    teller,
    title_of,
)
from routing.reports.shadow_runs import among
from routing.reports.spans import Span, begin, steps
from routing.reports.splitting import Part, split
from routing.reports.sums import Group, Where, gather

_DERIVED = ("costCentre", "useCase", "task")
_COMPARED_HERE = (*_DERIVED, "label", "user", "serviceTier")
SHADOW: Final[Mapping[str, Q]] = {"": Q(), "only": OF_A_CALL, "without": ~OF_A_CALL}
"""Which rows count, by what is asked of shadow runs."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: of which calls, by what and then by what ("" for no second), over which spans.

    `only` narrows to exact values by dimension; `label` is the name of the label where one is asked for. `before` is None
    where nothing is compared. `grain` are the steps of the chart, "" where none is drawn; `shared` is how what no line owns is
    laid over the others. `shadow` is "only" for shadow runs alone, "without" for all but them.
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
    inside: "list[Line]" = field(default_factory=list)

    @property
    def title(self) -> str:
        """In words for people."""
        return title_of(self.by, self.name) if self.by else ""

    @property
    def readable(self) -> bool:
        """Whether its name says whose it is, or that it is nobody's; not where a label was committed."""
        return self.by != LABEL or self.name[-1:] != (UNRECORDED,)


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


@dataclass(slots=True)
class _Table:
    """The lines as they come together, and the chart."""

    asked: Question
    outer: Teller
    inner: Teller
    lines: dict[Cells, Line] = field(default_factory=dict)
    within: dict[tuple[Cells, Cells], Line] = field(default_factory=dict)
    known: dict[Values, tuple[Line, Line]] = field(default_factory=dict)
    total: Line = field(default_factory=lambda: Line(()))
    denied: int = 0
    chart: dict[tuple[int, Cells], int] = field(default_factory=lambda: defaultdict(int))

    def find(self, values: Values) -> tuple[Line, Line]:
        """The line, and the line inside it, of the values of one row; made where they are new."""
        found = self.known.get(values)
        if found is None:
            found = self.known[values] = self._made(self.outer(values), self.inner(values))
        return found

    def _made(self, outer: Cells, inner: Cells) -> tuple[Line, Line]:
        line = self.lines.get(outer)
        if line is None:
            line = self.lines[outer] = Line(outer, self.asked.by)
        part = self.within.get((outer, inner))
        if part is None:
            # what the outer line says already is not said again
            short = inner[1:] if inner[:1] == outer[:1] and len(inner) > 1 else inner
            part = self.within[outer, inner] = Line(short, self.asked.then)
            line.inside.append(part)
        return line, part

    def drawn(self, days: Sequence[date]) -> dict[tuple[date, str], int]:
        """The chart by the first day of a step and the title of a line; lines of the same title are one."""
        whole = f"every {self.asked.by}"
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
        return self.asked.by in ("user", "run")


def report(asked: Question) -> Report:
    """Ask of this span, by the steps of the chart too; of the shadow runs in it; and of the span before."""
    known = attributes() if _needs_documents(asked) else Attributes()
    columns = _needed(asked)
    inner = teller(asked.then, columns, known) if asked.then else _nothing
    table = _Table(asked, teller(asked.by, columns, known), inner)
    days = steps(asked.span, asked.grain, asked.fiscal) if asked.grain else ()
    found = _Found(asked, known, columns)
    _fill(table, found, days)
    if asked.shadow != "without" and (runs := among(asked.span)):
        _set_apart(table, replace(found, asked=replace(asked, condition=asked.condition & runs)))
    if asked.before is not None:
        for _, values, (spent,) in found.rows(asked.before, ("spent_nano",)):
            if spent:
                for one in (*table.find(values), table.total):
                    one.before_nano += spent
    return _told(table, days)


def _nothing(_: Values) -> Cells:
    return ()


def _fill(table: _Table, found: "_Found", days: Sequence[date]) -> None:
    asked, together = table.asked, table.together
    measures, (of_line, of_part, of_all) = _measures(asked)
    # thousands of runs go through here: nothing is looked up by name
    for number, values, told in found.rows(asked.span, measures, days):
        spent = told[0]
        table.denied += told[1]
        if not spent and not any(told[2:]):
            continue
        line, part = table.find(values)
        line.spent_nano += spent
        line.calls += told[of_line]
        part.spent_nano += spent
        part.calls += told[of_part]
        table.total.spent_nano += spent
        table.total.calls += told[of_all]
        if spent and days:
            table.chart[number, () if together else line.name] += spent


def _set_apart(table: _Table, found: "_Found") -> None:
    """Nobody asked for these calls: they leave the counts, and of the spend it is told what they cost."""
    measures, counts = _measures(table.asked)
    for _, values, told in found.rows(table.asked.span, measures):
        table.denied -= told[1]
        if not told[0] and not any(told[2:]):
            continue
        for one, number in zip((*table.find(values), table.total), counts, strict=True):
            one.calls -= told[number]
            one.shadow_runs += told[number]
            one.shadow_nano += told[0]


def _measures(asked: Question) -> tuple[tuple[str, ...], tuple[int, int, int]]:
    """What is measured, and where the calls of a line, of a part of it and of all stand among that."""
    of_line, of_part = _counted(asked, asked.by), _counted(asked, asked.by, asked.then)
    of_all = _counted(asked)
    measures = ("spent_nano", "denied", *dict.fromkeys((of_line, of_part, of_all)))
    return measures, (measures.index(of_line), measures.index(of_part), measures.index(of_all))


def _told(table: _Table, days: tuple[date, ...]) -> Report:
    asked = table.asked
    for line in table.lines.values():
        if not asked.then:
            line.inside = []
        elif len(line.inside) > 1:
            line.inside = dearest(line.inside)
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

    def rows(
        self, span: Span, measures: Sequence[str], days: Sequence[date] = ()
    ) -> Iterator[Group]:
        """By the number of the step that begins on one of these days, and the values of the columns."""
        only = self.asked.only
        plain = {n: v for n, v in only.items() if n not in _COMPARED_HERE}
        if only.get("user") and only.get("tenant"):
            plain["user_ref"] = subject_of_user(only["tenant"], only["user"])
        condition = self.asked.condition & SHADOW[self.asked.shadow]
        where = Where(condition, plain, self.asked.label, measures)
        here = [
            (teller(name, self.columns, self.known), value)
            for name, value in only.items()
            if name in _COMPARED_HERE
        ]
        found = gather(where, span, self.columns, [begin(day, span.zone) for day in days])
        if not here:
            return found
        return (
            group for group in found if all(tell(group[1])[-1] == value for tell, value in here)
        )


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
