"""PURE: from a budget's spend by day to its end of period: one of two stated methods, a range, and the same method tried before.

1. *weekday*: a day to come costs the mean of the last eight weeks, workdays and weekends apart; wants 14 whole days of history.
2. *run-rate*: a day to come costs the mean of this period's days; wants one whole day of the period.
3. Else nothing is forecast: there is not enough history.

The range is what nine periods in ten stay in when days differ as those did that the mean is of. What was spent stays spent, so
the lower end is never below it. All amounts are integer nano units; the same days give the same forecast.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import isqrt
from typing import Final, Literal

Method = Literal["weekday", "run-rate", "none"]
WORDS: Final[Mapping[str, str]] = {
    "weekday": "the mean of the last 8 weeks, workdays and weekends apart",
    "run-rate": "the mean of this period's days so far",
    "none": "not enough history",
}
LOOK_BACK_DAYS: Final = 56
LEAST_DAYS: Final = 14
MOST_TRIED: Final = 6
WHOLE: Final = 1000
"""A day, in thousandths."""
_FEW = 4
_SATURDAY = 5
# 1.645 squared: nine in ten of what is normally distributed lie within 1.645 deviations
_Z_SQUARED, _Z_SCALE = 2706, 1000


@dataclass(frozen=True, slots=True)
class Days:
    """What was spent on each day; a day that is not there cost nothing. `first` is the first that is known."""

    first: date
    nano: Mapping[date, int]

    def on(self, day: date) -> int:
        """One day's."""
        return self.nano.get(day, 0)

    def between(self, starts: date, ends: date) -> list[int]:
        """Each day's from the first up to the last, which is not part of it."""
        return [self.on(day) for day in days_between(starts, ends)]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a period stands: it ends before `ends`; of `today` so many thousandths are over. `spent_nano` has today's in it."""

    starts: date
    ends: date
    today: date
    gone: int
    spent_nano: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the period will have cost. With method `none` it only says what is spent."""

    method: Method
    expected_nano: int
    low_nano: int
    high_nano: int


@dataclass(frozen=True, slots=True)
class Trial:
    """The method at the same point of past periods: how many, how far off on average, and how many stayed in their range."""

    tried: int
    held: int
    error_permille: int | None


@dataclass(frozen=True, slots=True)
class _Class:
    """Days of one sort: their mean and variance, of how many."""

    mean: int
    variance: int
    count: int


def forecast(days: Days, at: Standing) -> Forecast:
    """What the period will have cost when it ends."""
    method, classes = _classes(days, at)
    if method == "none":
        return Forecast("none", at.spent_nano, at.spent_nano, at.spent_nano)
    ahead = [0, 0]
    for day, part in _ahead(at):
        ahead[_sort(day)] += part
    rest = sum(_part(one.mean, part) for one, part in zip(classes, ahead, strict=True))
    spread = _spread(classes, ahead, rest)
    expected = at.spent_nano + rest
    return Forecast(method, expected, at.spent_nano + max(0, rest - spread), expected + spread)


def reached(days: Days, at: Standing, limit_nano: int) -> date | None:
    """The day on which a limit would be reached; today where it is; None: not in this period, or nothing is forecast."""
    if at.spent_nano >= limit_nano:
        return at.today
    method, classes = _classes(days, at)
    if method == "none":
        return None
    sum_nano = at.spent_nano
    for day, part in _ahead(at):
        sum_nano += _part(classes[_sort(day)].mean, part)
        if sum_nano >= limit_nano:
            return day
    return None


def curve(days: Days, at: Standing) -> list[tuple[date, int]]:
    """What will have been spent at the end of each day from today on; nothing where nothing is forecast."""
    method, classes = _classes(days, at)
    if method == "none":
        return []
    sum_nano, found = at.spent_nano, []
    for day, part in _ahead(at):
        sum_nano += _part(classes[_sort(day)].mean, part)
        found.append((day, sum_nano))
    return found


def tried(days: Days, at: Standing, closed: Sequence[tuple[date, date]]) -> Trial:
    """What the method would have said on the same day of closed periods (newest first), from what was known by then.

    Only whole days are known of the past, so each is tried at the beginning of its day. Periods that the history does not
    cover whole, that cost nothing, or of which the method would have said nothing are left out.
    """
    into = (at.today - at.starts).days
    errors: list[int] = []
    held = 0
    for starts, ends in closed:
        if starts < days.first or len(errors) == MOST_TRIED:
            break
        actual = sum(days.between(starts, ends))
        then = min(starts + timedelta(days=into), ends - timedelta(days=1))
        spent = sum(days.between(starts, then))
        said = forecast(days, Standing(starts, ends, then, 0, spent))
        if said.method == "none" or not actual:
            continue
        errors.append(abs(said.expected_nano - actual) * 1000 // actual)
        held += said.low_nano <= actual <= said.high_nano
    return Trial(len(errors), held, sum(errors) // len(errors) if errors else None)


def days_between(starts: date, ends: date) -> Iterator[date]:
    """Each day from the first up to the last, which is not part of it."""
    return (starts + timedelta(days=number) for number in range((ends - starts).days))


def _classes(days: Days, at: Standing) -> tuple[Method, tuple[_Class, _Class]]:
    """Workdays and weekends, as the method that can be used knows them."""
    known = max(days.first, at.today - timedelta(days=LOOK_BACK_DAYS))
    past = list(days_between(known, at.today))
    if len(past) >= LEAST_DAYS:
        work, free = (
            _class([days.on(day) for day in past if _sort(day) == sort]) for sort in (0, 1)
        )
        return "weekday", (work, free)
    whole = days.between(max(days.first, at.starts), at.today)
    if not whole:
        nothing = _Class(0, 0, 0)
        return "none", (nothing, nothing)
    alike = _class(whole)
    return "run-rate", (alike, alike)


def _class(values: Sequence[int]) -> _Class:
    count = len(values)
    mean = sum(values) // count
    variance = sum((value - mean) ** 2 for value in values) // max(1, count - 1)
    return _Class(mean, variance, count)


def _spread(classes: tuple[_Class, _Class], ahead: Sequence[int], rest: int) -> int:
    """Half the range: the days to come differ, and so does their mean from the true one. Of few days nothing is claimed."""
    if min(one.count for one in classes) < _FEW:
        return rest
    variance = sum(
        one.variance * part // WHOLE + one.variance * part * part // (WHOLE * WHOLE * one.count)
        for one, part in zip(classes, ahead, strict=True)
    )
    return isqrt(variance * _Z_SQUARED // _Z_SCALE)


def _ahead(at: Standing) -> Iterator[tuple[date, int]]:
    """The days to come, today first, and how many thousandths of each are left."""
    for day in days_between(at.today, at.ends):
        yield day, WHOLE - at.gone if day == at.today else WHOLE


def _part(nano: int, permille: int) -> int:
    return nano * permille // WHOLE


def _sort(day: date) -> int:
    return int(day.weekday() >= _SATURDAY)
