"""Exports in the console: have a file made, see how far it is, take it along."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from audit.ui.request import principal_of
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from policies.bundles.published import moment, published
from policies.ui.people import sentence
from routing.closing.months import said
from routing.exports import access, commands
from routing.exports.asks import Ask, months_before
from routing.exports.making import as_file
from routing.exports.writing import Form
from routing.files.models import READY, RUNNING, WAITING

_SHOWN, _MONTHS = 20, 23
_TITLES = {
    "calls": "calls, attempt by attempt",
    "capacity": "models bought by the hour, by share",
    "focus-1.2": "FOCUS 1.2, cost and usage",
    "focus-1.4": "FOCUS 1.4, cost and usage",
    "focus-1.4-billing-period": "FOCUS 1.4, billing periods",
}


@require_http_methods(["GET", "HEAD", "POST"])
def exports(request: HttpRequest) -> HttpResponse:
    """`/reports/exports/`: one's own files, and a form for another."""
    principal, found = principal_of(request), published()
    rows = access.own(principal)
    if request.method == "POST":
        try:
            commands.begin(principal, Ask.of(request.POST.dict()))
        except (Conflict, InvalidRequest, NotFound) as error:
            messages.error(request, sentence(error.message))
        else:
            messages.success(request, "It is being made; that it was asked for is an entry.")
        return redirect("exports")
    shown = [(row, _TITLES[row.ask["what"]]) for row in rows.order_by("-id")[:_SHOWN]]
    months = months_before(moment().astimezone(found.zone).date(), _MONTHS)
    context = {
        "rows": shown,
        "ready": READY,
        "busy": any(row.state in {WAITING, RUNNING} for row, _ in shown),
        "whats": [(what, _TITLES[what]) for what in access.kinds(principal)],
        "forms": list(Form),
        "tenants": access.named(principal, found),
        "months": [(month, said(month)) for month in months],
    }
    return render(request, "routing/exports.html", context)


@require_safe
def download(request: HttpRequest, export: UUID) -> StreamingHttpResponse:
    """`/reports/exports/<id>/`: the file, for whoever had it made."""
    return as_file(request, access.one(principal_of(request), export))
