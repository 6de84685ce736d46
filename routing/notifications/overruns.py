"""What a provider billed above a reservation: told once a window, as an entry `budget.overrun` and the event `budget.alert`."""

from datetime import datetime, timedelta
from typing import Final

from django.db import IntegrityError, transaction

from controlplane.kernel.money import format_nano
from policies.bundles.published import Published
from policies.order.entries import append_entry
from policies.order.lock import mandate_now
from routing.ledger.models import LedgerWindow
from routing.notifications.models import BudgetMark

OVERRUN: Final = 0
"""The percent that no document can name: the mark of an overrun."""
LATE: Final = timedelta(hours=96)
"""A bill may come after its window's end; what stayed unknown is settled within three days."""


def mark_overruns(found: Published, now: datetime) -> None:
    """Tell of each window that is open, or ended lately, in which more was billed than was reserved."""
    rows = LedgerWindow.objects.filter(starts__lte=now, ends__gt=now - LATE, overrun_nano__gt=0)
    told = BudgetMark.objects.filter(percent=OVERRUN).values("window")
    for window in rows.exclude(id__in=told).order_by("id"):
        _mark(found, window)


def _mark(found: Published, window: LedgerWindow) -> None:
    title = f"{window.tenant}/{window.budget}".lstrip("/")
    document = next((d for d in found.of("Budget") if _is(d.tenant, d.name, window)), None)
    scope = document.spec["scope"] if document else {}
    owner = document.spec.get("owner") if document else None
    try:
        with transaction.atomic():
            BudgetMark.objects.create(window=window.id, percent=OVERRUN)
            append_entry(
                "budget.overrun",
                actor="job:budgets",
                at=mandate_now(),
                tenant=str(scope.get("tenant") or window.tenant),
                subject=f"budget:{title}",
                data={
                    "budget": window.budget,
                    "overrun": format_nano(window.overrun_nano),
                    "spent": format_nano(window.posted_nano + window.overrun_nano),
                    "limit": format_nano(window.limit_nano),
                    "currency": found.currency,
                    "window": window.id,
                    **({"owner": owner} if owner else {}),
                },
            )
    except IntegrityError:
        return  # another job was first


def _is(tenant: str, name: str, window: LedgerWindow) -> bool:
    return (tenant, name) == (window.tenant, window.budget)
