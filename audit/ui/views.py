"""The audit explorer: the state of the log, its entries, one entry with its proof, and a verification in front of the user."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from audit.log import access, read, receipts
from audit.merkle.checkpoint import Checkpoint
from audit.saved import read as saved
from audit.ui.asking import Asked, asked
from audit.ui.checking import run_verification
from audit.ui.entries import EntryRow, row_of
from audit.ui.filters import Filters, Page, cursor, linked
from audit.ui.proofs import view_of
from audit.ui.request import principal_of
from controlplane.kernel.principal import Principal

_BESIDE = 14


@require_safe
def log(request: HttpRequest) -> HttpResponse:
    """`/log/`."""
    return explorer(request, principal_of(request))


def opened(proven: read.Proven) -> dict[str, object]:
    """What the page shows of one entry beside the list."""
    return {
        "chosen": row_of(proven.line),
        "size": len(proven.body),
        "proof": view_of(proven, reverse("log-receipt", args=[proven.line.id.hex])),
    }


@require_safe
def receipt(request: HttpRequest, identity: str) -> HttpResponse:
    """`/log/<id>/receipt/`: the proof as a file (C2SP tlog-proof)."""
    proven = access.proven(principal_of(request), identity)
    return receipts.as_file(proven)


@require_POST
def verify(request: HttpRequest) -> HttpResponse:
    """`/log/verify/`: check every entry, tile and checkpoint now; the check is an entry itself."""
    principal = principal_of(request)
    verified = run_verification(principal)
    if request.headers.get("hx-request") == "true":
        return render(request, "audit/verified.html", {"verified": verified})
    return explorer(request, principal, verified=verified)


def explorer(request: HttpRequest, principal: Principal, **more: object) -> HttpResponse:
    """The page: filters, saved views, entries, and what `more` opens beside them."""
    tenants = sorted(
        access.readable(principal)
        .exclude(tenant="")
        .values_list("tenant", flat=True)
        .distinct()[:50]
    )
    found = asked(request.GET.dict(), principal, tenants)
    context = {
        "filters": found.filters,
        "trouble": found.trouble,
        "page": _page(request, found, more.get("chosen")),
        "views": list(saved.own(principal)),
        "state": _state(request, principal),
        "zone": f"{timezone.localtime():%Z}",
        "may_verify": access.readable_tenants(principal) is None,
        **more,
    }
    return render(request, "audit/log.html", context)


def _page(request: HttpRequest, found: Asked, chosen: object) -> Page[object]:
    """Newest first; beside an open entry a short list that begins with it."""
    if found.trouble:
        return Page(())
    before, limit = cursor(request), read.PAGE
    if isinstance(chosen, EntryRow):
        before, limit = UUID(int=chosen.id.int + 1), _BESIDE
    filters = found.filters
    told = read.page(found.wanted, before=before, limit=limit)
    rows: list[object] = [row_of(line, filters.query) for line in told.lines]
    if isinstance(chosen, EntryRow):
        return Page(tuple(rows), older=_older(filters, told.next_before))
    return linked(request, rows, told.next_before)


def _older(filters: Filters, before: UUID | None) -> str:
    """The whole list, from where the short one ends."""
    if before is None:
        return ""
    mark = "&" if filters.query else "?"
    return f"{reverse('log')}{filters.query}{mark}before={before}"


def _state(request: HttpRequest, principal: Principal) -> dict[str, object]:
    """How the log is doing; the count of entries is the organisation's affair."""
    found = read.state()
    head = (
        Checkpoint.parse(found.checkpoint.partition("\n\n")[0] + "\n") if found.checkpoint else None
    )
    return {
        "log": found,
        "root": head.root.hex() if head else "",
        "origin": head.origin if head else "",
        "whole": access.readable_tenants(principal) is None,
        "standing": request.console.log,  # type: ignore[attr-defined]  # the middleware puts it there
    }
