"""The spend report: what calls cost, by one dimension and then another, beside another span; from the attempts.

Every figure is a sum of `posted + overrun` of attempts, by the moment at which their call was admitted: the same sum
that the ledger's windows, the overview and a call's own page show.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from django.db.models import Q

from audit.vault.keys import subject_of_user
from routing.reports.attributes import Attributes, attributes
from routing.reports.dimensions import DIMENSIONS, UNALLOCATED, Cells, cells_of, title_of
from routing.reports.spans import Span, step_of, steps
from routing.reports.splitting import Part, split
from routing.reports.sums import Figures, Key, Where, gather

_DERIVED = ("costCentre", "useCase", "task")
_COMPARED_HERE = (*_DERIVED, "label", "user")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: of which calls, by what and then by what ("" for no second), over which spans.

    `only` narrows to exact values by dimension; `label` is the name of the label where one is asked for. `before` is None
    where nothing is compared. `grain` are the steps of the chart; `shared` is how what no line owns is laid over the others.
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


@dataclass(slots=True)
class Line:
    """One line; `name` are the words of its columns. Calls are those admitted; money in nano units.

    `shared_nano` is the part of others' cost that was laid on it, which is not in `spent_nano`.
    """

    name: Cells
    title: str = ""
    calls: int = 0
    spent_nano: int = 0
    before_nano: int = 0
    shared_nano: int = 0
    inside: "list[Line]" = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Report:
    """The lines with the dearest first, and their sum. `denied` calls cost nothing and are in no line.

    `unallocated` is all of what no cost centre, use case, task, label, user or run is known of, where there is any.
    """

    lines: tuple[Line, ...]
    total: Line
    denied: int
    unallocated: Line | None = None


@dataclass(slots=True)
class _Table:
    """The lines as they come together."""

    asked: Question
    known: Attributes
    lines: dict[Cells, Line] = field(default_factory=dict)
    within: dict[tuple[Cells, Cells], Line] = field(default_factory=dict)
    total: Line = field(default_factory=lambda: Line(()))
    denied: int = 0

    def places(self, raw: Mapping[str, str]) -> tuple[Cells, Cells]:
        """The line, and the line inside it, of one row."""
        inner = cells_of(self.asked.then, raw, self.known) if self.asked.then else ()
        return cells_of(self.asked.by, raw, self.known), inner

    def find(self, outer: Cells, inner: Cells) -> tuple[Line, Line]:
        """Both lines; made where they are new."""
        line = self.lines.setdefault(outer, Line(outer, title_of(self.asked.by, outer)))
        part = self.within.get((outer, inner))
        if part is None:
            # what the outer line says already is not said again
            short = inner[1:] if inner[:1] == outer[:1] and len(inner) > 1 else inner
            part = Line(short, title_of(self.asked.then, short) if inner else "")
            self.within[outer, inner] = part
            line.inside.append(part)
        return line, part


def report(asked: Question) -> Report:
    """Ask twice: of this span, and of the span before."""
    known = attributes() if _needs_documents(asked) else Attributes()
    table = _Table(asked, known)
    outer, inner = _counted(asked, asked.by), _counted(asked, asked.by, asked.then)
    whole = _counted(asked)
    measures = {outer, inner, whole}
    for raw, told in _rows(asked, asked.span, known, (*measures, "denied")):
        table.denied += told.denied
        if not told.spent_nano and not any(getattr(told, measure) for measure in measures):
            continue
        line, part = table.find(*table.places(raw))
        for one, measure in ((line, outer), (part, inner), (table.total, whole)):
            one.spent_nano += told.spent_nano
            one.calls += getattr(told, measure)
    for raw, told in _rows(asked, asked.before, known, ()) if asked.before else ():
        if told.spent_nano:
            for one in (*table.find(*table.places(raw)), table.total):
                one.before_nano += told.spent_nano
    return _told(table)


def _told(table: _Table) -> Report:
    asked = table.asked
    for line in table.lines.values():
        line.inside = dearest(line.inside) if asked.then else []
    lines = dearest(table.lines.values())
    # of a dimension that has a tenant in its name there is a line for each tenant
    without = [line for line in lines if asked.by in UNALLOCATED and not line.name[-1]]
    others = [line for line in lines if line not in without]
    parts = [Part(line.calls, line.spent_nano) for line in others]
    for alone in without if asked.shared else ():
        for line, more in zip(others, split(alone.spent_nano, parts, asked.shared), strict=True):
            line.shared_nano += more
            alone.shared_nano -= more
    return Report(tuple(lines), table.total, table.denied, _together(without))


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
    )


def chart_of(asked: Question) -> tuple[tuple[date, ...], dict[tuple[date, str], int]]:
    """Every step of the span, and nano units by step and line of the first dimension; of users and runs all together."""
    known = attributes() if _needs_documents(asked) else Attributes()
    by = "" if asked.by in ("user", "run") else asked.by
    found = _Found(asked, known, _needed(asked, by), ("spent_nano",))
    nano: dict[tuple[date, str], int] = defaultdict(int)
    for day, raw, told in found.rows(asked.span, daily=True):
        if told.spent_nano and day is not None:
            title = title_of(by, cells_of(by, raw, known)) if by else f"every {asked.by}"
            nano[step_of(day, asked.grain, asked.fiscal), title] += told.spent_nano
    return steps(asked.span, asked.grain, asked.fiscal), dict(nano)


def _rows(
    asked: Question, span: Span, known: Attributes, counts: Sequence[str]
) -> Iterator[tuple[dict[str, str], Figures]]:
    columns = _needed(asked, asked.by, asked.then)
    found = _Found(asked, known, columns, ("spent_nano", *counts))
    return ((raw, told) for _, raw, told in found.rows(span, daily=False))


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows whose values are those asked for; what documents or labels say is compared here, not in the database."""

    asked: Question
    known: Attributes
    columns: Sequence[str]
    measures: Sequence[str]

    def rows(
        self, span: Span, *, daily: bool
    ) -> Iterator[tuple[date | None, dict[str, str], Figures]]:
        only = self.asked.only
        plain = {n: v for n, v in only.items() if n not in _COMPARED_HERE}
        if only.get("user") and only.get("tenant"):
            plain["user_ref"] = subject_of_user(only["tenant"], only["user"])
        here = {name: value for name, value in only.items() if name in _COMPARED_HERE}
        where = Where(self.asked.condition, plain, self.asked.label, self.measures)
        found: Mapping[Key, Figures] = gather(where, span, self.columns, daily=daily)
        for (day, values), told in found.items():
            raw = dict(zip(self.columns, values, strict=True))
            if all(cells_of(name, raw, self.known)[-1] == value for name, value in here.items()):
                yield day, raw, told


def _needed(asked: Question, *dimensions: str) -> tuple[str, ...]:
    names = [*dimensions, *(name for name in asked.only if name in _COMPARED_HERE)]
    return tuple(dict.fromkeys(c for name in names if name for c in DIMENSIONS[name].columns))


def _needs_documents(asked: Question) -> bool:
    return any(name in _DERIVED for name in (asked.by, asked.then, *asked.only))


def _counted(asked: Question, *dimensions: str) -> str:
    """How calls are counted where lines are told apart by models, by providers, or by neither."""
    kinds = {DIMENSIONS[name].calls for name in (*dimensions, *asked.only) if name}
    return next((kind for kind in ("of_model", "of_provider") if kind in kinds), "calls")


def dearest(lines: Iterable[Line]) -> list[Line]:
    """The dearest first."""
    return sorted(lines, key=lambda line: (-line.spent_nano, -line.before_nano, line.name))
