"""The page of budgets, and their lines as other pages show them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from audit.ui.request import principal_of
from audit.ui.words import day, minute, money, share
from controlplane.kernel.errors import InvalidRequest, NotFound
from policies.bundles.published import moment, published
from routing.burst import firing
from routing.forecasts.models import Forecast
from routing.ledger.access import may_read
from routing.reconcile.access import standing
from routing.reports.access import require_money
from routing.reports.balances import Balance, balances
from routing.ui.budget import chosen_budget, propose_limit

_BAR, _LIMIT_AT = 218, 176
_SUBJECT_SHOWN = 24


@dataclass(frozen=True, slots=True)
class Outlook:
    """A forecast as a line shows it. The bar's range goes from `low_x` to `high_x`, its tick stands at `x`."""

    expected: str
    range: str
    limit_on: str
    low_x: int
    x: int
    width: int


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
    bar_spent: int
    bar_pending: int
    high: bool
    full: bool
    hard: bool
    on_exhausted: str
    depth: int
    chosen: bool
    outlook: Outlook | None


@require_safe
def budgets(request: HttpRequest) -> HttpResponse:
    """`/budgets/`; `?budget=<tenant>/<name>` opens one, `&subject=` one of its `each`, `&limit=` asks what if."""
    principal = principal_of(request)
    require_money(principal)
    found, now = published(), moment()
    rows = balances(principal, found, now)
    chosen = _chosen(rows, request.GET.get("budget", ""), request.GET.get("subject", ""))
    context = {
        "now": now,
        "title": f"{timezone.localtime(now):%B %Y}",
        "rows": [row_of(row, found.currency, chosen) for row in rows],
        "may_settle": may_read(principal),
        "standing": standing(principal),
        "burst": firing.offered(principal),
        "chosen": chosen_budget(principal, found, chosen, request.GET.get("limit", ""))
        if chosen
        else None,
    }
    return render(request, "routing/budgets.html", context)


@require_POST
def propose(request: HttpRequest) -> HttpResponse:
    """`/budgets/propose/`: a change request with another limit for one budget."""
    principal, found = principal_of(request), published()
    require_money(principal)
    wanted = request.POST.get("budget", "")
    row = _chosen(balances(principal, found, moment()), wanted, "")
    if row is None:
        raise NotFound(f'there is no budget "{wanted}" that was drawn on')
    try:
        change = propose_limit(principal, row, request.POST.get("limit", ""))
    except InvalidRequest as error:
        messages.error(request, f"{error.message[:1].upper()}{error.message[1:]}.")
        return redirect(f"{reverse('budgets')}?{urlencode({'budget': wanted})}")
    return redirect("change", change.id)


def _chosen(rows: "list[Balance]", wanted: str, subject: str) -> Balance | None:
    found = [row for row in rows if wanted and identity(row) == wanted]
    return next((row for row in found if row.subject == subject), next(iter(found), None))


def row_of(balance: Balance, currency: str, chosen: Balance | None = None) -> BudgetRow:
    """A balance as the tables show it."""
    used = balance.spent_nano + balance.pending_nano
    return BudgetRow(
        name=balance.name,
        url=address(balance),
        subject=balance.subject[:_SUBJECT_SHOWN],
        scope=scope_in_words(balance),
        owner=balance.owner,
        spent=money(balance.spent_nano, currency),
        pending=money(balance.pending_nano, currency),
        limit=money(balance.limit_nano, currency),
        left=money(balance.left_nano, currency),
        used=share(used, balance.limit_nano),
        window=_window(balance),
        bar_spent=_x(balance.spent_nano, balance) - 1,
        bar_pending=_x(used, balance) - 1,
        high=balance.near,
        full=balance.left_nano <= 0,
        hard=balance.hard,
        on_exhausted=balance.on_exhausted,
        depth=_depth(balance),
        chosen=balance is chosen,
        outlook=_outlook(balance, balance.forecast, currency) if balance.forecast else None,
    )


def _outlook(balance: Balance, said: Forecast, currency: str) -> Outlook:
    low, high = _x(said.low_nano, balance), _x(said.high_nano, balance)
    return Outlook(
        expected=money(said.expected_nano, currency),
        range=f"{money(said.low_nano, currency)} to {money(said.high_nano, currency)}",
        limit_on=f"limit on {in_words(said.limit_on)}" if said.limit_on else "",
        low_x=low,
        x=_x(said.expected_nano, balance),
        width=max(1, high - low),
    )


def _x(amount_nano: int, balance: Balance) -> int:
    """Where an amount stands in the bar; what is beyond it stands at its end."""
    return 1 + min(_BAR, amount_nano * (_LIMIT_AT - 1) // max(1, balance.limit_nano))


def in_words(on: date) -> str:
    """`Fri 27 Nov`."""
    return f"{on:%a} {on.day} {on:%b}"


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


def _window(balance: Balance) -> str:
    if balance.period == "once":
        return "once, has no end"
    until = f"until {_end(balance.ends)}" if balance.ends else "nothing drawn yet"
    return f"this {balance.period}, {until}"


def _end(ends: datetime) -> str:
    """The last day; where a tenant's midnight is another hour here, the moment."""
    here = timezone.localtime(ends)
    last = day(ends - timedelta(seconds=1))
    return last if (here.hour, here.minute) == (0, 0) else minute(ends)


def identity(balance: Balance) -> str:
    """As addresses name it."""
    return f"{balance.tenant}/{balance.name}"


def address(balance: Balance) -> str:
    """Where it is opened."""
    asked = {"budget": identity(balance)}
    if balance.subject:
        asked["subject"] = balance.subject
    return f"{reverse('budgets')}?{urlencode(asked)}"


def _depth(balance: Balance) -> int:
    if not balance.scope.get("tenant") and not balance.tenant:
        return 0
    return 2 if len(balance.scope) > 1 else 1
