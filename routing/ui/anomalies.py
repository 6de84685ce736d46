"""Spend that broke its pattern, in the console: what it cost so far, where it began, and one click that caps the key."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from audit.ui.request import principal_of
from audit.ui.words import minute, money
from controlplane.kernel.errors import Conflict, InvalidRequest
from controlplane.kernel.ids import call_name
from policies.bundles.published import published
from policies.ui.people import sentence
from routing.anomalies import access, capping
from routing.anomalies.models import Anomaly
from routing.anomalies.pattern import DAYS, Limits

_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Row:
    """One anomaly as the page shows it; `cap_url` where the reader may cap its key."""

    anomaly: Anomaly
    call: str
    spent: str
    usual: str
    threshold: str
    cost: str
    cap_url: str


@require_safe
def anomalies(request: HttpRequest) -> HttpResponse:
    """`/budgets/anomalies/`: those that are open first, then the newest."""
    principal = principal_of(request)
    access.require_read(principal)
    bundle = published()
    currency, limits = bundle.currency, Limits.of(bundle.organisation)
    found = list(access.visible(principal).order_by("-id")[:_SHOWN])
    found.sort(key=lambda row: row.ended_at is not None)
    rows = [_row(row, currency, may=access.may_cap(principal, row.tenant)) for row in found]
    context = {
        "rows": rows,
        "open": sum(row.ended_at is None for row in found),
        "currency": currency,
        "days": DAYS,
        "limits": limits,
        "floor": money(limits.floor_nano, currency),
        "new": money(limits.new_nano, currency),
    }
    return render(request, "routing/anomalies.html", context)


@require_POST
def cap(request: HttpRequest, anomaly: UUID) -> HttpResponse:
    """`/budgets/anomalies/<id>/cap/`."""
    principal = principal_of(request)
    hours = request.POST.get("hours", "")
    try:
        asked = int(hours) if hours.isascii() and hours.isdigit() else 0
        row = capping.cap(principal, anomaly, request.POST.get("limit", ""), asked)
    except (Conflict, InvalidRequest) as error:
        messages.error(request, sentence(error.message))
    else:
        until = minute(row.cap_until) if row.cap_until else ""
        messages.success(
            request, f"The key {row.key} is capped until {until}; the cap then goes by itself."
        )
    return redirect("anomalies")


def _row(row: Anomaly, currency: str, *, may: bool) -> Row:
    return Row(
        anomaly=row,
        call=call_name(row.first_call),
        spent=money(row.spent_nano, currency),
        usual=money(row.usual_nano, currency),
        threshold=money(row.threshold_nano, currency),
        cost=money(row.cost_nano, currency),
        cap_url=reverse("anomaly-cap", args=[row.id]) if may and not row.cap else "",
    )
