"""What needs a person first: one thing with its one next step, and the held calls among them."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from audit.ui.words import ago
from controlplane.kernel.principal import Principal
from policies.bundles.published import Published
from routing.reports.reviews import queue


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that needs a person, with its one next step."""

    title: str
    text: str
    icon: str
    tone: str
    url: str = ""
    action: str = ""


def held_calls(principal: Principal, found: Published, tenant: str, now: datetime) -> list[Need]:
    """The cases that this member may decide, of one tenant or ("") of all."""
    rows = queue(principal, found)
    waiting = list((rows.filter(tenant=tenant) if tenant else rows)[:1000])
    if not waiting:
        return []
    first, number = waiting[0], len(waiting)
    late = sum(case.due_at <= now for case in waiting)
    title = f"{number} call{'s wait' if number > 1 else ' waits'} for a person"
    text = f"{first.route}: {first.message or 'held for review'}, due {_due(first.due_at, now)}."
    if late:
        text = f"{late} overdue. {text}"
    url = reverse("review", args=[first.id])
    return [Need(title, text, "hand", "bad" if late else "warn", url, "Open the first case")]


def _due(at: datetime, now: datetime) -> str:
    """`3 min ago`, or `in 12 min`."""
    if at <= now:
        return ago(at, now)
    minutes = max(1, int((at - now).total_seconds()) // 60)
    return f"in {minutes} min" if minutes < 120 else f"in {minutes // 60} h"
