"""The calendar that a budget goes by: its time zone, its fiscal year, its periods that are over."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from policies.bundles.published import Governed, Published
from routing.forecasts.method import WHOLE, Standing
from routing.ledger.windows import PERIODS, Period, window_of


@dataclass(frozen=True, slots=True)
class Calendar:
    """A budget's; `fiscal_start` is `MM-DD`."""

    period: Period
    zone: ZoneInfo
    fiscal_start: str

    def day(self, at: datetime) -> date:
        """Which day a moment is there."""
        return at.astimezone(self.zone).date()

    def standing(
        self, starts: datetime, ends: datetime, now: datetime, spent_nano: int
    ) -> Standing:
        """Where the window stands."""
        today = self.day(now)
        begins, over = window_of("day", now, self.zone.key)
        gone = int((now - begins) / (over - begins) * WHOLE)
        return Standing(self.day(starts), self.day(ends), today, gone, spent_nano)

    def closed(self, starts: datetime, most: int) -> Iterator[tuple[date, date]]:
        """The periods before the one that starts then, newest first: first day, and first day after."""
        for _ in range(most):
            starts, ends = window_of(
                self.period, starts - timedelta(microseconds=1), self.zone.key, self.fiscal_start
            )
            yield self.day(starts), self.day(ends)


def calendar_of(budget: Governed, found: Published) -> Calendar:
    """As the engine reads it: the scope's tenant's, else the document's tenant's, else the organisation's."""
    name = str(budget.spec["scope"].get("tenant") or budget.tenant)
    whose = found.find("Tenant", "", name) if name else None
    theirs = whose.spec if whose else {}
    ours = found.organisation
    period = str(budget.spec.get("period", "month"))
    return Calendar(
        period=next(one for one in PERIODS if one == period),
        zone=ZoneInfo(str(theirs.get("timeZone") or ours.get("timeZone") or "UTC")),
        fiscal_start=str(
            theirs.get("fiscalYearStartsOn") or ours.get("fiscalYearStartsOn") or "01-01"
        ),
    )
