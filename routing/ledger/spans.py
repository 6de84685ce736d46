"""PURE: a span of time as calendars of one zone see it."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo


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
