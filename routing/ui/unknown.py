"""Attempts that stayed unknown, in the console: what each holds, until when, and a form that settles it."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from audit.ui.filters import PAGE_ROWS, cursor, linked
from audit.ui.request import principal_of
from audit.ui.words import money
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.ids import call_name, parse_call_name
from controlplane.kernel.money import typed_nano
from policies.bundles.published import published
from policies.engine.pricing import UsageCounts
from policies.ui.people import sentence
from routing.exchange import SERVICE_TIERS
from routing.ledger import access
from routing.ledger.commands import Resolution, settle_unknown
from routing.ledger.unknown import UnknownAttempt, page_of_calls

_TOKENS = ("input", "cached_input", "cache_write", "output")
_MOST_TOKENS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One line, with the address of its form where the reader may settle it."""

    attempt: UnknownAttempt
    name: str
    held: str
    settle_url: str


@require_safe
def attempts(request: HttpRequest) -> HttpResponse:
    """`/budgets/unknown/`: newest call first."""
    principal = principal_of(request)
    rows = access.unknown_attempts(principal)
    found, following = page_of_calls(rows, PAGE_ROWS, cursor(request))
    currency = published().currency
    shown = []
    for one in found:
        url = reverse("unknown-settle", args=[call_name(one.call), one.no])
        may = access.may_settle(principal, one.tenant)
        held = money(one.reserved_nano, currency)
        shown.append(Row(one, call_name(one.call), held, url if may else ""))
    context = {
        "page": linked(request, shown, following),
        "currency": currency,
        "tiers": SERVICE_TIERS,
    }
    return render(request, "routing/unknown.html", context)


@require_POST
def settle(request: HttpRequest, name: str, no: int) -> HttpResponse:
    """`/budgets/unknown/call_…/<no>/`."""
    principal = principal_of(request)
    call = _id(name)
    try:
        amount = settle_unknown(principal, _resolution(request, call, no))
    except (Conflict, InvalidRequest) as error:
        messages.error(request, sentence(error.message))
    else:
        booked = money(amount, published().currency)
        messages.success(request, f"{booked} are booked; the rest is free again. It is an entry.")
    return redirect("unknown-attempts")


def _id(name: str) -> UUID:
    try:
        return parse_call_name(name)
    except ValueError:
        raise NotFound(f'there is no call "{name}"') from None


def _resolution(request: HttpRequest, call: UUID, no: int) -> Resolution:
    """What the form says: an amount, or tokens. Raises InvalidRequest."""
    text, reason = request.POST.get("amount", "").strip(), request.POST.get("reason", "")
    given = [request.POST.get(name, "").strip() for name in _TOKENS]
    usage = UsageCounts(*map(_tokens, given)) if any(given) else None
    try:
        amount = typed_nano(text) if text else None
    except ValueError as error:
        raise InvalidRequest(str(error)) from None
    return Resolution(
        call=call,
        no=no,
        reason=reason,
        amount_nano=amount,
        usage=usage,
        service_tier=request.POST.get("service_tier", ""),
    )


def _tokens(text: str) -> int:
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or int(text) > _MOST_TOKENS:
        raise InvalidRequest(f'"{text[:20]}" is no number of tokens')
    return int(text)
