"""Evidence bundles in the console: have one made, see how far it is, take it along."""

from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from audit.log.access import readable_tenants
from audit.ui.request import principal_of
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.ids import parse_call_name
from policies.bundles.published import published
from policies.ui.people import sentence
from routing.evidence import access, commands
from routing.evidence.asks import Ask
from routing.evidence.making import as_file
from routing.files.models import READY

_SHOWN = 20


@require_http_methods(["GET", "HEAD", "POST"])
def bundles(request: HttpRequest) -> HttpResponse:
    """`/log/evidence/`: one's own bundles, and a form for another."""
    principal = principal_of(request)
    rows = access.own(principal)
    if request.method == "POST":
        try:
            commands.begin(principal, _ask(request))
        except (Conflict, InvalidRequest, NotFound) as error:
            messages.error(request, sentence(error.message))
        else:
            messages.success(request, "It is being made; that it was asked for is an entry.")
        return redirect("evidence")
    tenants = readable_tenants(principal)
    named = sorted(d.name for d in published().of("Tenant") if tenants is None or d.name in tenants)
    context = {
        "rows": [(row, Ask.of(row.ask)) for row in rows.order_by("-id")[:_SHOWN]],
        "ready": READY,
        "tenants": named,
        "whole": tenants is None,
    }
    return render(request, "routing/evidence.html", context)


@require_safe
def download(request: HttpRequest, evidence: UUID) -> StreamingHttpResponse:
    """`/log/evidence/<id>/`: the tar, for whoever had it made."""
    return as_file(request, access.one(principal_of(request), evidence))


def _ask(request: HttpRequest) -> Ask:
    """What the form says: a call, else a tenant, else the whole log; a period for the last two."""
    tenant, call = request.POST.get("tenant", ""), request.POST.get("call", "").strip()
    since, until = _day(request.POST.get("from", "")), _day(request.POST.get("to", ""))
    if call:
        try:
            return Ask(scope="call", call=parse_call_name(call))
        except ValueError:
            raise InvalidRequest(f'"{call[:60]}" is no call') from None
    last = until + timedelta(days=1) if until else None
    return Ask(scope="tenant" if tenant else "log", tenant=tenant, since=since, until=last)


def _day(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = date.min
    if not 1971 <= found.year <= 9000:
        raise InvalidRequest(f'"{text[:20]}" is no day; write it like 2026-11-23')
    return datetime.combine(found, time(), tzinfo=timezone.get_current_timezone())
