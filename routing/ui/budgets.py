"""The page of budgets, and their lines as other pages show them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from audit.ui.request import principal_of
from audit.ui.words import day, minute, money, share
from policies.bundles.published import moment, published
from policies.ui.documents import document_url
from routing.ledger.models import LedgerWindow
from routing.reports.access import require_money
from routing.reports.balances import Balance, balances, history

_BAR, _LIMIT_AT = 218, 175
_SUBJECT_SHOWN = 24


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """One line. The bar is 220 wide and the limit's tick stands at 176: every bar in the scale of its own limit."""

    name: str
    url: str
    subject: str
    scope: str
    owner: str
    spent: str
    pending: str
    limit: str
    left: str
    used: str
    window: str
    window_note: str
    bar_spent: int
    bar_pending: int
    high: bool
    full: bool
    hard: bool
    on_exhausted: str
    depth: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One window of one budget."""

    name: str
    spent: str
    pending: str
    overrun: str
    limit: str


@require_safe
def budgets(request: HttpRequest) -> HttpResponse:
    """`/budgets/`; `?budget=<tenant>/<name>` opens one."""
    principal = principal_of(request)
    require_money(principal)
    found, now = published(), moment()
    rows = balances(principal, found, now)
    wanted = request.GET.get("budget", "")
    chosen = next((row for row in rows if _identity(row) == wanted), None)
    context = {
        "now": now,
        "title": f"{timezone.localtime(now):%B %Y}",
        "rows": [row_of(row, found.currency, wanted) for row in rows],
        "chosen": _chosen(chosen, found.currency) if chosen else None,
    }
    return render(request, "routing/budgets.html", context)


def row_of(balance: Balance, currency: str, wanted: str = "") -> BudgetRow:
    """A balance as the tables show it."""
    used = balance.spent_nano + balance.pending_nano
    limit = max(1, balance.limit_nano)
    spent_bar = min(_BAR, balance.spent_nano * _LIMIT_AT // limit)
    return BudgetRow(
        name=balance.name,
        url=f"{reverse('budgets')}?{urlencode({'budget': _identity(balance)})}",
        subject=balance.subject[:_SUBJECT_SHOWN],
        scope=scope_in_words(balance),
        owner=balance.owner,
        spent=money(balance.spent_nano, currency),
        pending=money(balance.pending_nano, currency),
        limit=money(balance.limit_nano, currency),
        left=money(balance.left_nano, currency),
        used=share(used, balance.limit_nano),
        window=f"this {balance.period}" if balance.period != "once" else "once",
        window_note=_window_note(balance),
        bar_spent=spent_bar,
        bar_pending=min(_BAR, used * _LIMIT_AT // limit),
        high=balance.near,
        full=balance.left_nano <= 0,
        hard=balance.hard,
        on_exhausted=balance.on_exhausted,
        depth=_depth(balance),
        chosen=_identity(balance) == wanted,
    )


def scope_in_words(balance: Balance) -> str:
    """`insurance / claims`, or `the organisation`."""
    place = str(balance.scope.get("tenant") or balance.tenant)
    parts = [place] if place else []
    for name, value in balance.scope.items():
        if name == "team":
            parts.append(str(value))
        elif name != "tenant":
            parts.append(f"{name} {value}")
    return " / ".join(parts) or "the organisation"


def _window_note(balance: Balance) -> str:
    if balance.ends is None:
        return "nothing drawn yet"
    return "has no end" if balance.period == "once" else f"until {_end(balance.ends)}"


def _end(ends: datetime) -> str:
    """The last day; where a tenant's midnight is another hour here, the moment."""
    here = timezone.localtime(ends)
    return _last_day(ends) if (here.hour, here.minute) == (0, 0) else minute(ends)


def _last_day(ends: datetime) -> str:
    return day(ends - timedelta(seconds=1))


def _identity(balance: Balance) -> str:
    return f"{balance.tenant}/{balance.name}"


def _depth(balance: Balance) -> int:
    if not balance.scope.get("tenant") and not balance.tenant:
        return 0
    return 2 if len(balance.scope) > 1 else 1


def _chosen(balance: Balance, currency: str) -> dict[str, object]:
    return {
        "name": balance.name,
        "scope": scope_in_words(balance),
        "left": money(balance.left_nano, currency),
        "document_url": document_url("Budget", balance.tenant, balance.name),
        "windows": [_window(w, currency) for w in history(balance.name, balance.tenant)],
    }


def _window(window: LedgerWindow, currency: str) -> WindowRow:
    subject = f", {window.subject[:_SUBJECT_SHOWN]}" if window.subject else ""
    return WindowRow(
        name=f"{day(window.starts)} to {_last_day(window.ends)}{subject}",
        spent=money(window.posted_nano + window.overrun_nano, currency),
        pending=money(window.pending_nano, currency),
        overrun=money(window.overrun_nano, currency),
        limit=money(window.limit_nano, currency),
    )
