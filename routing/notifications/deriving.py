"""From the log to deliveries, by a cursor that loses none (`audit.log.following`).

Deliveries and cursor move in one transaction: a job that dies has told nobody, and the next begins at the same place.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from audit.log.following import Place, follow, horizon
from controlplane.kernel.clock import to_text
from policies.bundles.published import Governed, Published, published
from policies.changes.models import APPROVAL, ChangeRequest
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.notifications.events import KINDS, OWNED, OWNED_KINDS, Event, Unreadable, of_entry
from routing.notifications.models import Delivery, Notified

_BATCH = 500
_log = logging.getLogger(__name__)


def derive() -> bool:
    """Make deliveries of what was committed since; whether there is more to read."""
    until = horizon()
    found, now = published(), mandate_now()
    with transaction.atomic():
        row = Notified.objects.select_for_update().get(pk=1)
        after = Place(row.xid, row.entry)
        if until.xid <= after.xid:
            return False
        kinds = KINDS if any(found.of("Notification")) else _owned()
        followed = follow(after, until, kinds, _BATCH)
        for body in followed.bodies:
            event = _event(json.loads(body))
            if event is not None:
                put(found, event, now)
        row.xid, row.entry = followed.place.xid, followed.place.entry
        row.save(update_fields=["xid", "entry"])
    return followed.more


def put(found: Published, event: Event, now: datetime) -> None:
    """One delivery for each Notification that wants the event, and one for its owner; the same occurrence again makes none."""
    made = [_delivery(document, event, now) for document in _wanting(found, event)]
    owner = event.facts.get("owner", "")
    known = any(row.way == "email" and row.target.lower() == owner.lower() for row in made)
    # INVARIANT: whom a Notification mails already is not mailed again as the owner
    if "@" in owner and event.name in OWNED and settings.MANDATE_MAIL_FROM and not known:
        made.append(_to_owner(owner, event, now))
    Delivery.objects.bulk_create(made, ignore_conflicts=True)


def _owned() -> tuple[str, ...]:
    """The entries to read where no Notification is published: owners are mailed by themselves, if there is a mail server."""
    return OWNED_KINDS if settings.MANDATE_MAIL_FROM else ()


def _to_owner(owner: str, event: Event, now: datetime) -> Delivery:
    """A mail that no Notification asks for: of a budget at a mark, or of spend out of pattern, to who answers for it."""
    return Delivery(
        id=new_id(),
        made_at=now,
        next_at=now,
        tenant=event.tenant,
        document="",
        event=event.name,
        occurrence=event.occurrence,
        way="email",
        target=owner,
        told=_told("", event),
    )


def _wanting(found: Published, event: Event) -> Iterable[Governed]:
    for document in found.of("Notification"):
        # INVARIANT: a tenant's Notification tells of that tenant alone; the organisation's of everybody
        if event.name in document.spec["on"] and document.tenant in ("", event.tenant):
            yield document


def _delivery(document: Governed, event: Event, now: datetime) -> Delivery:
    to = document.spec["to"]
    way = "email" if to.get("email") else "webhook"
    return Delivery(
        id=new_id(),
        made_at=now,
        next_at=now,
        tenant=document.tenant,
        document=document.name,
        event=event.name,
        occurrence=event.occurrence,
        way=way,
        target=to[way],
        credential=to.get("credential") or "",
        told=_told(document.title, event),
    )


def _told(document: str, event: Event) -> dict[str, object]:
    """The body of a webhook (Standard Webhooks: type, timestamp, data); a mail says the same in lines."""
    return {
        "type": event.name,
        "timestamp": to_text(event.at),
        "data": {
            "title": event.title,
            "tenant": event.tenant,
            "notification": document,
            "url": settings.MANDATE_URL.rstrip("/") + event.path,
            **event.facts,
        },
    }


def _event(entry: Mapping[str, Any]) -> Event | None:
    try:
        event = of_entry(entry)
    except Unreadable:
        # one entry must not keep everybody from being told of all later ones
        _log.exception("an entry is told to nobody")
        return None
    if event is None or event.name != "change.waiting":
        return event
    # checked is no news: that it still waits for somebody is
    if ChangeRequest.objects.filter(pk=UUID(event.facts["change"]), state=APPROVAL).exists():
        return event
    return None
