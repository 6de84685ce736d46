"""The spend report: chart, table and CSV of the same figures. Everything that is asked stands in the address."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from urllib.parse import quote_plus, urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from audit.ui.filters import Select
from audit.ui.request import principal_of
from audit.ui.words import count, money, share
from audit.vault.keys import subject_of_user
from controlplane.kernel.principal import Principal
from policies.bundles.access import documents
from policies.bundles.published import Published, moment, published
from routing.reports.access import require_money
from routing.reports.asking import BY, COMPARED, NONE, csv_of, labels_of, question
from routing.reports.content import store
from routing.reports.dimensions import (
    DIMENSIONS,
    LABEL,
    UNALLOCATED,
    UNREADABLE,
    UNRECORDED,
    Cells,
)
from routing.reports.report import Line, Question, Report, report
from routing.reports.spans import GRAINS, PERIODS, Span
from routing.reports.spend import Daily, merged
from routing.reports.splitting import KEYS
from routing.ui.charts import spend_chart
from routing.ui.hourly import hourly_lines

_CARD_WIDTH = 1160
MOST_LINES = 100
MOST_INSIDE = 12
_NEXT = {
    "tenant": "team",
    "costCentre": "team",
    "team": "route",
    "key": "route",
    "user": "route",
    "useCase": "route",
    "task": "route",
    "label": "route",
    "route": "model",
    "provider": "model",
    "run": "model",
    "model": "route",
    "serviceTier": "model",
}
"""By what a line that is opened is told next."""
_quoted = lru_cache(4_096)(quote_plus)
"""The addresses of a page's lines share most of their words."""
_OF_CALLS = frozenset(
    {"tenant", "team", "route", "key", "model", "provider", "user", "run", "serviceTier"}
)
"""What the list of calls can be narrowed to."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, in words. `url` opens it, `calls_url` leads to its calls; empty where that cannot be said."""

    title: str
    told: "Told"
    url: str = ""
    calls_url: str = ""
    shared: str = ""
    inside: "tuple[Row, ...]" = ()
    more: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """The figures of a line, in words."""

    calls: str
    spent: str
    share: str
    each: str
    before: str
    change: str
    shadow_runs: str = ""
    shadow_spent: str = ""


@dataclass(frozen=True, slots=True)
class _View:
    """What is asked, by whom, and what came of it."""

    asked: Question
    told: Report
    currency: str
    address: Mapping[str, str]
    calls: str
    """Where the list of calls is."""

    @property
    def whole_nano(self) -> int:
        return self.told.total.spent_nano

    def narrowed(self, name: str, cells: Cells, **more: str) -> str:
        """The same report of one line alone, told by what comes next."""
        only = {**self.address, **_address_of(name, cells), "by": _NEXT[name], "then": NONE, **more}
        return f"?{_query(only)}"


@require_safe
def spend(request: HttpRequest) -> HttpResponse:
    """`/reports/spend/`; `?as=csv` gives the table as a file."""
    principal, found, now = principal_of(request), published(), moment()
    require_money(principal)
    asked, trouble = question(request.GET.dict(), principal, found, now)
    if request.GET.get("as") == "csv":
        text = csv_of(asked, report(replace(asked, grain="")), found.currency)
        return csv_file(text, "spend", asked.span)
    told = report(asked)
    view = _View(asked, told, found.currency, _kept(request), reverse("calls"))
    context = {
        "now": now,
        "fields": _fields(principal, found, asked, request.GET),
        "days": {name: request.GET.get(name, "")[:10] for name in ("from", "to")},
        "narrowed": _narrowed(view),
        "trouble": trouble,
        "span": days_in_words(asked.span),
        "before": _compared(asked),
        "change": "Used" if asked.compare == "budget" else "Change",
        "by": BY[asked.by] if asked.by != "label" else f"label {asked.label}",
        "then": BY.get(asked.then, ""),
        "rates": _rates(found, now),
        "chart": _chart(view),
        "rows": [_row(line, view) for line in told.lines[:MOST_LINES]],
        "more": not_shown(told.lines, MOST_LINES, found.currency),
        "total": _total(view),
        "denied": count(told.denied),
        "unallocated": _unallocated(view),
        "unreadable": told.unreadable is not None,
        "shared": KEYS.get(asked.shared, ""),
        "csv": _csv_address(request),
        "hourly": hourly_lines(principal, found, asked.span),
    }
    return render(request, "routing/report.html", context)


def _fields(
    principal: Principal, found: Published, asked: Question, address: Mapping[str, str]
) -> list[Select]:
    seen = list(documents(principal, found))

    def names(kind: str) -> tuple[tuple[str, str], ...]:
        return tuple((name, name) for name in sorted({d.name for d in seen if d.kind == kind}))

    def chosen(name: str, options: Iterable[tuple[str, str]]) -> str:
        value = address.get(name, "")
        return value if value in {key for key, _ in options} else ""

    others = tuple((key, word) for key, word in BY.items() if key != asked.by)
    labels = tuple((name, name) for name in labels_of(found))
    shown = [
        Select("by", "By", "", tuple(BY.items()), asked.by),
        Select("then", "then", "nothing more", others, asked.then),
    ]
    choices: list[tuple[str, str, str, tuple[tuple[str, str], ...]]] = [
        (
            "period",
            "Period",
            "this month",
            tuple((k, v) for k, v in PERIODS.items() if k != "month"),
        ),
        ("compare", "Compared with", COMPARED["previous"], tuple(COMPARED.items())[1:]),
        ("group", "In steps of a", "fitting length", tuple(GRAINS.items())),
        ("tenant", "Tenant", "all", names("Tenant")),
        ("route", "Route", "all", names("Route")),
        ("model", "Model", "all", names("Model")),
        ("shadow", "Shadow runs", "in the spend", (("only", "alone"), ("without", "left out"))),
    ]
    if "label" in (asked.by, asked.then) and labels:
        choices.append(("label", "Label", labels[0][0], labels[1:]))
    if asked.by in UNALLOCATED:
        choices.append(("split", "What has none", "stands alone", tuple(KEYS.items())))
    more = (
        Select(name, word, empty, some, chosen(name, some)) for name, word, empty, some in choices
    )
    return [*shown, *more]


def _kept(request: HttpRequest) -> dict[str, str]:
    return {name: value for name, value in request.GET.dict().items() if value and name != "as"}


def _narrowed(view: _View) -> list[tuple[str, str, str]]:
    """What the report is narrowed to beside the selects: a word, the value, and the address without it."""
    found = []
    for name, value in view.asked.only.items():
        key = "value" if name == "label" else name
        if name not in ("tenant", "route", "model"):
            rest = {n: v for n, v in view.address.items() if n != key}
            word = f"label {view.asked.label}" if name == "label" else BY[name]
            found.append((word, _shown(name, value), f"?{urlencode(rest)}"))
    return found


def _shown(name: str, value: str) -> str:
    if name in ("user", "run") and value:
        return f"committed {value[:12]}…"
    return UNREADABLE if value == UNRECORDED else value or DIMENSIONS[name].without


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


def _compared(asked: Question) -> str:
    if asked.before is not None:
        return days_in_words(asked.before)
    return "Budget" if asked.compare == "budget" else ""


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


def _chart(view: _View) -> object:
    told, sums = view.told, defaultdict[str, int](int)
    for (_, name), amount in told.chart.items():
        sums[name] += amount
    names = tuple(sorted(sums, key=lambda name: (-sums[name], name)))
    drawn = merged(Daily(told.steps, names, told.chart, view.asked.grain))
    return spend_chart(drawn, view.currency, _CARD_WIDTH)


def not_shown(lines: Sequence[Line], most: int, currency: str) -> str:
    """`4,403 more: €114.84`: how many lines come after so many, and what they cost together; "" where there are none."""
    rest = lines[most:]
    spent = money(sum(line.spent_nano for line in rest), currency)
    return f"{count(len(rest))} more: {spent}" if rest else ""


def _row(line: Line, view: _View) -> Row:
    inside = tuple(_part(part, line, view) for part in line.inside[:MOST_INSIDE])
    only = _address_of(view.asked.by, line.name)
    return Row(
        title=_known_title(view.asked.by, line),
        told=_figures(line, view),
        url=view.narrowed(view.asked.by, line.name),
        calls_url=_calls_address(only, (view.asked.by,), view),
        shared=money(line.shared_nano, view.currency) if view.asked.shared else "",
        inside=inside,
        more=not_shown(line.inside, MOST_INSIDE, view.currency),
    )


def _part(part: Line, line: Line, view: _View) -> Row:
    asked = view.asked
    width = len(DIMENSIONS[asked.then].columns) if asked.then not in _BY_DOCUMENTS else 0
    cells = (line.name[0], *part.name) if len(part.name) < width else part.name
    only = {**_address_of(asked.by, line.name), **_address_of(asked.then, cells)}
    return Row(
        title=_known_title(asked.then, part),
        told=_figures(part, view),
        url=f"?{_query({**view.address, **only, 'by': _NEXT[asked.then], 'then': NONE})}",
        calls_url=_calls_address(only, (asked.by, asked.then), view),
    )


_BY_DOCUMENTS = ("costCentre", "useCase", "task")


def _total(view: _View) -> Row:
    return Row(title="All", told=_figures(view.told.total, view))


def _figures(line: Line, view: _View) -> Told:
    currency, compares = view.currency, bool(_compared(view.asked))
    told = Told(
        calls=count(line.calls),
        spent=money(line.spent_nano, currency),
        share=share(line.spent_nano, view.whole_nano),
        each=money((line.spent_nano - line.shadow_nano) // line.calls, currency)
        if line.calls
        else "",
        before=money(line.before_nano, currency) if compares else "",
        change=change(line.spent_nano, line.before_nano) if compares else "",
        shadow_runs=f"{count(line.shadow_runs)} shadow run{'s' * (line.shadow_runs != 1)}"
        if line.shadow_runs
        else "",
        shadow_spent=money(line.shadow_nano, currency) if line.shadow_runs else "",
    )
    if view.asked.compare != "budget":
        return told
    if not line.before_nano:
        return replace(told, before="none", change="")
    return replace(told, change=f"{share(line.spent_nano, line.before_nano)} used")


def _known_title(name: str, line: Line) -> str:
    """A user whose key was destroyed is known to nobody any more."""
    if name != "user" or len(line.name) != 2 or not line.name[1]:
        return line.title
    tenant, ref = line.name
    erased = store().destroyed(subject_of_user(tenant, ref))
    return f"{tenant} / erased" if erased else line.title


def change(spent_nano: int, before_nano: int) -> str:
    """`+9.5 %`, `-6.7 %`, from ten times on `× 64`; "new" where nothing was spent before, nothing where nothing was at all."""
    if not before_nano:
        return "new" if spent_nano else ""
    permille = round((spent_nano - before_nano) * 1000 / before_nano)
    return (
        f"{permille / 10:+.1f} %" if permille < 9_000 else f"× {round(spent_nano / before_nano):,}"
    )


def _unallocated(view: _View) -> str:
    """What no line owns, and how it is laid over the others; and what nobody can say whose it is."""
    alone = view.told.unallocated
    if view.asked.by not in UNALLOCATED:
        return ""
    amount = money(alone.spent_nano if alone else 0, view.currency)
    without = DIMENSIONS[view.asked.by].without
    said = f"{amount} {without if view.asked.by == LABEL else f'with {without}'}"
    left = alone.spent_nano + alone.shared_nano if alone and view.asked.shared else 0
    if left:
        said = f"{said}, {money(left, view.currency)} of it laid on nobody"
    closed = view.told.unreadable
    return f"{said}, {money(closed.spent_nano, view.currency)} {UNREADABLE}" if closed else said


def _query(said: Mapping[str, str]) -> str:
    return "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in said.items()])


def _address_of(name: str, cells: Cells) -> dict[str, str]:
    """What an address says for one line: its tenant too where a name is of a tenant."""
    *places, last = cells
    key = "value" if name == "label" else name
    return {**({"tenant": places[0]} if places else {}), key: last or NONE}


def _calls_address(only: Mapping[str, str], dimensions: tuple[str, ...], view: _View) -> str:
    """The list of calls with what it can be narrowed to; nothing where a part of it is said by documents alone."""
    asked = view.asked.only
    if not _OF_CALLS.issuperset((*dimensions, *asked)) or NONE in only.values():
        return ""
    days = {"from": view.asked.span.first.isoformat(), "to": view.asked.span.last.isoformat()}
    # what is counted is what is listed
    apart = "without" if view.told.total.shadow_runs else ""
    shadow = {"shadow": view.asked.shadow or apart} if view.asked.shadow or apart else {}
    return f"{view.calls}?{_query({**asked, **only, **days, **shadow})}"


def _csv_address(request: HttpRequest) -> str:
    kept = request.GET.copy()
    kept["as"] = "csv"
    return f"{request.path}?{kept.urlencode()}"


def csv_file(text: str, name: str, span: Span) -> HttpResponse:
    """A CSV to save, named by what it is of and its days."""
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    response["content-disposition"] = f'attachment; filename="{name}-{span.first}-{span.last}.csv"'
    return response
