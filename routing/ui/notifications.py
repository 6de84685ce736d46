"""The page of deliveries: what Notification documents sent, what waits, what was given up and why."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from audit.ui.request import principal_of
from controlplane.kernel.errors import NotFound
from controlplane.kernel.principal import Principal
from policies.ui.documents import document_url
from routing.notifications import access, commands
from routing.notifications.models import FAILED, STATES, Delivery

ROWS = 50


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `url` is the Notification document; it may have been deleted since."""

    id: UUID
    title: str
    event: str
    document: str
    url: str
    target: str
    state: str
    error: str
    tries: int
    made_at: datetime
    sent_at: datetime | None
    next_at: datetime
    repeatable: bool


@require_safe
def notifications(request: HttpRequest) -> HttpResponse:
    """`/settings/notifications/`; `?state=failed` those that were given up, `?before=` the next page."""
    principal = principal_of(request)
    rows = access.readable(principal)
    state, before = request.GET.get("state", ""), request.GET.get("before", "")
    if state in STATES:
        rows = rows.filter(state=state)
    if before:
        rows = rows.filter(pk__lt=_id(before))
    found = list(rows.order_by("-pk")[: ROWS + 1])
    context = {
        "rows": [_row(delivery, principal) for delivery in found[:ROWS]],
        "states": STATES,
        "state": state,
        "paged": bool(before),
        "older": found[ROWS - 1].pk.hex if len(found) > ROWS else "",
        "new_url": reverse("document-new-kind", args=["Notification"]),
    }
    return render(request, "routing/notifications.html", context)


@require_POST
def repeat(request: HttpRequest, delivery: UUID) -> HttpResponse:
    """`/settings/notifications/<id>/repeat/`: send one that was given up again."""
    commands.repeat(principal_of(request), delivery)
    messages.success(request, "It is sent again within seconds; the list shows what comes of it.")
    return redirect("notifications")


def _id(text: str) -> UUID:
    try:
        return UUID(hex=text)
    except ValueError:
        raise NotFound("there is no such page") from None


def _row(delivery: Delivery, principal: Principal) -> Row:
    tenant, name = delivery.tenant, delivery.document
    return Row(
        id=delivery.id,
        title=delivery.told["data"]["title"],
        event=delivery.event,
        document=f"{tenant} / {name}" if tenant and name else name,
        url=document_url("Notification", tenant, name) if name else "",
        target=delivery.target,
        state=delivery.state,
        error=delivery.error,
        tries=delivery.tries,
        made_at=delivery.made_at,
        sent_at=delivery.sent_at,
        next_at=delivery.next_at,
        repeatable=delivery.state == FAILED and access.may_repeat(principal, tenant),
    )
