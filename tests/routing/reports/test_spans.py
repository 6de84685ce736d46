"""Spans of reports: calendar months in the organisation's zone, and a comparison of equal length."""

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from routing.reports.spans import (
    before,
    begin,
    between,
    grain_for,
    span_of,
    step_of,
    steps,
    year_before,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 13, 20, tzinfo=UTC)


def test_this_month_begins_at_midnight_there_and_ends_now() -> None:
    span = span_of("month", NOW, BERLIN)
    assert span.starts == datetime(2026, 10, 31, 23, 0, tzinfo=UTC)
    assert (span.until, span.first, span.last, span.days) == (
        NOW,
        date(2026, 11, 1),
        date(2026, 11, 23),
        23,
    )


def test_a_month_so_far_is_compared_with_the_same_days_of_the_month_before() -> None:
    past = before(span_of("month", NOW, BERLIN))
    assert (past.first, past.last) == (date(2026, 10, 1), date(2026, 10, 23))
    assert past.starts == datetime(2026, 9, 30, 22, 0, tzinfo=UTC)


def test_a_long_month_is_not_compared_with_days_of_its_own() -> None:
    march = span_of("month", datetime(2027, 3, 31, 20, 0, tzinfo=UTC), BERLIN)
    past = before(march)
    assert (past.first, past.last) == (date(2027, 2, 1), date(2027, 2, 28))
    assert past.until == march.starts


def test_last_month_is_whole_and_so_is_the_one_before() -> None:
    span = span_of("last-month", NOW, BERLIN)
    assert (span.first, span.last) == (date(2026, 10, 1), date(2026, 10, 31))
    # October has an hour more than September has days for
    assert (before(span).first, before(span).last) == (date(2026, 9, 1), date(2026, 9, 30))


@pytest.mark.parametrize(
    ("period", "now", "first", "last"),
    [
        # as far as this one has come
        ("quarter", NOW, date(2026, 7, 1), date(2026, 8, 23)),
        ("year", NOW, date(2025, 1, 1), date(2025, 11, 23)),
        ("fiscal-year", NOW, date(2025, 4, 1), date(2025, 11, 23)),
        # whole with whole, however many days either has
        (
            "last-quarter",
            datetime(2026, 5, 2, 9, tzinfo=UTC),
            date(2025, 10, 1),
            date(2025, 12, 31),
        ),
        ("last-year", NOW, date(2024, 1, 1), date(2024, 12, 31)),
        ("last-month", datetime(2026, 3, 2, 9, tzinfo=UTC), date(2026, 1, 1), date(2026, 1, 31)),
        # the ninety-second day of a quarter has none in the quarter before it
        ("quarter", datetime(2026, 9, 30, 20, tzinfo=UTC), date(2026, 4, 1), date(2026, 6, 30)),
    ],
)
def test_a_quarter_and_a_year_are_compared_with_the_same_of_the_one_before(
    period: str, now: datetime, first: date, last: date
) -> None:
    past = before(span_of(period, now, BERLIN, "04-01"), period)
    assert (past.first, past.last) == (first, last)


@pytest.mark.parametrize(
    ("period", "first", "past_first", "past_last"),
    [
        ("week", date(2026, 11, 17), date(2026, 11, 10), date(2026, 11, 16)),
        ("days", date(2026, 10, 25), date(2026, 9, 25), date(2026, 10, 24)),
    ],
)
def test_days_up_to_now_are_compared_with_as_many_before(
    period: str, first: date, past_first: date, past_last: date
) -> None:
    span = span_of(period, NOW, BERLIN)
    assert (span.first, span.last) == (first, date(2026, 11, 23))
    assert (before(span).first, before(span).last) == (past_first, past_last)


def test_days_that_are_named_count_whole_but_not_past_now() -> None:
    span = between(date(2026, 11, 2), date(2026, 11, 30), NOW, BERLIN)
    assert (span.starts, span.until) == (datetime(2026, 11, 1, 23, 0, tzinfo=UTC), NOW)
    whole = between(date(2026, 11, 2), date(2026, 11, 2), NOW, BERLIN)
    assert (whole.first, whole.last, whole.days) == (date(2026, 11, 2), date(2026, 11, 2), 1)


def test_an_impossible_span_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="the last day, 2026-11-01, is before the first"):
        between(date(2026, 11, 2), date(2026, 11, 1), NOW, BERLIN)
    with pytest.raises(ValueError, match="at most 400 days"):
        between(date(2025, 1, 1), date(2026, 11, 1), NOW, BERLIN)
    with pytest.raises(ValueError, match="of the years 1971 to 9000"):
        between(date(109, 3, 14), date(109, 3, 14), NOW, BERLIN)


def test_days_to_come_are_an_empty_span() -> None:
    ahead = between(date(2026, 12, 1), date(2026, 12, 3), NOW, BERLIN)
    assert ahead.starts == ahead.until


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("today", (2026, 11, 23), (2026, 11, 23)),
        ("yesterday", (2026, 11, 22), (2026, 11, 22)),
        ("quarter", (2026, 10, 1), (2026, 11, 23)),
        ("last-quarter", (2026, 7, 1), (2026, 9, 30)),
        ("year", (2026, 1, 1), (2026, 11, 23)),
        ("last-year", (2025, 1, 1), (2025, 12, 31)),
        ("fiscal-year", (2026, 4, 1), (2026, 11, 23)),
        ("last-fiscal-year", (2025, 4, 1), (2026, 3, 31)),
        ("nonsense", (2026, 11, 1), (2026, 11, 23)),
        ("last-nonsense", (2026, 11, 1), (2026, 11, 23)),
    ],
)
def test_each_period(period: str, first: tuple[int, int, int], last: tuple[int, int, int]) -> None:
    span = span_of(period, NOW, BERLIN, "04-01")
    assert (span.first, span.last) == (date(*first), date(*last))


def test_a_year_earlier_has_the_same_wall_clock() -> None:
    leap = between(date(2028, 2, 29), date(2028, 2, 29), datetime(2030, 1, 1, tzinfo=UTC), BERLIN)
    past = year_before(leap)
    assert (past.first, past.last) == (date(2027, 2, 28), date(2027, 2, 28))
    summer = span_of("days", datetime(2026, 4, 10, 13, 20, tzinfo=UTC), BERLIN)
    assert year_before(summer).until == datetime(2025, 4, 10, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("grain", "day", "first"),
    [
        ("day", date(2026, 11, 1), date(2026, 11, 1)),
        ("week", date(2026, 11, 1), date(2026, 10, 26)),
        ("month", date(2026, 11, 30), date(2026, 11, 1)),
        ("quarter", date(2026, 12, 31), date(2026, 10, 1)),
        ("year", date(2026, 12, 31), date(2026, 1, 1)),
        ("fiscal-year", date(2026, 3, 31), date(2025, 4, 1)),
        ("fiscal-year", date(2026, 4, 1), date(2026, 4, 1)),
    ],
)
def test_the_first_day_of_a_step(grain: str, day: date, first: date) -> None:
    assert step_of(day, grain, "04-01") == first


def test_the_steps_of_a_span_and_what_reads_well() -> None:
    year = between(date(2026, 1, 1), date(2026, 12, 31), datetime(2027, 6, 1, tzinfo=UTC), BERLIN)
    assert steps(year, "quarter") == tuple(date(2026, month, 1) for month in (1, 4, 7, 10))
    assert steps(year, "fiscal-year", "04-01") == (date(2025, 4, 1), date(2026, 4, 1))
    assert (len(steps(year, "day")), len(steps(year, "week")), grain_for(year)) == (
        365,
        53,
        "month",
    )
    assert grain_for(span_of("month", NOW, BERLIN)) == "day"
    assert grain_for(span_of("quarter", datetime(2026, 12, 20, tzinfo=UTC), BERLIN)) == "week"


@pytest.mark.parametrize(
    ("zone", "turned"),
    [
        ("Europe/Berlin", date(2026, 10, 25)),
        ("Europe/Berlin", date(2026, 3, 29)),
        ("America/Sao_Paulo", date(2018, 11, 4)),  # a day without a midnight
        ("America/Havana", date(2026, 11, 1)),  # a day with two
    ],
)
def test_the_first_moments_of_days_part_the_hours_as_the_calendar_there_does(
    zone: str, turned: date
) -> None:
    there = ZoneInfo(zone)
    days = [turned + timedelta(days=n) for n in range(-1, 3)]
    begins = [begin(day, there).astimezone(UTC) for day in days]
    for minutes in range(0, 3 * 24 * 60, 15):
        at = begins[0] + timedelta(minutes=minutes)
        assert days[bisect_right(begins, at) - 1] == at.astimezone(there).date()
