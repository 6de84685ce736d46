"""One budget: its period drawn, what if its limit were another, its alerts, its raises, its windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from audit.ui.words import count, day, money
from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.money import format_nano, parse_nano, typed_nano
from controlplane.kernel.principal import Principal
from policies.bundles.published import Published, moment
from policies.bundles.read import published_documents
from policies.changes.access import may_draft
from policies.changes.commands import NewChange
from policies.changes.models import ChangeRequest
from policies.changes.publishing import propose
from policies.forms.form import opened, posted
from policies.ui.documents import document_url
from routing.forecasts.calendar import Calendar, calendar_of
from routing.forecasts.making import history_of
from routing.forecasts.method import WORDS, Days, Standing, curve, forecast, reached
from routing.forecasts.models import Forecast
from routing.forecasts.supposing import Supposed, suppose
from routing.ledger.models import LedgerWindow
from routing.ledger.windows import ALWAYS
from routing.notifications.models import BudgetMark, ForecastMark
from routing.reports.balances import Balance, history
from routing.ui.burn import BurnChart, Period, burn_chart, sums

_SUBJECT_SHOWN = 24


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One window of one budget."""

    name: str
    spent: str
    pending: str
    overrun: str
    limit: str


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One mark: when it was passed by what was spent, and by a forecast before that."""

    percent: int
    amount: str
    spent_at: datetime | None
    forecast_at: datetime | None


@dataclass(frozen=True, slots=True)
class Raise:
    """A dated Exception that raises the limit."""

    name: str
    url: str
    by: str
    until: str


@dataclass(frozen=True, slots=True)
class What:
    """What another limit would have done, beside the one in force: one line each."""

    limit: str
    asked: str
    lines: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class _View:
    """What the panel is made from; without a window nothing was drawn yet."""

    balance: Balance
    calendar: Calendar
    currency: str
    window: LedgerWindow | None
    windows: Sequence[LedgerWindow]
    days: Days
    at: Standing | None


def chosen_budget(
    principal: Principal, found: Published, balance: Balance, asked: str
) -> dict[str, Any]:
    """Everything that the panel shows. `asked`: the limit to suppose, as it was typed."""
    view = _view(found, balance)
    wanted, trouble = _limit(asked)
    said = Forecast.objects.filter(window=balance.window or 0).first()
    return {
        "identity": f"{balance.tenant}/{balance.name}",
        "name": balance.name,
        "subject": balance.subject,
        "period": balance.period,
        "owner": balance.owner,
        "left": money(balance.left_nano, found.currency),
        "document_url": document_url("Budget", balance.tenant, balance.name),
        "chart": _chart(view),
        "method": _method(said, balance),
        "made_at": said.made_at if said else None,
        "alerts": _alerts(found, view),
        "raises": _raises(found, balance),
        "windows": [_window(w, found.currency) for w in view.windows],
        "limit": asked.strip() or format_nano(balance.limit_nano),
        "trouble": trouble,
        "what": _what(view, wanted) if wanted is not None else None,
        "may_propose": may_draft(principal, balance.tenant) and wanted is not None,
        "currency": found.currency,
    }


def propose_limit(principal: Principal, balance: Balance, asked: str) -> ChangeRequest:
    """A change request with another limit, handed in. Raises InvalidRequest for no other amount, and as `propose`."""
    wanted, trouble = _limit(asked)
    if wanted is None:
        raise InvalidRequest(trouble or "say which limit")
    source = published_documents().rows["Budget", balance.tenant, balance.name].source
    flat = {name: list(values) for name, values in opened(source).flat.items()}
    if flat.get("spec.limit") and parse_nano(flat["spec.limit"][0]) == wanted:
        raise InvalidRequest(f"{format_nano(wanted)} is the limit already")
    flat["spec.limit"] = [format_nano(wanted)]
    text = posted("Budget", source, flat).text
    title = f"Limit of {balance.name}: {format_nano(wanted)}"
    return propose(principal, NewChange(title=title, tenant=balance.tenant), [text], ())


def _limit(asked: str) -> tuple[int | None, str]:
    """The amount, or what is wrong with it; neither where nothing was asked."""
    if not asked.strip():
        return None, ""
    try:
        return typed_nano(asked), ""
    except ValueError as error:
        return None, str(error)


def _view(found: Published, balance: Balance) -> _View:
    budget = found.find("Budget", balance.tenant, balance.name)
    if budget is None:
        raise InvalidRequest(f'"{balance.name}" is not published any more')
    calendar = calendar_of(budget, found)
    windows = history(balance.name, balance.tenant, subject=balance.subject)
    window = next((one for one in windows if one.id == balance.window), None)
    now = moment()
    days, at = Days(calendar.day(now), {}), None
    if window is not None and balance.period != "once":
        days = history_of(window, now)
        spent = window.posted_nano + window.overrun_nano
        at = calendar.standing(window.starts, window.ends, now, spent)
    return _View(balance, calendar, found.currency, window, windows, days, at)


def _chart(view: _View) -> BurnChart | None:
    """The period so far and to come; a day's has nothing to draw but its bar."""
    at = view.at
    if at is None or (at.ends - at.starts).days == 1:
        return None
    spent = sums(at.starts, at.today, view.days.nano)
    if spent[-1][1] < at.spent_nano:
        # what was spent since the days were last summed
        spent[-1] = (at.today, at.spent_nano)
    return burn_chart(
        Period(
            starts=at.starts,
            ends=at.ends,
            spent=spent,
            ahead=curve(view.days, at),
            said=forecast(view.days, at),
            limit_nano=view.balance.limit_nano,
        ),
        view.currency,
    )


def _method(said: Forecast | None, balance: Balance) -> str:
    """How the forecast was made, and how far it was off before."""
    if balance.period == "once":
        return "A budget that is spent once has no end to forecast."
    if said is None:
        return "Nothing is forecast yet: the job looks every two minutes."
    if said.method == "none":
        return "There is not enough history to forecast: it takes one whole day of the period, or 14 of any."
    words = f"Forecast: {WORDS[said.method]}; the range is what nine periods in ten stay in if days differ as they did."
    if said.error_permille is None:
        return f"{words} No closed period is known whole yet, so nobody can say how far off it is."
    off = f"{said.error_permille // 10}.{said.error_permille % 10} %"
    return (
        f"{words} Tried on the last {said.tried} closed period{'s' if said.tried > 1 else ''}, at the same point, it was off by "
        f"{off} on average; {said.held} stayed in the range."
    )


def _alerts(found: Published, view: _View) -> list[AlertRow]:
    budget = found.find("Budget", view.balance.tenant, view.balance.name)
    percents = sorted(budget.spec.get("alerts") or ()) if budget else []
    if not percents:
        return []
    window = view.balance.window or 0
    spent = dict(BudgetMark.objects.filter(window=window).values_list("percent", "passed_at"))
    ahead = dict(ForecastMark.objects.filter(window=window).values_list("percent", "passed_at"))
    return [
        AlertRow(
            percent,
            money(view.balance.limit_nano * percent // 100, view.currency),
            spent.get(percent),
            ahead.get(percent),
        )
        for percent in percents
    ]


def _raises(found: Published, balance: Balance) -> list[Raise]:
    today = moment().astimezone(found.zone).date().isoformat()
    return [
        Raise(
            name=one.name,
            url=document_url("Exception", one.tenant, one.name),
            by=money(parse_nano(str(one.spec["raiseBy"])), found.currency),
            until=str(one.spec["expiresOn"]),
        )
        for one in found.of("Exception")
        if one.spec.get("budget") == balance.name and one.spec.get("raiseBy")
        if one.tenant == balance.tenant and str(one.spec["expiresOn"]) >= today
    ]


def _what(view: _View, wanted: int) -> What:
    """The limit in force beside the one that is asked about."""
    last = next((w for w in view.windows if w.id != view.balance.window), None)
    now = view.balance.limit_nano
    lines = [("Reached", _reached(view, now), _reached(view, wanted))]
    for title, window in (("Calls refused so far", view.window), ("Calls refused last time", last)):
        if window is not None:
            said = [_refused(suppose(window, limit)) for limit in (now, wanted)]
            lines.append((title, said[0], said[1]))
    return What(money(now, view.currency), money(wanted, view.currency), tuple(lines))


def _reached(view: _View, limit_nano: int) -> str:
    if view.balance.spent_nano >= limit_nano:
        return "reached already"
    if view.balance.period == "once":
        return "not yet"
    if view.at is None:
        return "not known"
    on = reached(view.days, view.at, limit_nano)
    if on is None:
        known = forecast(view.days, view.at).method != "none"
        return f"not this {view.balance.period}" if known else "not known"
    left = (on - view.at.today).days
    return f"{on:%a} {on.day} {on:%b}, " + (
        "today" if not left else f"{left} day{'s' if left > 1 else ''} left"
    )


def _refused(found: Supposed) -> str:
    return f"{count(found.refused)} of {count(found.calls)}"


def _window(window: LedgerWindow, currency: str) -> WindowRow:
    subject = f", {window.subject[:_SUBJECT_SHOWN]}" if window.subject else ""
    days = f"{day(window.starts)} to {day(window.ends - timedelta(seconds=1))}"
    if window.ends == ALWAYS[1]:
        days = "once, has no end"
    return WindowRow(
        name=f"{days}{subject}",
        spent=money(window.posted_nano + window.overrun_nano, currency),
        pending=money(window.pending_nano, currency),
        overrun=money(window.overrun_nano, currency),
        limit=money(window.limit_nano, currency),
    )
