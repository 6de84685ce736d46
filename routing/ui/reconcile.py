"""Whether the money is right, in the console: the ledger's own check, and providers' invoices beside the ledger."""

from datetime import date
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.ui.filters import page_of
from audit.ui.request import principal_of
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from policies.bundles.published import published
from policies.ui.people import names, person, sentence
from routing.reconcile import access, read, settling
from routing.reconcile.classing import PRICE
from routing.reconcile.commands import (
    File,
    import_invoice,
    propose_differences,
    settle_explained,
)
from routing.reconcile.proposing import KINDS
from routing.reconcile.reading import Form

_LINES_SHOWN = 200
_TITLES = {
    Form.CSV: "CSV",
    Form.OPENAI_USAGE: "OpenAI usage",
    Form.OPENAI_COSTS: "OpenAI costs",
    Form.ANTHROPIC_USAGE: "Anthropic usage report",
    Form.ANTHROPIC_COST: "Anthropic cost report",
}
WORDS = {
    "price": "another price",
    "cache": "caches counted otherwise",
    "lost-usage": "usage that was lost",
    "past-the-gateway": "traffic past the gateway",
    "credit": "credit",
    "tax": "tax",
    "unexplained": "unexplained",
}


@require_http_methods(["GET", "HEAD", "POST"])
def reconcile(request: HttpRequest) -> HttpResponse:
    """`/reports/reconcile/`: what the ledger's check says, what was imported, and a form for another file."""
    principal, found = principal_of(request), published()
    rows = access.invoices(principal)
    if request.method == "POST":
        return _imported(request)
    known = names()
    shown = page_of(
        request,
        rows.defer("lines"),
        lambda some: [
            (row, _TITLES[Form(row.form)], person(row.imported_by, known)) for row in some
        ],
    )
    context = {
        "standing": access.standing(principal),
        "unpriced": access.unpriced(principal),
        "page": shown,
        "providers": access.providers(principal, found),
        "forms": [(form.value, title) for form, title in _TITLES.items()],
        "currency": found.currency,
    }
    return render(request, "routing/reconcile.html", context)


def _imported(request: HttpRequest) -> HttpResponse:
    tenant, _, provider = request.POST.get("provider", "").rpartition("/")
    sent = request.FILES.get("file")
    access.require_import(principal_of(request), tenant)
    if sent is None:
        messages.error(request, "Choose a file.")
        return redirect("reconcile")
    try:
        wanted = File(
            tenant=tenant,
            provider=provider,
            form=request.POST.get("form", ""),
            name=sent.name or "",
            data=sent.read(),
        )
        row = import_invoice(principal_of(request), wanted)
    except (Conflict, InvalidRequest, NotFound) as error:
        messages.error(request, sentence(error.message))
        return redirect("reconcile")
    messages.success(request, "It was compared with the ledger; that is an entry.")
    return redirect(reverse("invoice", args=[row.id]))


@require_safe
def invoice(request: HttpRequest, invoice: UUID) -> HttpResponse:
    """`/reports/reconcile/<id>/`: one import, line by line."""
    principal = principal_of(request)
    row = read.one_invoice(access.invoices(principal), invoice)
    lines = sorted(
        read.lines(row), key=lambda line: (-abs(line.difference_nano), line.day, line.model)
    )
    context = {
        "row": row,
        "title": _TITLES[Form(row.form)],
        "imported_by": person(row.imported_by, names()),
        "sums": [(WORDS[name], nano) for name, nano in read.sums(row).items()],
        "lines": [
            (line, [(_word(name, line), nano) for name, nano in line.classes])
            for line in lines[:_LINES_SHOWN]
        ],
        "more": max(0, len(lines) - _LINES_SHOWN),
        "currency": published().currency,
        "may": access.may_import(principal, row.tenant),
        "proposable": any(name in KINDS for name in read.sums(row)),
        "explained": settling.offered(principal, row),
    }
    return render(request, "routing/invoice.html", context)


def _word(name: str, line: read.InvoiceLine) -> str:
    """`another price (service tier priority)`."""
    tiers = f" (service tier {', '.join(line.tiers)})" if name == PRICE and line.tiers else ""
    return WORDS[name] + tiers


@require_POST
def propose(request: HttpRequest, invoice: UUID) -> HttpResponse:
    """`/reports/reconcile/<id>/propose/`."""
    try:
        number = propose_differences(principal_of(request), invoice)
    except Conflict as error:
        messages.error(request, sentence(error.message))
        return redirect("invoice", invoice)
    if not number:
        messages.info(request, "Nothing is new: what there was to propose was proposed before.")
        return redirect("invoice", invoice)
    told = "1 adjustment is" if number == 1 else f"{number} adjustments are"
    messages.success(request, f"{told} proposed; another member of finance decides.")
    return redirect("adjustments")


@require_POST
def settle(request: HttpRequest, invoice: UUID) -> HttpResponse:
    """`/reports/reconcile/<id>/settle/`."""
    model = request.POST.get("model", "")
    try:
        day = date.fromisoformat(request.POST.get("day", ""))
    except ValueError:
        day = date.min
    try:
        number = settle_explained(principal_of(request), invoice, day, model)
    except Conflict as error:
        messages.error(request, sentence(error.message))
    else:
        told = "1 attempt is" if number == 1 else f"{number} attempts are"
        messages.success(request, f"{told} settled as this file says; each is an entry.")
    return redirect("invoice", invoice)
