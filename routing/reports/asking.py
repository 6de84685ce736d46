"""What a report's address asks for, and the report as a file: pages and API both begin here."""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from io import StringIO
from typing import Final

from audit.export import cell
from controlplane.kernel.money import format_nano
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.bundles.published import Published
from policies.engine.calendar import zone as zone_named
from routing.reports.access import spend_of
from routing.reports.budgeted import limits
from routing.reports.dimensions import DIMENSIONS, LABEL, Cells
from routing.reports.report import SHADOW, Question, Report
from routing.reports.spans import (
    GRAINS,
    Span,
    before,
    between,
    grain_for,
    span_of,
    year_before,
)
from routing.reports.splitting import KEYS

BY: Final = {name: one.word for name, one in DIMENSIONS.items()}
COMPARED: Final = {
    "previous": "the span before",
    "year": "a year earlier",
    "budget": "budgets",
    "-": "nothing",
}
NONE: Final = "-"
"""What an address says for "without": a route without a task, a call without a user."""
_NAME: Final = re.compile(r"[^\x00-\x1f]{1,64}")


@dataclass(frozen=True, slots=True)
class _Calendar:
    """Whose days: those of the one tenant that is asked for, else the organisation's."""

    now: datetime
    found: Published
    tenant: str

    @property
    def spec(self) -> Mapping[str, object]:
        document = self.found.find("Tenant", ORGANISATION, self.tenant) if self.tenant else None
        own = {name: value for name, value in (document.spec if document else {}).items() if value}
        return {**self.found.organisation, **own}

    @property
    def fiscal(self) -> str:
        return str(self.spec.get("fiscalYearStartsOn") or "01-01")

    def span(self, asked: Mapping[str, str]) -> tuple[Span, str]:
        period, first, last = (asked.get(name, "") for name in ("period", "from", "to"))
        zone, now = zone_named(str(self.spec.get("timeZone") or "UTC")), self.now
        if first or last:
            try:
                ends = _day(last) if last else now.astimezone(zone).date()
                return between(_day(first or last), ends, now, zone), ""
            except ValueError as error:
                return span_of("month", now, zone), str(error)
        return span_of(period, now, zone, self.fiscal), ""


def _day(text: str) -> date:
    """Raises ValueError with words for people."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f'"{text[:20]}" is no day; write it like 2026-11-29') from None


def question(
    asked: Mapping[str, str], principal: Principal, found: Published, now: datetime
) -> tuple[Question, str]:
    """What an address asks for, and in words what of it could not be used: this month stands there instead."""
    calendar = _Calendar(now, found, asked.get("tenant", ""))
    span, trouble = calendar.span(asked)
    label = _label(asked, found)
    by = _choice(asked.get("by", ""), label) or "team"
    then = _choice(asked.get("then", "" if by == "route" else "route"), label)
    grain = asked.get("group", "")
    compare = asked.get("compare", "")
    compare = compare if compare in COMPARED else "previous"
    shadow = asked.get("shadow", "")
    shared = asked.get("split", "")
    return (
        Question(
            condition=spend_of(principal),
            span=span,
            before=_before(span, compare, "" if trouble else _period(asked)),
            by=by,
            then="" if then == by else then,
            only=_only(asked, label),
            label=label,
            grain=grain if grain in GRAINS else grain_for(span),
            fiscal=calendar.fiscal,
            shared=shared if shared in KEYS else "",
            compare=compare,
            shadow=shadow if shadow in SHADOW else "",
            limits=limits(principal, found, "" if trouble else _period(asked), span)
            if compare == "budget"
            else None,
        ),
        trouble,
    )


def labels_of(found: Published) -> list[str]:
    """The labels that documents require or that scopes name, sorted: their values are recorded."""
    names: set[str] = set()
    for document in found.documents:
        names |= {one["name"] for one in document.spec.get("requiredLabels") or ()}
        scope = document.spec.get("scope")
        names |= set((scope.get("labels") if isinstance(scope, Mapping) else None) or ())
    return sorted(names)


def _label(asked: Mapping[str, str], found: Published) -> str:
    name = asked.get("label", "")
    if _NAME.fullmatch(name):
        return name
    return next(iter(labels_of(found)), "")


def _choice(name: str, label: str) -> str:
    return name if name in DIMENSIONS and (name != LABEL or label) else ""


def _period(asked: Mapping[str, str]) -> str:
    """The period that is asked for by its name; `days` where days are."""
    return "days" if asked.get("from") or asked.get("to") else asked.get("period", "")


def _before(span: Span, compare: str, period: str) -> Span | None:
    if compare == "year":
        return year_before(span)
    return before(span, period) if compare == "previous" else None


def _only(asked: Mapping[str, str], label: str) -> dict[str, str]:
    """Exact values by dimension; a label's value is in `value`."""
    names = {name: name for name in DIMENSIONS if name != LABEL} | (
        {LABEL: "value"} if label else {}
    )
    found = {name: asked[key] for name, key in names.items() if asked.get(key)}
    return {name: "" if value == NONE else value for name, value in found.items()}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the whole table, for files: the cells of both dimensions, and the figures."""

    outer: Cells
    title: str
    inner: Cells
    inner_title: str
    calls: int
    spent_nano: int
    before_nano: int
    shadow_runs: int
    shadow_nano: int


def rows_of(told: Report) -> Iterator[Row]:
    """Every innermost line of a report; their spend is its total."""
    for line in told.lines:
        for part in line.inside or [line]:
            yield Row(
                outer=line.name,
                title=line.title,
                inner=part.name if line.inside else (),
                inner_title=part.title if line.inside else "",
                calls=part.calls,
                spent_nano=part.spent_nano,
                before_nano=part.before_nano,
                shadow_runs=part.shadow_runs,
                shadow_nano=part.shadow_nano,
            )


def csv_of(asked: Question, told: Report, currency: str) -> str:
    """The table with exact amounts. A cell that a spreadsheet would run as a formula begins with an apostrophe."""
    out = StringIO()
    writer = csv.writer(out)
    heads = [BY[asked.by], BY.get(asked.then, ""), "calls", f"spent {currency}"]
    beside = "shadow runs", f"of it for shadow runs {currency}"
    writer.writerow([*heads, f"before {currency}", "from", "to", *beside])
    days = str(asked.span.first), str(asked.span.last)
    for row in rows_of(told):
        amounts = format_nano(row.spent_nano), format_nano(row.before_nano)
        beside = str(row.shadow_runs), format_nano(row.shadow_nano)
        cells = (row.title, row.inner_title, str(row.calls), *amounts, *days, *beside)
        writer.writerow([cell(text) for text in cells])
    return out.getvalue()
