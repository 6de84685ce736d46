"""The job: bring the days up to date, then say of each open window what it will have cost at its end."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from policies.bundles.published import Governed, Published
from routing.forecasts.calendar import Calendar, calendar_of
from routing.forecasts.days import fill
from routing.forecasts.method import MOST_TRIED, Days, forecast, reached, tried
from routing.forecasts.models import COLUMNS, BudgetDay, Forecast
from routing.ledger.models import LedgerWindow

HISTORY: Final = timedelta(days=400)
MOST: Final = 2_000
"""So many open windows are forecast at most: those that have spent the most. An `each` may have very many."""
_Line = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Known:
    """Budgets by (tenant, name), and the windows of the last 400 days by budget and subject."""

    calendars: Mapping[tuple[str, str], Calendar]
    windows: Sequence[LedgerWindow]


def make(found: Published, now: datetime) -> int:
    """Forecast every open window that has an end; how many. Forecasts of windows that are over go."""
    known = _known(found, now)
    zones = {
        window.id: known.calendars[window.tenant, window.budget].zone.key
        for window in known.windows
    }
    fill(zones, now - HISTORY, now)
    days = _days(known.windows)
    open_now = sorted(
        (window for window in known.windows if window.starts <= now < window.ends),
        key=lambda window: (-window.posted_nano - window.overrun_nano, window.id),
    )
    rows = [_forecast(window, known, days.get(line_of(window)), now) for window in open_now[:MOST]]
    Forecast.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["window"], update_fields=list(COLUMNS)
    )
    Forecast.objects.exclude(window__in=[row.window for row in rows]).delete()
    return len(rows)


def line_of(window: LedgerWindow) -> _Line:
    """What makes windows of several periods one line."""
    return window.tenant, window.budget, window.subject


def history_of(window: LedgerWindow, now: datetime) -> Days:
    """Spend by day of the budget and subject that a window belongs to."""
    tenant, budget, subject = line_of(window)
    rows = LedgerWindow.objects.filter(
        tenant=tenant, budget=budget, subject=subject, starts__gte=now - HISTORY, starts__lte=now
    )
    return _days(rows).get(line_of(window)) or Days(now.date(), {})


def days_of(window: LedgerWindow) -> dict[date, int]:
    """One window's spend by day, as last filled."""
    rows = BudgetDay.objects.filter(window=window.id).values_list("day", "spent_nano")
    return dict(rows)


def _known(found: Published, now: datetime) -> _Known:
    calendars = {
        (budget.tenant, budget.name): calendar_of(budget, found)
        for budget in found.of("Budget")
        if _has_an_end(budget)
    }
    rows = LedgerWindow.objects.filter(starts__gte=now - HISTORY, starts__lte=now)
    rows = rows.filter(budget__in={name for _, name in calendars})
    windows = [row for row in rows.order_by("id") if (row.tenant, row.budget) in calendars]
    return _Known(calendars, windows)


def _has_an_end(budget: Governed) -> bool:
    # a run's window is one run's: it has no yesterday
    return budget.spec.get("period") != "once" and "run" not in (budget.spec.get("each") or ())


def _days(windows: Iterable[LedgerWindow]) -> dict[_Line, Days]:
    """Spend by day of each line, over all its windows; a line that never spent is not there."""
    lines = {window.id: line_of(window) for window in windows}
    nano: dict[_Line, dict[date, int]] = defaultdict(dict)
    rows = BudgetDay.objects.filter(window__in=lines).values_list("window", "day", "spent_nano")
    for window, day, spent in rows:
        line = nano[lines[window]]
        line[day] = line.get(day, 0) + spent
    return {line: Days(min(found), found) for line, found in nano.items()}


def _forecast(window: LedgerWindow, known: _Known, days: Days | None, now: datetime) -> Forecast:
    calendar = known.calendars[window.tenant, window.budget]
    spent = window.posted_nano + window.overrun_nano
    at = calendar.standing(window.starts, window.ends, now, spent)
    days = days or Days(at.today, {})
    said = forecast(days, at)
    trial = tried(days, at, list(calendar.closed(window.starts, MOST_TRIED)))
    return Forecast(
        window=window.id,
        made_at=now,
        expected_nano=said.expected_nano,
        low_nano=said.low_nano,
        high_nano=said.high_nano,
        limit_on=reached(days, at, window.limit_nano),
        error_permille=trial.error_permille,
        tried=trial.tried,
        held=trial.held,
        method=said.method,
    )
