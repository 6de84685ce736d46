"""PURE: the spans of time of a report in one time zone, the span each is compared with, and the steps it is told in."""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from routing.ledger.spans import Span

__all__ = [
    "GRAINS",
    "MOST_DAYS",
    "NEWEST_YEAR",
    "OLDEST_YEAR",
    "PERIODS",
    "Span",
    "before",
    "begin",
    "between",
    "grain_for",
    "moved_back",
    "span_of",
    "step_of",
    "steps",
    "year_before",
]
PERIODS: Final = {
    "month": "this month",
    "last-month": "last month",
    "today": "today",
    "yesterday": "yesterday",
    "week": "the last 7 days",
    "days": "the last 30 days",
    "quarter": "this quarter",
    "last-quarter": "last quarter",
    "year": "this year",
    "last-year": "last year",
    "fiscal-year": "this fiscal year",
    "last-fiscal-year": "last fiscal year",
}
GRAINS: Final = {
    "day": "day",
    "week": "week",
    "month": "month",
    "quarter": "quarter",
    "year": "year",
    "fiscal-year": "fiscal year",
}
OLDEST_YEAR, NEWEST_YEAR = 1971, 9000  # ids carry the time since 1970
MOST_DAYS: Final = 400
_LAST_DAYS: Final = {"today": 0, "week": 6, "days": 29}
_MOST_DAY_STEPS, _MOST_WEEK_STEPS = 62, 200
_JANUARY: Final = "01-01"


def span_of(period: str, now: datetime, zone: ZoneInfo, fiscal: str = _JANUARY) -> Span:
    """One of PERIODS up to now; `fiscal` is the day that a fiscal year starts on. An unknown word means this month."""
    today = now.astimezone(zone).date()
    grain = period.removeprefix("last-")
    if period in _LAST_DAYS:
        return Span(begin(today - timedelta(days=_LAST_DAYS[period]), zone), now, zone)
    if period == "yesterday":
        return Span(begin(today - timedelta(days=1), zone), begin(today, zone), zone)
    first = step_of(today, grain if grain in GRAINS else "month", fiscal)
    if period == grain or period not in PERIODS:
        return Span(begin(first, zone), now, zone)
    past = step_of(first - timedelta(days=1), grain, fiscal)
    return Span(begin(past, zone), begin(first, zone), zone)


def between(first: date, last: date, now: datetime, zone: ZoneInfo) -> Span:
    """Whole days from the first to the last, which counts, but not past now. Raises ValueError with words for people."""
    if first.year < OLDEST_YEAR or last.year > NEWEST_YEAR:
        raise ValueError(f"a report is of the years {OLDEST_YEAR} to {NEWEST_YEAR}")
    if last < first:
        raise ValueError(f"the last day, {last}, is before the first, {first}")
    if (last - first).days >= MOST_DAYS:
        raise ValueError(f"a report spans at most {MOST_DAYS} days")
    starts, until = begin(first, zone), begin(last + timedelta(days=1), zone)
    return Span(starts, max(starts, min(until, now)), zone)


def before(span: Span, period: str = "") -> Span:
    """The span to compare with: the same part of the month, quarter or year before, else as many days just before.

    A month is seen by its days; a quarter and a year are asked for by one of PERIODS. What is whole is compared with a whole.
    """
    grain, first = period.removeprefix("last-"), span.first
    if grain in {"year", "fiscal-year"}:
        return year_before(span)
    if grain == "quarter":
        starts, after = (step_of(first + timedelta(days=n), grain) for n in (-1, 92))
    elif first.day == 1 and (span.last.year, span.last.month) == (first.year, first.month):
        starts, after = (step_of(first + timedelta(days=n), "month") for n in (-1, 31))
    else:
        starts, after = first - timedelta(days=span.days), None
    began = begin(starts, span.zone)
    if after and span.until == begin(after, span.zone):
        return Span(began, span.starts, span.zone)
    return Span(began, min(began + (span.until - span.starts), span.starts), span.zone)


def year_before(span: Span) -> Span:
    """The same days and the same time of day, a year earlier; 29 February becomes the 28th."""
    starts, until = (moved_back(at.astimezone(span.zone)) for at in (span.starts, span.until))
    return Span(starts, until, span.zone)


def moved_back(here: datetime) -> datetime:
    """The same wall clock a year earlier."""
    day = min(here.day, monthrange(here.year - 1, here.month)[1])
    return here.replace(year=here.year - 1, day=day)


def step_of(day: date, grain: str, fiscal: str = _JANUARY) -> date:
    """The first day of the step of one of GRAINS that a day lies in; weeks begin on Monday."""
    match grain:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "year":
            return day.replace(month=1, day=1)
        case "fiscal-year":
            month, number = (int(part) for part in fiscal.split("-"))
            starts = day.replace(month=month, day=number)
            return starts if starts <= day else starts.replace(year=day.year - 1)
        case _:
            return day


def steps(span: Span, grain: str, fiscal: str = _JANUARY) -> tuple[date, ...]:
    """The first day of every step that the span touches, in order."""
    return tuple(dict.fromkeys(step_of(day, grain, fiscal) for day in _days(span)))


def grain_for(span: Span) -> str:
    """The step that reads well."""
    if span.days <= _MOST_DAY_STEPS:
        return "day"
    return "week" if span.days <= _MOST_WEEK_STEPS else "month"


def begin(day: date, zone: ZoneInfo) -> datetime:
    """Its first moment there."""
    return datetime.combine(day, time(), tzinfo=zone)


def _days(span: Span) -> Iterator[date]:
    return (span.first + timedelta(days=n) for n in range(span.days))
