"""Savings and waste: which routes might be answered by a smaller model, on what evidence; and the draft that does it."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from audit.ui.filters import Select
from audit.ui.request import principal_of
from audit.ui.words import count, money
from controlplane.kernel.errors import Conflict
from controlplane.kernel.principal import Principal
from policies.bundles.access import documents
from policies.bundles.published import moment, published
from policies.changes import access as changes
from policies.ui.people import sentence
from routing.reports.access import require_money
from routing.reports.labelled import LEAST, Labelled
from routing.reports.shadow_runs import Ran
from routing.reports.spans import PERIODS
from routing.reports.turning import turn
from routing.reports.waste import Finding, Saved
from routing.reports.waste_asked import asked_waste
from routing.reports.waste_file import csv_of_waste
from routing.ui.report import csv_file, days_in_words

_BAR = 220


@dataclass(frozen=True, slots=True)
class Row:
    """One finding, in words; `bar_would` and `bar_more` are widths of the two parts of its spend."""

    key: str
    route: str
    model: str
    smaller: str
    calls: str
    spent: str
    would: str
    difference: str
    waste: str
    rate: str
    agreed: str
    carried: str
    why_not: str
    may_turn: bool
    bar_would: int
    bar_more: int


@require_safe
def waste(request: HttpRequest) -> HttpResponse:
    """`/reports/waste/`; `?as=csv` gives both tables as a file."""
    principal, found = principal_of(request), published()
    require_money(principal)
    asked = asked_waste(request.GET.dict(), principal, found, moment())
    told, currency = asked.told, found.currency
    if request.GET.get("as") == "csv":
        return csv_file(csv_of_waste(asked, currency), "waste", asked.span)
    tenants = tuple(sorted(d.name for d in documents(principal, found) if d.kind == "Tenant"))
    most = max((one.used.spent_nano for one in told.findings), default=1)
    context = {
        "now": moment(),
        "fields": _fields(request.GET, tenants),
        "trouble": asked.trouble,
        "span": days_in_words(asked.span),
        "rows": [_row(principal, one, currency, most) for one in told.findings],
        "saved": [_saved(one, currency) for one in told.saved],
        "ran": [_ran(one, currency) for one in told.ran],
        "waste": money(told.waste_nano, currency),
        "whole_saved": money(told.saved_nano, currency),
        "least": LEAST,
        "bar": _BAR,
        "csv": f"?{urlencode({**request.GET.dict(), 'as': 'csv'})}",
        "address": urlencode({n: v for n, v in request.GET.dict().items() if v}),
    }
    return render(request, "routing/waste.html", context)


@require_POST
def open_change(request: HttpRequest) -> HttpResponse:
    """`/reports/waste/change/`: a draft that has the smaller model first, then its page."""
    principal, found = principal_of(request), published()
    require_money(principal)
    asked = asked_waste(request.POST.dict(), principal, found, moment())
    try:
        change = turn(principal, found, asked, request.POST.get("finding", ""))
    except Conflict as error:
        messages.error(request, sentence(error.message))
        return redirect(reverse("report-waste"))
    messages.success(request, "A draft with the evidence. Its replay shows which calls would move.")
    return redirect("change", change.id)


def _fields(address: Mapping[str, str], tenants: tuple[str, ...]) -> tuple[Select, ...]:
    periods = tuple((name, word) for name, word in PERIODS.items() if name != "month")
    period, tenant = address.get("period", ""), address.get("tenant", "")
    return (
        Select("period", "Period", "this month", periods, period if period in PERIODS else ""),
        Select(
            "tenant",
            "Tenant",
            "all",
            tuple((name, name) for name in tenants),
            tenant if tenant in tenants else "",
        ),
    )


def _row(principal: Principal, one: Finding, currency: str, most: int) -> Row:
    would = min(one.would_nano or 0, one.used.spent_nano)
    return Row(
        key=one.key,
        route=f"{one.tenant} / {one.route[1]}",
        model=one.model,
        smaller=one.smaller,
        calls=count(one.used.calls),
        spent=money(one.used.spent_nano, currency),
        would="no price" if one.would_nano is None else money(one.would_nano, currency),
        difference=money(one.difference_nano, currency),
        waste=money(one.waste_nano, currency) if one.waste_nano else "",
        rate=rate_in_words(one.labelled),
        agreed=rate_in_words(one.compared) if one.compared.n else "",
        carried=one.carried,
        why_not=one.why_not,
        may_turn=one.may_turn and changes.may_draft(principal, one.route[0]),
        bar_would=would * _BAR // max(1, most),
        bar_more=(one.used.spent_nano - would) * _BAR // max(1, most),
    )


def rate_in_words(told: Labelled) -> str:
    """`28 of 30, 78.6 to 98.2 %`."""
    if not told.n:
        return "no label"
    low, high = told.interval_permille
    return f"{told.passed} of {told.n}, {low // 10}.{low % 10} to {high // 10}.{high % 10}\u00a0%"


def _saved(one: Saved, currency: str) -> tuple[str, str, str, str, str]:
    return (
        f"{one.tenant} / {one.route[1]}",
        one.largest,
        count(one.calls),
        money(one.spent_nano, currency),
        money(one.saved_nano, currency),
    )


def _ran(one: Ran, currency: str) -> tuple[str, ...]:
    """Route, model, runs, agreed, differed, failed, spend."""
    counts = (count(n) for n in (one.runs, one.agreed, one.differed, one.failed))
    return (f"{one.tenant} / {one.route}", one.model, *counts, money(one.spent_nano, currency))
