"""What needs a person first: one thing with its one next step, and the held calls among them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from audit.ui.words import ago, listed
from controlplane.kernel.principal import Principal
from policies.bundles.published import Published
from policies.changes.models import ChangeRequest
from policies.ui.people import person
from routing.closing.due import Due
from routing.closing.months import said
from routing.reports.balances import Balance
from routing.reports.reviews import queue
from routing.ui.budgets import address, in_words


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


def changes_to_look_at(
    rows: Iterable[ChangeRequest], tenant: str, now: datetime, known: Mapping[str, str]
) -> list[Need]:
    """Changes that one person published alone and nobody reviewed, and those that were not published at their time."""
    rows = [row for row in rows if not tenant or row.tenant == tenant]
    alone = [row for row in rows if row.published_revision]
    back = [row for row in rows if not row.published_revision]
    needs = []
    if alone:
        glass = alone[0].glass
        title = f"{_changes(len(alone))} published by one person alone"
        text = f"{person(glass.actor, known)}, {ago(glass.broken_at, now)}: {glass.reason}. Another member reviews it."
        url = reverse("change", args=[alone[0].id])
        needs.append(Need(title, text, "alert", "bad", url, "Look at it"))
    if back:
        title = f"{_changes(len(back))} held back at the time to publish"
        text = f"{back[0].title}: {back[0].held_back}."
        url = reverse("change", args=[back[0].id])
        needs.append(Need(title, text, "clock", "warn", url, "Look at it"))
    return needs


def _changes(number: int) -> str:
    return f"{number} changes were" if number > 1 else "1 change was"


def out_of_pattern(number: int) -> list[Need]:
    """Keys whose spend broke its pattern and does not hold it again."""
    if not number:
        return []
    title = f"{number} key{'s spend' if number > 1 else ' spends'} out of pattern"
    text = "More in ten minutes than in those of the days before; a cap holds a key for some hours."
    return [Need(title, text, "alert", "bad", reverse("anomalies"), "Look at it")]


def lost_attempts(lost: int, *, may_settle: bool) -> list[Need]:
    """Attempts whose cost nobody knows yet."""
    if not lost:
        return []
    text = "What they cost is not known yet; they hold their money until the provider's usage, a person or 72 hours settle them."
    return [
        Need(
            f"{lost} attempt{'s' if lost > 1 else ''} lost",
            text,
            "alert",
            "warn",
            reverse("unknown-attempts") if may_settle else f"{reverse('calls')}?state=failed",
            "Settle them" if may_settle else "Look at the calls",
        )
    ]


def to_close(rows: Sequence[Due], known: Mapping[str, str]) -> list[Need]:
    """Months that finance may close, and adjustments that wait; the one next step is that of the first tenant."""
    stopped = [row for row in rows if row.waiting]
    months = [row for row in rows if row.month and not row.waiting]
    needs = []
    if months:
        first, number = months[0], len(months)
        title = f"{number} months are to be closed" if number > 1 else "1 month is to be closed"
        what = f"{said(first.month)} of {first.tenant}"
        if first.statement:
            text = f"{what}: {person(first.prepared_by, known)} prepared its statement."
            url, action = reverse("statement", args=[first.statement]), "Open the statement"
        else:
            text = f"{what} is over, and so is its grace; its statement is to be prepared."
            url, action = f"{reverse('statements')}?tenant={first.tenant}", "Open the statements"
        needs.append(Need(title, text, "document", "warn", url, action))
    if stopped:
        number = sum(row.waiting for row in stopped)
        title = f"{number} adjustment{'s wait' if number > 1 else ' waits'} for finance"
        text = f"Of {listed([row.tenant for row in stopped])}: what is accepted counts in the open month; none closes before."
        needs.append(Need(title, text, "document", "warn", reverse("adjustments"), "Decide on it"))
    return needs


def exhausted(near: Sequence[Balance]) -> list[Need]:
    """Hard budgets that have nothing left."""
    full = [row for row in near if row.left_nano <= 0 and row.hard]
    if not full:
        return []
    text = f"{full[0].name} has nothing left: its calls get “{full[0].on_exhausted}”."
    title = f"{len(full)} budget{'s are' if len(full) > 1 else ' is'} exhausted"
    return [Need(title, text, "budget", "bad", reverse("budgets"), "Open the budgets")]


def foreseen(rows: Sequence[Balance]) -> list[Need]:
    """Hard budgets whose limit would be reached before their window ends."""
    ahead = [
        (row, one.limit_on)
        for row in rows
        if row.hard and row.left_nano > 0 and (one := row.forecast)
        if one.limit_on is not None
    ]
    if not ahead:
        return []
    row, on = min(ahead, key=lambda pair: pair[1])
    title = f"{len(ahead)} budget{'s are' if len(ahead) > 1 else ' is'} forecast to reach the limit"
    text = f"{row.name} on {in_words(on)}; its calls then get “{row.on_exhausted}”."
    return [Need(title, text, "budget", "warn", address(row), "Open the budget")]
