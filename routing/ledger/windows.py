"""Calendar windows: pure. A day begins at the first instant whose local date it is, whatever daylight saving does there."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal, assert_never, get_args
from zoneinfo import ZoneInfo

Period = Literal["day", "week", "month", "quarter", "fiscal-year", "once"]
PERIODS: Final = get_args(Period)

ALWAYS: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
"""The window of a budget that is spent once."""


def window_of(
    period: Period, moment: datetime, time_zone: str, fiscal_start: str = "01-01"
) -> tuple[datetime, datetime]:
    """The window `starts <= moment < ends` in UTC. Weeks begin on Monday; `fiscal_start` is `MM-DD`.

    Raises ValueError for an unknown zone or date, or a moment without a zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    if period == "once":
        return ALWAYS
    zone = _zone(time_zone)
    first, last = _dates(period, moment.astimezone(zone).date(), fiscal_start)
    return _midnight(first, zone), _midnight(last, zone)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f'"{name}" is not a time zone; write it like "Europe/Berlin"') from error


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    # fold=0 is right in both odd cases: the instant a gap over midnight opens, and the first of two midnights
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def _dates(
    period: Literal["day", "week", "month", "quarter", "fiscal-year"], day: date, fiscal_start: str
) -> tuple[date, date]:
    """The first day of the window and the first day after it."""
    match period:
        case "day":
            return day, day + timedelta(days=1)
        case "week":
            monday = day - timedelta(days=day.weekday())
            return monday, monday + timedelta(days=7)
        case "month":
            return day.replace(day=1), _first_of(day, 1)
        case "quarter":
            return _first_of(day, -((day.month - 1) % 3)), _first_of(day, 3 - (day.month - 1) % 3)
        case "fiscal-year":
            return _fiscal_year(day, fiscal_start)
    assert_never(period)


def _first_of(day: date, months: int) -> date:
    """The first of the month that lies `months` after the day's."""
    count = day.year * 12 + day.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)


def _fiscal_year(day: date, fiscal_start: str) -> tuple[date, date]:
    year = day.year if day >= _fiscal_day(day.year, fiscal_start) else day.year - 1
    return _fiscal_day(year, fiscal_start), _fiscal_day(year + 1, fiscal_start)


def _fiscal_day(year: int, fiscal_start: str) -> date:
    """29 February begins on 1 March where there is none."""
    try:
        month, day = (int(part) for part in fiscal_start.split("-"))
        return date(2000, month, day).replace(year=year)
    except ValueError:
        if fiscal_start == "02-29":
            return date(year, 3, 1)
        raise ValueError(
            f'"{fiscal_start}" is not a day of the year; write it like "04-01"'
        ) from None
