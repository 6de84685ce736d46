"""Months that close, in the console: what stands in the way, statements, and adjustments that finance decides on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.ui.filters import page_of
from audit.ui.request import principal_of
from audit.ui.words import money
from controlplane.kernel.clock import from_text
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.ids import call_name
from controlplane.kernel.money import format_nano
from controlplane.kernel.principal import Principal
from policies.bundles.published import Published, moment, published
from policies.ui.people import names, person, sentence
from routing.closing import access, commands, hours, preparing, read
from routing.closing.adjusting import CREDIT, HOURS, INVOICE, Proposal, signed_nano
from routing.closing.models import Adjustment, Statement
from routing.closing.months import said
from routing.exports.statement import file_of
from routing.exports.writing import TYPES, Form
from routing.ledger.windows import ALWAYS

_FORM = ("tenant", "corrects", "kind", "amount", "reference", "note")


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One statement in words."""

    row: Statement
    month: str
    total: str
    prepared_by: str
    closed_by: str


@dataclass(frozen=True, slots=True)
class AdjustmentRow:
    """One adjustment in words, and whether this member may decide on it."""

    row: Adjustment
    kind: str
    corrects: str
    amount: str
    call: str
    source: str
    proposed_by: str
    verdict: str
    reason: str
    may_decide: bool
    own: bool


@require_http_methods(["GET", "HEAD", "POST"])
def statements(request: HttpRequest) -> HttpResponse:
    """`/reports/statements/`: the statements of one tenant, and its next month; POST prepares that."""
    principal, found = principal_of(request), published()
    seen, places = access.statements(principal), _tenants(principal, found)
    tenant = request.POST.get("tenant") or request.GET.get("tenant", "")
    if request.method == "POST":
        try:
            row = commands.prepare(principal, tenant, request.POST.get("period", ""))
        except (Conflict, InvalidRequest) as error:
            messages.error(request, sentence(error.message))
            return redirect(f"{request.path}?tenant={tenant}" if tenant in places else request.path)
        closer = "close the month with it"
        if read.alone(principal, row.prepared_by, found):
            closer = "have another member of finance close the month"
        messages.success(request, f"Prepared. Look at it, and {closer}.")
        return redirect("statement", row.id)
    tenant = tenant if tenant in places else next(iter(places), "")
    due = preparing.next_month(found, tenant) if tenant else ""
    known = names()
    checks = preparing.checklist(found, tenant, due, moment(), due) if due else ()
    rows = seen.filter(tenant=tenant).select_related("closed").defer("body")
    context = {
        "tenant": tenant,
        "tenants": places,
        "due": due,
        "month": said(due) if due else "",
        "checks": checks,
        "stopped": any(check.stops and not check.holds for check in checks),
        "may": access.may_close(principal, tenant),
        "page": page_of(
            request, rows, lambda part: [_statement(row, known, found.currency) for row in part]
        ),
        "currency": found.currency,
    }
    return render(request, "routing/statements.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def statement(request: HttpRequest, statement: UUID) -> HttpResponse:
    """`/reports/statements/<id>/`: all it says; POST closes the month with it."""
    principal, found = principal_of(request), published()
    if request.method == "POST":
        try:
            commands.close(principal, statement, request.POST.get("digest", ""))
        except Conflict as error:
            messages.error(request, sentence(error.message))
        else:
            messages.success(request, "Closed. Nothing in it changes from now on.")
        return redirect("statement", statement)
    row = read.one_statement(access.statements(principal), statement)
    period = read.closing_of(row)
    closed = read.statement_of(row.tenant, row.period) is not None
    context = {
        "row": row,
        "shown": _statement(row, names(), found.currency),
        "told": _shown(row),
        "apart": _apart(found, row, closed=closed),
        "entry": (period.entry if period else row.entry).hex,
        "closed": period is not None,
        "may": access.may_close(principal, row.tenant) and not closed,
        "own": read.alone(principal, row.prepared_by, found),
        "forms": list(Form),
    }
    return render(request, "routing/statement.html", context)


@require_safe
def statement_file(request: HttpRequest, statement: UUID, form: str) -> HttpResponse:
    """`/reports/statements/<id>/csv/`, `json`, `xlsx`."""
    row = read.one_statement(access.statements(principal_of(request)), statement)
    if form not in list(Form):
        raise NotFound(f'there is no form "{form[:20]}"')
    response = HttpResponse(file_of(row, Form(form)), content_type=TYPES[Form(form)])
    name = f"statement-{row.tenant}-{row.period}.{form}"
    response["content-disposition"] = f'attachment; filename="{name}"'
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def adjustments(request: HttpRequest) -> HttpResponse:
    """`/reports/adjustments/`: what waits for finance, or `?show=all`; POST proposes one."""
    principal, found = principal_of(request), published()
    seen, places = access.adjustments(principal), _tenants(principal, found)
    given, trouble = {name: request.POST.get(name, "").strip() for name in _FORM}, ""
    if request.method == "POST":
        try:
            row = commands.propose(principal, _proposal(given))
        except (Conflict, InvalidRequest) as error:
            trouble = sentence(error.message)
        else:
            another = read.alone(principal, row.proposed_by, found)
            who = (
                "Another member of finance decides on it"
                if another
                else "It waits to be decided on"
            )
            messages.success(request, f"Proposed. {who}.")
            return redirect("adjustments")
    every = request.GET.get("show") == "all"
    rows = (seen if every else read.waiting(seen)).select_related("verdict")
    known = names()
    context = {
        "every": every,
        "page": page_of(
            request,
            rows,
            lambda part: [_adjustment(principal, found, row, known) for row in part],
        ),
        "tenants": [name for name in places if access.may_close(principal, name)],
        "kinds": [(kind, in_words(kind)) for kind in (CREDIT, INVOICE)],
        "given": given,
        "trouble": trouble,
        "currency": found.currency,
    }
    return render(request, "routing/adjustments.html", context, status=422 if trouble else 200)


@require_POST
def decide(request: HttpRequest, adjustment: UUID) -> HttpResponse:
    """`/reports/adjustments/<id>/`: accept it, or reject it with a reason."""
    principal = principal_of(request)
    try:
        if "accept" in request.POST:
            done = commands.accept(principal, adjustment)
            messages.success(request, f"Accepted: it counts in {said(done.period)}.")
        else:
            commands.reject(principal, adjustment, request.POST.get("reason", ""))
            messages.success(request, "Rejected: it counts nowhere.")
    except (Conflict, InvalidRequest) as error:
        messages.error(request, sentence(error.message))
    return redirect("adjustments")


_AMOUNTS = {
    "lines": ("spent", "accrued"),
    "accrued": ("reserved",),
    "adjustments": ("amount",),
    "budgets": ("opening", "closing", "pending", "limit"),
    "capacity": ("amount",),
}


def _apart(found: Published, row: Statement, *, closed: bool) -> str:
    """Says so where the share of hours would be another by what is known and published now: no statement moves with it."""
    rows = hours.now(found, row.period) if closed else hours.parts(found, row.period)
    nano = hours.of_nano(rows, row.tenant)
    if nano == row.capacity_nano or not hours.remembered(found, row.period, moment()):
        return ""
    then = "prepare the month again"
    if closed:
        proposed = read.corrected_hours_nano(row.tenant, row.period)
        then = "what is closed stays, and what differs is looked at once a day, to be proposed"
        if proposed:
            then = (
                f"what is closed stays, and adjustments of {format_nano(proposed)} are there for it"
            )
    return (
        f"By what is known and published now {format_nano(nano)} of the hours would fall to {row.tenant}, not "
        f"{format_nano(row.capacity_nano)}: {then}."
    )


def _shown(row: Statement) -> dict[str, Any]:
    """What the statement says, as people read it: days in its own time zone, exact amounts with their points in line."""
    told: dict[str, Any] = json.loads(bytes(row.body))
    zone = ZoneInfo(told["timeZone"])
    for one in (told, *told["budgets"]):
        one["days"] = days(from_text(one["starts"]), from_text(one["until"]), zone)
    cut = from_text(told["cutOff"]).astimezone(zone)
    told["cut"] = f"{cut.day} {cut:%b %Y, %H:%M}"
    for one in told["adjustments"]:
        one["what"], one["month"] = in_words(one["kind"]), said(one["corrects"])
    for table, columns in _AMOUNTS.items():
        for column in columns:
            _align(told.get(table, []), column)
    return told


def days(starts: datetime, until: datetime, zone: ZoneInfo) -> str:
    """`1 Oct 2026 to 31 Oct 2026`, there."""
    if until == ALWAYS[1]:
        return "once, has no end"
    first, last = starts.astimezone(zone), until.astimezone(zone) - timedelta(microseconds=1)
    return f"{first.day} {first:%b %Y} to {last.day} {last:%b %Y}"


def in_words(kind: str) -> str:
    """`invoice difference`."""
    return kind.replace("-", " ")


def _align(rows: list[dict[str, Any]], column: str) -> None:
    """As many places in each amount as the longest has."""
    places = max((len(row[column].partition(".")[2]) for row in rows), default=0)
    for row in rows:
        whole, _, part = row[column].partition(".")
        row[column] = f"{whole}.{part.ljust(places, '0')}" if places else whole


def _tenants(principal: Principal, found: Published) -> list[str]:
    allowed = access.tenants(principal)
    return [name for name in read.tenants(found) if allowed is None or name in allowed]


def _proposal(given: dict[str, str]) -> Proposal:
    if not given["reference"]:
        raise InvalidRequest("name where it comes from: an invoice, a letter")
    return Proposal(
        tenant=given["tenant"],
        corrects=given["corrects"],
        kind=given["kind"],
        amount_nano=signed_nano(given["amount"]),
        occurrence=f"{given['kind']}:{given['reference'][:200]}",
        note=given["note"],
    )


def _statement(row: Statement, known: Mapping[str, str], currency: str) -> StatementRow:
    period = read.closing_of(row)
    return StatementRow(
        row=row,
        month=said(row.period),
        total=money(row.total_nano, currency),
        prepared_by=person(row.prepared_by, known),
        closed_by=person(period.closed_by, known) if period else "",
    )


def _adjustment(
    principal: Principal, found: Published, row: Adjustment, known: Mapping[str, str]
) -> AdjustmentRow:
    verdict = read.verdict_of(row)
    by = person(verdict.decided_by, known) if verdict else ""
    decided = f"accepted by {by}" if verdict and verdict.accepted else f"rejected by {by}"
    where = f", counts in {said(verdict.period)}" if verdict and verdict.period else ""
    return AdjustmentRow(
        row=row,
        kind=in_words(row.kind),
        corrects=said(row.corrects),
        amount=f"{Decimal(format_nano(row.amount_nano)):,f}",
        call=call_name(row.call) if row.call else "",
        source=f"hours of {row.model}, {row.team}" if row.kind == HOURS else row.occurrence,
        proposed_by=person(row.proposed_by, known),
        verdict=f"{decided}{where}" if verdict else "",
        reason=verdict.reason if verdict else "",
        may_decide=verdict is None and access.may_close(principal, row.tenant),
        own=read.alone(principal, row.proposed_by, found),
    )
