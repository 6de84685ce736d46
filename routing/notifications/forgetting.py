"""Deliveries that ended long ago are forgotten; what they told of stays in the log."""

from datetime import datetime, timedelta
from typing import Final

from routing.notifications.models import WAITING, Delivery

KEPT: Final = timedelta(days=90)
"""How long a delivery is kept after its event, sent or given up. Longer than anything is told of again (30 days)."""


def forget(now: datetime) -> int:
    """Take away what was made longer ago than KEPT and has ended; how many. What waits is never taken."""
    done, _ = Delivery.objects.filter(made_at__lt=now - KEPT).exclude(state=WAITING).delete()
    return done
