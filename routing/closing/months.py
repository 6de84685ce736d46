"""PURE: months as closing knows them, `2026-10`, and their spans in a tenant's time zone."""

import re
from datetime import UTC, date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from routing.ledger.windows import window_of

_FORM: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])", re.ASCII)
OLDEST, NEWEST = "1971-01", "9000-12"  # ids carry the time since 1970


def month_of(moment: datetime, time_zone: str) -> str:
    """The month that holds a moment, there."""
    here = moment.astimezone(ZoneInfo(time_zone))
    return f"{here.year:04d}-{here.month:02d}"


def span_of(month: str, time_zone: str) -> tuple[datetime, datetime]:
    """When it begins, and when the next one does. Raises ValueError."""
    if _FORM.fullmatch(month) is None or not OLDEST <= month <= NEWEST:
        raise ValueError(f'"{month[:20]}" is no month; write it like 2026-11')
    year, number = (int(part) for part in month.split("-"))
    middle = datetime.combine(date(year, number, 15), time(12), tzinfo=UTC)
    return window_of("month", middle, time_zone)


def following(month: str) -> str:
    """The month after."""
    year, number = (int(part) for part in month.split("-"))
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"


def preceding(month: str) -> str:
    """The month before."""
    year, number = (int(part) for part in month.split("-"))
    return f"{year - (number == 1):04d}-{(number + 10) % 12 + 1:02d}"


def said(month: str) -> str:
    """`October 2026`."""
    year, number = (int(part) for part in month.split("-"))
    return f"{date(year, number, 1):%B} {year}"
