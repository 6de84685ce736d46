"""What a finished case costs, models and people: chart, table and CSV of the same figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audit.ui.filters import Select
from audit.ui.request import principal_of
from audit.ui.words import count, lasting, money
from policies.bundles.access import documents
from policies.bundles.published import moment, published
from routing.reports.access import require_money
from routing.reports.cases_asked import asked_cases, csv_of_cases, title_of
from routing.reports.casework import BY, Casework, Line, Question, casework
from routing.reports.spans import PERIODS, steps
from routing.reports.spend import Daily
from routing.ui.charts import spend_chart
from routing.ui.report import csv_file, days_in_words

_CARD_WIDTH = 1160
MOST_LINES = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, in words."""

    title: str
    finished: str
    alone: str
    median: str
    p90: str
    time: str
    left: str
    models: str
    people: str
    each: str


@require_safe
def cases(request: HttpRequest) -> HttpResponse:
    """`/reports/cases/`; `?as=csv` gives the table as a file."""
    principal, found, now = principal_of(request), published(), moment()
    require_money(principal)
    asked, trouble = asked_cases(request.GET.dict(), principal, found, now)
    told = casework(asked, found)
    if request.GET.get("as") == "csv":
        return csv_file(csv_of_cases(asked, told, found.currency), "cases", asked.span)
    tenants = tuple(sorted(d.name for d in documents(principal, found) if d.kind == "Tenant"))
    context = {
        "now": now,
        "fields": _fields(asked, request.GET, tenants),
        "days": {name: request.GET.get(name, "")[:10] for name in ("from", "to")},
        "trouble": trouble,
        "span": days_in_words(asked.span),
        "by": BY[asked.by],
        "chart": _chart(asked, told, found.currency),
        "rows": [_row(asked, line, found.currency) for line in told.lines[:MOST_LINES]],
        "more": max(0, len(told.lines) - MOST_LINES),
        "total": _row(asked, told.total, found.currency),
        "unrated": told.total.unrated,
        "csv": f"?{urlencode({**request.GET.dict(), 'as': 'csv'})}",
    }
    return render(request, "routing/casework.html", context)


def _fields(
    asked: Question, address: Mapping[str, str], tenants: tuple[str, ...]
) -> tuple[Select, ...]:
    periods = tuple((name, word) for name, word in PERIODS.items() if name != "month")
    period, tenant = address.get("period", ""), address.get("tenant", "")
    return (
        Select("by", "By", "", tuple(BY.items()), asked.by),
        Select("period", "Closed", "this month", periods, period if period in PERIODS else ""),
        Select(
            "tenant",
            "Tenant",
            "all",
            tuple((name, name) for name in tenants),
            tenant if tenant in tenants else "",
        ),
    )


def _chart(asked: Question, told: Casework, currency: str) -> object:
    days = steps(asked.span, asked.grain, asked.fiscal)
    series = ("models", "people")
    return spend_chart(Daily(days, series, told.steps, asked.grain), currency, _CARD_WIDTH)


def _row(asked: Question, line: Line, currency: str) -> Row:
    left = []
    if line.returned:
        left.append(f"{count(line.returned)} given back, {lasting(line.returned_time)}")
    if line.lapsed:
        left.append(f"{count(line.lapsed)} lapsed, {lasting(line.lapsed_time)}")
    rated = line.unrated < line.finished + line.alone
    return Row(
        title=title_of(asked.by, line.name) if line.name else "All",
        finished=count(line.finished),
        alone=count(line.alone),
        median=lasting(line.median) if line.times else "",
        p90=lasting(line.p90) if line.times else "",
        time=lasting(line.time),
        left="; ".join(left),
        models=money(line.model_nano, currency),
        people=money(line.people_nano, currency) if rated else "no rate",
        each="" if line.each_nano is None else money(line.each_nano, currency),
    )
