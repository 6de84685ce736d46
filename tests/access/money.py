"""Objects of money and of what is told: those that are used up are made anew."""

import secrets
from collections.abc import Callable

from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.anomalies.models import Anomaly
from routing.notifications.models import Delivery


def makers(tenant: str, team: str) -> dict[str, Callable[[], str]]:
    """`delivery`: one that was given up; `anomaly`: one whose key is not capped yet."""

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

    def anomaly() -> str:
        now = mandate_now()
        row = Anomaly(
            id=new_id(),
            tenant=tenant,
            team=team,
            key=secrets.token_hex(4),
            route="triage",
            since=now,
            found_at=now,
            last_at=now,
            first_call=new_id(),
            calls=1,
            spent_nano=9,
            usual_nano=1,
            threshold_nano=4,
            cost_nano=9,
        )
        row.save(force_insert=True)
        return str(row.pk)

    return {"delivery": delivery, "anomaly": anomaly}
