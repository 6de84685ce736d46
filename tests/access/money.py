"""Objects of money and of what is told: those that are used up are made anew."""

import secrets
from collections.abc import Callable

from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.notifications.models import Delivery


def makers(tenant: str) -> dict[str, Callable[[], str]]:
    """`delivery`: one that was given up."""

    def delivery() -> str:
        now = mandate_now()
        row = Delivery(
            id=new_id(),
            made_at=now,
            next_at=now,
            tenant=tenant,
            document="tried",
            event="stop.set",
            occurrence=secrets.token_hex(8),
            way="email",
            target="finn@acme.example",
            state="failed",
            told={"type": "stop.set", "data": {"title": "A stop was set"}},
        )
        row.save(force_insert=True)
        return str(row.pk)

    return {"delivery": delivery}
