"""Hours that were split, looked at again: once a day, and when a document says otherwise what they cost. No split changes.

1. Which months some tenant has closed, of which all calls are still kept. 2. Each is split as if it were today; what differs
from what stands is proposed to every tenant at once. A month that was closed before its hours were split stands at nothing.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Final

from audit.merkle import canonical
from policies.bundles.published import Published, published
from policies.order.lock import mandate_now
from routing.closing import hours
from routing.closing.commands import correct_hours
from routing.closing.months import month_of
from routing.reconcile.models import Standing

JOB: Final = "job:hours"
BACK: Final = timedelta(days=400)
"""How far back months are looked at."""
_CHECK: Final = "hours"


def look(found: Published, now: datetime) -> int:
    """Propose what differs in every closed month; how many were new. It may run twice, and beside another."""
    since = month_of(now - BACK, str(found.zone.key))
    wanted = [month for month in hours.closed(since) if hours.remembered(found, month, now)]
    return sum(correct_hours(found, month, actor=JOB) for month in wanted)


def look_if_changed() -> int | None:
    """The same, once a day and where documents say otherwise since the last look; None else."""
    found, now = published(), mandate_now()
    if not found.revision:
        return None
    digest = _digest(found, now)
    row = Standing.objects.filter(pk=_CHECK).first()
    if row is not None and row.seen == digest:
        return None
    proposed = look(found, now)
    Standing.objects.update_or_create(
        check_name=_CHECK, defaults={"checked_at": now, "held_at": now, "seen": digest}
    )
    return proposed


def _digest(found: Published, now: datetime) -> str:
    """Of the day, and of all that the cost of hours is made of."""
    models = [[m.tenant, m.name, m.spec.get("capacity")] for m in found.of("Model")]
    organisation = found.organisation
    about = [
        now.astimezone(found.zone).date().isoformat(),
        str(found.zone.key),
        organisation.get("currency", ""),
        organisation.get("exchangeRates") or [],
        [one for one in models if one[2]],
    ]
    return hashlib.sha256(canonical.dumps(about)).hexdigest()
