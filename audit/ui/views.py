"""The audit explorer: the state of the log, its entries, one entry with its proof, and a verification in front of the user."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from audit.log import access, read, receipts
from audit.log.kinds import Group
from audit.merkle.checkpoint import Checkpoint
from audit.ui.checking import run_verification
from audit.ui.entries import EntryRow, row_of
from audit.ui.filters import Filters, Page, cursor, linked, read_filters
from audit.ui.proofs import view_of
from audit.ui.request import principal_of
from controlplane.kernel.ids import parse_call_name
from controlplane.kernel.principal import Principal

_SPANS = {
    "hour": ("the last hour", 1),
    "day": ("the last 24 hours", 24),
    "week": ("the last 7 days", 168),
}
_BESIDE = 14
_ACTORS = (
    ("member", "people"),
    ("key", "API keys"),
    ("cli", "command line"),
    ("job", "the system"),
)


@require_safe
def log(request: HttpRequest) -> HttpResponse:
    """`/log/`."""
    return _explorer(request, principal_of(request))


@require_safe
def entry(request: HttpRequest, identity: str) -> HttpResponse:
    """`/log/<id>/`: the same list with one entry open beside it."""
    principal = principal_of(request)
    proven = access.proven(principal, identity)
    context = {
        "chosen": row_of(proven.line),
        "size": len(proven.body),
        "proof": view_of(proven, reverse("log-receipt", args=[proven.line.id.hex])),
    }
    return _explorer(request, principal, **context)


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
    return _explorer(request, principal, verified=verified)


def _explorer(request: HttpRequest, principal: Principal, **more: object) -> HttpResponse:
    tenants = sorted(
        access.readable(principal)
        .exclude(tenant="")
        .values_list("tenant", flat=True)
        .distinct()[:50]
    )
    filters = read_filters(request, _choices(tenants))
    context = {
        "filters": filters,
        "page": _page(request, principal, filters, more.get("chosen")),
        "state": _state(request, principal),
        "zone": f"{timezone.localtime():%Z}",
        "may_verify": access.readable_tenants(principal) is None,
        **more,
    }
    return render(request, "audit/log.html", context)


def _choices(tenants: Sequence[str]) -> list[tuple[str, str, str, list[tuple[str, str]]]]:
    return [
        ("time", "Time", "all", [(key, label) for key, (label, _) in _SPANS.items()]),
        ("tenant", "Tenant", "all", [(name, name) for name in tenants]),
        ("who", "Who", "anybody", list(_ACTORS)),
        ("what", "What", "anything", [(group.value, group.value) for group in Group]),
    ]


def _page(
    request: HttpRequest, principal: Principal, filters: Filters, chosen: object
) -> Page[object]:
    """Newest first; beside an open entry a short list that begins with it."""
    before, limit = cursor(request), read.PAGE
    if isinstance(chosen, EntryRow):
        before, limit = UUID(int=chosen.id.int + 1), _BESIDE
    values = filters.values
    tenants = access.readable_tenants(principal)
    if "tenant" in values:
        tenants = frozenset({values["tenant"]}) & (
            tenants if tenants is not None else {values["tenant"]}
        )
    hours = _SPANS[values["time"]][1] if "time" in values else None
    found = read.page(
        read.Filter(
            tenants=tenants,
            since=timezone.now() - timedelta(hours=hours) if hours else None,
            actor_kind=values.get("who", ""),
            groups=(Group(values["what"]),) if "what" in values else (),
            subject="" if _call(filters.q) else filters.q,
            call=_call(filters.q),
        ),
        before=before,
        limit=limit,
    )
    rows: list[object] = [row_of(line, filters.query) for line in found.lines]
    if isinstance(chosen, EntryRow):
        return Page(tuple(rows), older=_older(filters, found.next_before))
    return linked(request, rows, found.next_before)


def _older(filters: Filters, before: UUID | None) -> str:
    """The whole list, from where the short one ends."""
    if before is None:
        return ""
    mark = "&" if filters.query else "?"
    return f"{reverse('log')}{filters.query}{mark}before={before}"


def _call(text: str) -> UUID | None:
    try:
        return parse_call_name(text)
    except ValueError:
        return None


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
