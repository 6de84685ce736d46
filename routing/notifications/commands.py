"""Sending a delivery again that was given up."""

from uuid import UUID

from django.db import transaction

from controlplane.kernel.errors import Conflict, NotFound
from controlplane.kernel.principal import Principal
from policies.order.entries import append_entry
from policies.order.lock import mandate_now
from routing.notifications import access
from routing.notifications.models import FAILED, WAITING, Delivery


def repeat(principal: Principal, delivery: UUID) -> Delivery:
    """Send a delivery that was given up once more, at once and then as often as a new one.

    Raises NotFound for one that this principal may not see, Forbidden, Conflict unless it was given up.
    """
    row = access.readable(principal).filter(pk=delivery).first()
    if row is None:
        raise NotFound(f'there is no delivery "{delivery}"')
    access.require_repeat(principal, row.tenant)
    now = mandate_now()
    with transaction.atomic():
        # INVARIANT: what was sent is not sent again, and two who press at once send one
        done = Delivery.objects.filter(pk=row.pk, state=FAILED).update(
            state=WAITING, tries=0, next_at=now
        )
        if not done:
            raise Conflict("this was not given up: it waits, or was sent")
        append_entry(
            "delivery.repeated",
            actor=principal.actor,
            at=now,
            tenant=row.tenant,
            subject=f"delivery:{row.id.hex}",
            data={"event": row.event, "notification": row.document, "tries": row.tries},
        )
    row.refresh_from_db()
    return row
