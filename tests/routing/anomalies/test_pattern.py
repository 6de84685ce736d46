"""When ten minutes break their pattern: made series with exact thresholds. Amounts are in nano units; 1.00 is the floor."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from routing.anomalies.pattern import (
    DAYS,
    FLOOR_NANO,
    NEW_NANO,
    PER_DAY,
    Limits,
    Span,
    Usual,
    spans,
    usual,
)

UNIT = FLOOR_NANO
BERLIN = ZoneInfo("Europe/Berlin")


def series(of: Callable[[int, int], int]) -> dict[tuple[int, int], int]:
    """Spend of every window by a function of (day, window)."""
    return {(day, n): of(day, n) for day in range(DAYS) for n in range(PER_DAY)}


@pytest.mark.parametrize(
    ("what", "of", "median", "threshold"),
    [
        ("flat: twice what it always is", lambda _day, _n: 5 * UNIT, 5, 10),
        ("wavering by one around five", lambda day, n: (4 + (day + n) % 3) * UNIT, 5, 15),
        ("nothing ever: the floor", lambda _day, _n: 0, 0, 1),
        ("little: still the floor", lambda _day, _n: UNIT // 100, 0.01, 1),
        ("sparse: one spike on one day hides nothing", lambda day, n: 40 * UNIT * (day == 3 and n == 2), 0, 1),
        ("each week at this hour: usual in the second", lambda day, n: 40 * UNIT * (day % 7 == 0 and n == 2), 0, 80),
        ("a step up three days ago is usual", lambda day, _n: (20 if day < 3 else 5) * UNIT, 5, 40),
        ("rising by one a day", lambda day, _n: (14 - day) * UNIT, 7, 37),
    ],
)  # fmt: skip
def test_what_is_usual(
    what: str, of: Callable[[int, int], int], median: float, threshold: int
) -> None:
    assert usual(series(of), young=False) == Usual(int(median * UNIT), threshold * UNIT), what


def test_who_began_lately_has_no_yesterday() -> None:
    assert usual(series(lambda _day, _n: 9 * UNIT), young=True) == Usual(9 * UNIT, NEW_NANO)
    assert NEW_NANO == 10 * FLOOR_NANO


def test_fourteen_days_of_the_same_fifty_minutes() -> None:
    now = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
    found = spans(now, ZoneInfo("UTC"))
    assert len(found) == 14
    assert found[0] == Span(
        datetime(2026, 11, 19, 12, 0, tzinfo=UTC), datetime(2026, 11, 19, 12, 50, tzinfo=UTC)
    )
    assert found[13].starts == datetime(2026, 11, 6, 12, 0, tzinfo=UTC)
    assert all(s.ends <= now for s in found)


def test_over_a_change_of_the_clock_it_is_the_same_time_of_the_clock() -> None:
    now = datetime(
        2026, 10, 26, 9, 0, tzinfo=UTC
    )  # ten o'clock in Berlin, the day after summer time ended
    first, second = spans(now, BERLIN)[:2]
    # Sunday is winter time already, at Saturday's ten o'clock it was eight in UTC
    assert first.starts == datetime(2026, 10, 25, 8, 30, tzinfo=UTC)
    assert second.starts == datetime(2026, 10, 24, 7, 30, tzinfo=UTC)
    assert {s.ends - s.starts for s in spans(now, BERLIN)} == {timedelta(minutes=50)}


def test_in_an_hour_that_a_day_did_not_have_it_is_the_hour_after() -> None:
    now = datetime(
        2026, 3, 30, 0, 30, tzinfo=UTC
    )  # half past two in Berlin; on the day before there was none
    assert spans(now, BERLIN)[0].starts == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_the_organisation_says_what_breaks_a_pattern() -> None:
    assert Limits.of({}) == Limits(UNIT, 10 * UNIT, 10, 2)
    # a floor of one's own lifts that of the young with it
    assert Limits.of({"anomalies": {"above": "2.50"}}) == Limits(UNIT * 5 // 2, 25 * UNIT, 10, 2)
    # as it is published: what is not said stands there as nothing
    published = {"above": "2.50", "aboveNew": None, "deviations": None, "times": None}
    assert Limits.of({"anomalies": published}) == Limits(UNIT * 5 // 2, 25 * UNIT, 10, 2)
    said = {"above": "0", "aboveNew": "3.00", "deviations": 4, "times": 3}
    own = Limits.of({"anomalies": said})
    assert own == Limits(0, 3 * UNIT, 4, 3)
    wavering = series(lambda day, n: (4 + (day + n) % 3) * UNIT)
    assert usual(wavering, young=False, limits=own) == Usual(5 * UNIT, 18 * UNIT)
    assert usual(wavering, young=True, limits=own) == Usual(5 * UNIT, 3 * UNIT)
    assert usual(series(lambda _day, _n: 0), young=False, limits=own) == Usual(0, 0)
