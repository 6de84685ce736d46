"""PURE: the spans of time of a report, in the organisation's time zone, and the span each is compared with."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

PERIODS: Final = {
    "month": "this month",
    "last-month": "last month",
    "week": "the last 7 days",
    "days": "the last 30 days",
    "year": "this year",
}
OLDEST_YEAR, NEWEST_YEAR = 1971, 9000  # ids carry the time since 1970
MOST_DAYS: Final = 400


@dataclass(frozen=True, slots=True)
class Span:
    """From a moment up to another, which is not part of it; `days` counts the calendar days it touches."""

    starts: datetime
    until: datetime
    zone: ZoneInfo

    @property
    def first(self) -> date:
        """Its first day."""
        return self.starts.astimezone(self.zone).date()

    @property
    def last(self) -> date:
        """Its last day."""
        return (self.until - timedelta(microseconds=1)).astimezone(self.zone).date()

    @property
    def days(self) -> int:
        """How many days it touches."""
        return (self.last - self.first).days + 1


def span_of(period: str, now: datetime, zone: ZoneInfo) -> Span:
    """One of PERIODS up to now. An unknown word means this month."""
    today = now.astimezone(zone).date()
    first = today.replace(day=1)
    match period:
        case "last-month":
            before = (first - timedelta(days=1)).replace(day=1)
            return Span(_begin(before, zone), _begin(first, zone), zone)
        case "week":
            return Span(_begin(today - timedelta(days=6), zone), now, zone)
        case "days":
            return Span(_begin(today - timedelta(days=29), zone), now, zone)
        case "year":
            return Span(_begin(today.replace(month=1, day=1), zone), now, zone)
        case _:
            return Span(_begin(first, zone), now, zone)


def between(first: date, last: date, now: datetime, zone: ZoneInfo) -> Span:
    """Whole days from the first to the last, which counts, but not past now. Raises ValueError with words for people."""
    if first.year < OLDEST_YEAR or last.year > NEWEST_YEAR:
        raise ValueError(f"a report is of the years {OLDEST_YEAR} to {NEWEST_YEAR}")
    if last < first:
        raise ValueError(f"the last day, {last}, is before the first, {first}")
    if (last - first).days >= MOST_DAYS:
        raise ValueError(f"a report spans at most {MOST_DAYS} days")
    starts, until = _begin(first, zone), _begin(last + timedelta(days=1), zone)
    return Span(starts, max(starts, min(until, now)), zone)


def before(span: Span) -> Span:
    """The span to compare with: of a month's beginning the same days of the month before, else as many days just before."""
    first = span.first
    if first.day == 1 and (span.last.year, span.last.month) == (first.year, first.month):
        starts = _begin((first - timedelta(days=1)).replace(day=1), span.zone)
        return Span(starts, min(starts + (span.until - span.starts), span.starts), span.zone)
    starts = _begin(first - timedelta(days=span.days), span.zone)
    return Span(starts, min(starts + (span.until - span.starts), span.starts), span.zone)


def _begin(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone)
