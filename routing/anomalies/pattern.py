"""PURE: when the spend of ten minutes breaks a pattern, judged by the same ten minutes of the fourteen days before.

Of each day the five windows around the same time of the clock count. Spend breaks the pattern when it is above all of: a floor;
the median and ten times the median deviation from it; twice the second highest day. The second highest, so that one bad day
hides no other, and what happens each week is usual in the second. A pattern that began less than three days ago has no
yesterday: for it a floor ten times as high stands alone. The Organisation's `anomalies` may say other figures (`Limits`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median_low
from typing import Any, Final
from zoneinfo import ZoneInfo

from controlplane.kernel.money import parse_nano

WINDOW: Final = timedelta(minutes=10)
DAYS: Final = 14
AROUND: Final = 2
"""So many windows before and after the same time of the clock count too."""
PER_DAY: Final = 2 * AROUND + 1
YOUNG: Final = timedelta(days=3)
QUIET: Final = timedelta(minutes=20)
"""A pattern that held again for so long has ended its anomaly."""
FLOOR_NANO: Final = 10**9
NEW_NANO: Final = 10 * FLOOR_NANO
DEVIATIONS: Final = 10
TIMES: Final = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """What breaks a pattern, as the Organisation says it, else as here."""

    floor_nano: int = FLOOR_NANO
    new_nano: int = NEW_NANO
    deviations: int = DEVIATIONS
    times: int = TIMES

    @classmethod
    def of(cls, organisation: Mapping[str, Any]) -> "Limits":
        """From the Organisation's spec."""
        # as published, every figure is there that is not said, as None
        said = {k: v for k, v in (organisation.get("anomalies") or {}).items() if v is not None}
        floor = parse_nano(said["above"]) if "above" in said else FLOOR_NANO
        new = parse_nano(said["aboveNew"]) if "aboveNew" in said else floor * NEW_NANO // FLOOR_NANO
        return cls(floor, new, said.get("deviations", DEVIATIONS), said.get("times", TIMES))


@dataclass(frozen=True, slots=True)
class Span:
    """The five windows of one day before, by the clock of the tenant."""

    starts: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Usual:
    """What the ten minutes cost as a rule, and above what they break it. In nano units."""

    median_nano: int
    threshold_nano: int


def spans(now: datetime, zone: ZoneInfo) -> list[Span]:
    """The spans of the fourteen days before, the last first: the same time of the clock, also over a change of it."""
    clock = now.astimezone(zone).replace(tzinfo=None)
    ends = [(clock - timedelta(days=day)).replace(tzinfo=zone) for day in range(1, DAYS + 1)]
    return [
        Span(
            starts=end.astimezone(now.tzinfo) - (AROUND + 1) * WINDOW,
            ends=end.astimezone(now.tzinfo) + AROUND * WINDOW,
        )
        for end in ends
    ]


def usual(spent: Mapping[tuple[int, int], int], *, young: bool, limits: Limits = Limits()) -> Usual:
    """From spend by (day, window), none where nothing was spent."""
    days = [[spent.get((day, n), 0) for n in range(PER_DAY)] for day in range(DAYS)]
    values = [value for day in days for value in day]
    median = median_low(values)
    if young:
        return Usual(median, limits.new_nano)
    deviation = median_low([abs(value - median) for value in values])
    return Usual(
        median,
        max(
            limits.floor_nano,
            median + limits.deviations * deviation,
            limits.times * _second(days),
        ),
    )


def _second(days: Sequence[Sequence[int]]) -> int:
    return sorted(max(day) for day in days)[-2]
