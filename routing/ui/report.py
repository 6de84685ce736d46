"""The spend report: chart, table and CSV of the same figures. Filters live in the address."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from audit.ui.filters import Select, read_filters
from audit.ui.request import principal_of
from audit.ui.words import count, money, share
from controlplane.kernel.principal import Principal
from policies.bundles.access import documents
from policies.bundles.published import Published, moment, published
from routing.reports.access import require_money
from routing.reports.asking import BY, csv_of, question
from routing.reports.report import DIMENSIONS, Line, Question, daily_by, report
from routing.reports.spans import PERIODS, Span
from routing.reports.spend import Daily, merged
from routing.ui.charts import spend_chart

_CARD_WIDTH = 1160


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, in words. `url` leads to its calls where there is a filter for it."""

    title: str
    url: str
    calls: str
    spent: str
    share: str
    each: str
    before: str
    change: str
    inside: "tuple[Row, ...]" = ()


@require_safe
def spend(request: HttpRequest) -> HttpResponse:
    """`/reports/spend/`; `?as=csv` gives the table as a file."""
    principal, found, now = principal_of(request), published(), moment()
    require_money(principal)
    filters = read_filters(request, _choices(principal, found))
    asked, trouble = question(request.GET.dict(), principal, found, now)
    told = report(asked)
    if request.GET.get("as") == "csv":
        return as_file(csv_of(asked, told, found.currency), asked)
    context = {
        "now": now,
        "filters": filters,
        "by_fields": _by_fields(asked),
        "trouble": trouble,
        "span": days_in_words(asked.span),
        "before": days_in_words(asked.before),
        "by": BY[asked.by],
        "then": BY.get(asked.then, ""),
        "rates": _rates(found, now),
        "chart": _chart(asked, found.currency),
        "rows": [_row(line, told.total.spent_nano, asked, found.currency) for line in told.lines],
        "total": _row(told.total, told.total.spent_nano, asked, found.currency),
        "denied": count(told.denied),
        "csv": _csv_address(request),
        "from": asked.span.first.isoformat(),
        "to": asked.span.last.isoformat(),
    }
    return render(request, "routing/report.html", context)


def _choices(
    principal: Principal, found: Published
) -> list[tuple[str, str, str, list[tuple[str, str]]]]:
    seen = list(documents(principal, found))

    def named(kind: str) -> list[tuple[str, str]]:
        return [(name, name) for name in sorted({d.name for d in seen if d.kind == kind})]

    return [
        ("period", "Period", "this month", [(k, v) for k, v in PERIODS.items() if k != "month"]),
        ("tenant", "Tenant", "all", named("Tenant")),
        ("route", "Route", "all", named("Route")),
        ("model", "Model", "all", named("Model")),
    ]


def _by_fields(asked: Question) -> tuple[Select, Select]:
    words = tuple(BY.items())
    others = tuple((key, word) for key, word in words if key != asked.by)
    return (
        Select("by", "By", "", words, asked.by),
        Select("then", "then", "nothing more", others, asked.then),
    )


def days_in_words(span: Span) -> str:
    """`1 to 23 Nov 2026`, `23 Nov 2026`."""
    return days_between(span.first, span.last)


def days_between(first: date, last: date) -> str:
    """The same of the first and the last day."""
    if first == last:
        return f"{last.day} {last:%b %Y}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {last.day} {last:%b %Y}"
    return f"{first.day} {first:%b %Y} to {last.day} {last:%b %Y}"


def _rates(found: Published, now: datetime) -> str:
    today = now.astimezone(found.zone).date().isoformat()
    past = [r for r in found.organisation.get("exchangeRates", []) if r["from"] <= today]
    if not past:
        return ""
    newest = max(past, key=lambda rates: str(rates["from"]))
    told = [
        f"1 {name} is {rate} {found.currency}"
        for name, rate in sorted(newest.items())
        if name != "from"
    ]
    return ", ".join(told)


def _chart(asked: Question, currency: str) -> object:
    days, nano = daily_by(asked)
    sums: dict[str, int] = defaultdict(int)
    for (_, name), amount in nano.items():
        sums[name] += amount
    names = tuple(sorted(sums, key=lambda name: (-sums[name], name)))
    return spend_chart(merged(Daily(days, names, nano)), currency, _CARD_WIDTH)


def _row(line: Line, whole_nano: int, asked: Question, currency: str) -> Row:
    return Row(
        title=line.title,
        url=_calls_address(line, asked),
        calls=count(line.calls),
        spent=money(line.spent_nano, currency),
        share=share(line.spent_nano, whole_nano),
        each=money(line.spent_nano // line.calls, currency) if line.calls else "",
        before=money(line.before_nano, currency),
        change=change(line.spent_nano, line.before_nano),
        inside=tuple(_row(part, whole_nano, asked, currency) for part in line.inside),
    )


def change(spent_nano: int, before_nano: int) -> str:
    """`+9.5 %`, `-6.7 %`; "new" where nothing was spent before, nothing where nothing was at all."""
    if not before_nano:
        return "new" if spent_nano else ""
    permille = round((spent_nano - before_nano) * 1000 / before_nano)
    return f"{permille / 10:+.1f} %"


def _calls_address(line: Line, asked: Question) -> str:
    """Routes, models and tenants are filters of the list of calls."""
    if not line.name or asked.by not in ("tenant", "route", "model"):
        return ""
    columns = DIMENSIONS[asked.by]
    if len(columns) != len(line.name) or not all(line.name):
        return ""
    values = {
        column.rpartition("__")[2]: value for column, value in zip(columns, line.name, strict=True)
    }
    return f"{reverse('calls')}?{urlencode(values)}"


def _csv_address(request: HttpRequest) -> str:
    kept = request.GET.copy()
    kept["as"] = "csv"
    return f"{request.path}?{kept.urlencode()}"


def as_file(text: str, asked: Question) -> HttpResponse:
    """A CSV to save."""
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    name = f"spend-{asked.span.first}-{asked.span.last}.csv"
    response["content-disposition"] = f'attachment; filename="{name}"'
    return response
