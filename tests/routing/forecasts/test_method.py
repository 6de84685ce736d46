"""The forecast on made series: exact amounts, ranges, days, and the same method tried on the past."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.forecasts.method import (
    WORDS,
    Days,
    Forecast,
    Standing,
    Trial,
    curve,
    forecast,
    reached,
    tried,
)

# a Monday
MONDAY = date(2026, 6, 1)


def series(first: date, *values: int) -> Days:
    """So much on each day from the first on."""
    return Days(first, {first + timedelta(days=n): value for n, value in enumerate(values)})


def weekly(work: int, free: int, weeks: int) -> Days:
    """Workdays and weekends, up to the day before MONDAY."""
    return series(MONDAY - timedelta(weeks=weeks), *([work] * 5 + [free] * 2) * weeks)


def june(today: date = MONDAY, gone: int = 0, spent: int = 0) -> Standing:
    return Standing(MONDAY, date(2026, 7, 1), today, gone, spent)


def test_a_flat_series_goes_on_and_its_range_is_nothing() -> None:
    days = series(MONDAY - timedelta(days=14), *[100] * 14)
    assert forecast(days, june()) == Forecast("weekday", 3000, 3000, 3000)
    last = series(MONDAY - timedelta(days=14), *[100] * 43)
    at = june(date(2026, 6, 30), 250, 2900)
    assert forecast(last, at) == Forecast("weekday", 2975, 2975, 2975)


def test_workdays_and_weekends_are_told_apart() -> None:
    # June 2026 has 22 workdays and 8 days of weekends
    assert forecast(weekly(100, 10, 4), june()) == Forecast("weekday", 2280, 2280, 2280)


def test_the_last_eight_weeks_count_and_no_older_day() -> None:
    days = weekly(100, 10, 8)
    older = {MONDAY - timedelta(days=57 + n): 1_000_000 for n in range(40)}
    longer = Days(min(older), {**older, **days.nano})
    assert forecast(longer, june()) == Forecast("weekday", 2280, 2280, 2280)


def test_the_range_is_what_days_that_differ_would_give() -> None:
    days = series(MONDAY - timedelta(days=28), *[50, 150] * 14)
    # each class has the mean 100; 22 and 8 days to come, of 20 and 8 that were
    work, free = 50_000 // 19, 20_000 // 7
    variance = work * 22 + work * 22 * 22 // 20 + free * 8 + free * 8 * 8 // 8
    spread = int((variance * 2.706) ** 0.5)
    assert forecast(days, june()) == Forecast("weekday", 3000, 3000 - spread, 3000 + spread)
    assert spread == 672


def test_what_was_spent_stays_spent() -> None:
    days = series(MONDAY - timedelta(days=14), *[0] * 13, 1_000_000)
    said = forecast(days, june(date(2026, 6, 30), 990, 777))
    assert (said.low_nano, said.expected_nano >= 777) == (777, True)


def test_a_sparse_series_is_no_forecast_of_nothing() -> None:
    days = series(MONDAY - timedelta(days=28), *[0, 0, 0, 700, 0, 0, 0] * 4)
    assert forecast(days, june()).expected_nano == 140 * 22


def test_a_spike_is_in_the_mean_and_widens_the_range() -> None:
    calm = series(MONDAY - timedelta(days=28), *[100] * 28)
    spike = Days(calm.first, {**calm.nano, MONDAY - timedelta(days=3): 2_100})
    said = forecast(spike, june())
    assert said.expected_nano == 200 * 22 + 100 * 8
    assert (said.low_nano, said.high_nano) == (200, 10_200)


def test_a_step_is_followed_as_its_days_come_in() -> None:
    step = series(MONDAY - timedelta(days=28), *[100] * 28, *[300] * 14)
    assert (
        forecast(step, june(date(2026, 6, 15), 0, 4200)).expected_nano == 4200 + 166 * 12 + 166 * 4
    )


def test_without_history_the_days_of_this_period_count() -> None:
    days = series(MONDAY, 100, 200, 300)
    said = forecast(days, june(date(2026, 6, 4), 0, 600))
    assert said == Forecast("run-rate", 600 + 200 * 27, 600, 600 + 2 * 200 * 27)


def test_on_the_first_day_without_history_nothing_is_claimed() -> None:
    days = series(MONDAY, 50)
    assert forecast(days, june(MONDAY, 500, 50)) == Forecast("none", 50, 50, 50)
    assert reached(days, june(MONDAY, 500, 50), 60) is None
    assert curve(days, june(MONDAY, 500, 50)) == []
    assert WORDS["none"] == "not enough history"


def test_a_day_is_forecast_by_its_sort() -> None:
    known = weekly(100, 10, 4)
    days = Days(known.first, {**known.nano, MONDAY: 100})
    tuesday = date(2026, 6, 2)
    at = Standing(tuesday, tuesday + timedelta(days=1), tuesday, 400, 45)
    assert forecast(days, at).expected_nano == 45 + 60


@pytest.mark.parametrize(
    ("limit", "day"),
    [
        (100, MONDAY),
        (101, date(2026, 6, 2)),
        (510, date(2026, 6, 6)),
        (521, date(2026, 6, 8)),
        (2280, date(2026, 6, 30)),
        (2281, None),
    ],
)
def test_the_day_on_which_a_limit_is_reached(limit: int, day: date | None) -> None:
    assert reached(weekly(100, 10, 4), june(), limit) == day


def test_a_limit_that_is_reached_was_reached_today() -> None:
    assert reached(Days(MONDAY, {}), june(date(2026, 6, 9), 0, 700), 700) == date(2026, 6, 9)


def test_the_curve_ends_at_the_forecast() -> None:
    known = weekly(100, 10, 4)
    days = Days(known.first, {**known.nano, **{MONDAY + timedelta(days=n): 100 for n in range(4)}})
    at = june(date(2026, 6, 5), 500, 440)
    drawn = curve(days, at)
    assert drawn[:3] == [(date(2026, 6, 5), 490), (date(2026, 6, 6), 500), (date(2026, 6, 7), 510)]
    assert drawn[-1] == (date(2026, 6, 30), forecast(days, at).expected_nano)


MONTHS = [(date(2026, 5, 1), MONDAY), (date(2026, 4, 1), date(2026, 5, 1)), (date(2026, 3, 1), date(2026, 4, 1))]  # fmt: skip


def test_the_same_method_is_tried_on_closed_periods() -> None:
    days = weekly(100, 10, 24)
    at = june(date(2026, 6, 11), 0, 800)
    assert tried(days, at, MONTHS) == Trial(3, 3, 0)


def test_how_far_off_it_was_is_the_mean_of_the_periods() -> None:
    days = series(date(2026, 3, 1), *[100] * 31, *[100] * 30, *[200] * 31)
    # on 1 April it knew March, and was right; on 1 May it knew 100 a day, and half of it was missing
    assert tried(days, june(MONDAY), MONTHS) == Trial(2, 1, 250)


def test_a_period_that_the_history_does_not_cover_is_not_tried() -> None:
    days = series(date(2026, 5, 2), *[100] * 30)
    assert tried(days, june(date(2026, 6, 11)), MONTHS) == Trial(0, 0, None)


def test_periods_without_spend_are_left_out() -> None:
    days = Days(date(2026, 1, 1), {date(2026, 1, 5): 100})
    assert tried(days, june(date(2026, 6, 11)), MONTHS) == Trial(0, 0, None)


@given(
    st.lists(st.integers(0, 10**15), min_size=1, max_size=90),
    st.integers(0, 29),
    st.integers(0, 1000),
)
def test_whatever_was_spent_the_range_holds_the_forecast(
    values: list[int], into: int, gone: int
) -> None:
    today = MONDAY + timedelta(days=into)
    days = series(today - timedelta(days=len(values)), *values)
    spent = sum(days.between(MONDAY, today))
    said = forecast(days, june(today, gone, spent))
    assert spent <= said.low_nano <= said.expected_nano <= said.high_nano
    assert forecast(days, june(today, gone, spent)) == said
