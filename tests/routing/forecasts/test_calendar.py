"""The calendar that a budget goes by: days of 23, 24, 24.5 and 25 hours, fiscal years, and the periods before."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from routing.forecasts.calendar import Calendar
from routing.ledger.windows import Period, window_of

BERLIN = ZoneInfo("Europe/Berlin")


def calendar(period: Period, zone: str = "Europe/Berlin", fiscal: str = "01-01") -> Calendar:
    return Calendar(period, ZoneInfo(zone), fiscal)


@pytest.mark.parametrize(
    ("day", "hours", "gone"),
    [
        (date(2026, 6, 1), 12, 500),
        (date(2026, 3, 29), 11.5, 500),
        (date(2026, 10, 25), 12.5, 500),
        (date(2026, 10, 25), 24, 960),
    ],
)
def test_how_much_of_a_day_is_over(day: date, hours: float, gone: int) -> None:
    midnight = datetime(day.year, day.month, day.day, tzinfo=BERLIN).astimezone(UTC)
    starts, ends = window_of("month", midnight, "Europe/Berlin")
    at = calendar("month").standing(starts, ends, midnight + timedelta(hours=hours), 5)
    assert (at.today, at.gone, at.spent_nano) == (day, gone, 5)
    assert (at.starts, at.ends.day) == (day.replace(day=1), 1)


@pytest.mark.parametrize(
    ("period", "before"),
    [
        ("day", [(date(2026, 3, 29), date(2026, 3, 30)), (date(2026, 3, 28), date(2026, 3, 29))]),
        ("week", [(date(2026, 3, 23), date(2026, 3, 30)), (date(2026, 3, 16), date(2026, 3, 23))]),
        ("month", [(date(2026, 2, 1), date(2026, 3, 1)), (date(2026, 1, 1), date(2026, 2, 1))]),
        ("quarter", [(date(2025, 10, 1), date(2026, 1, 1)), (date(2025, 7, 1), date(2025, 10, 1))]),
        (
            "fiscal-year",
            [(date(2024, 4, 1), date(2025, 4, 1)), (date(2023, 4, 1), date(2024, 4, 1))],
        ),
    ],
)
def test_the_periods_before(period: Period, before: list[tuple[date, date]]) -> None:
    now = datetime(2026, 3, 30, 9, tzinfo=BERLIN)
    starts, _ = window_of(period, now, "Europe/Berlin", "04-01")
    assert list(calendar(period, fiscal="04-01").closed(starts, 2)) == before


def test_a_day_that_is_half_an_hour_longer() -> None:
    howe = ZoneInfo("Australia/Lord_Howe")
    midnight = datetime(2026, 4, 5, tzinfo=howe).astimezone(UTC)
    starts, ends = window_of("day", midnight, howe.key)
    at = calendar("day", howe.key).standing(starts, ends, midnight + timedelta(hours=12.25), 0)
    assert (at.today, at.gone, ends - starts) == (date(2026, 4, 5), 500, timedelta(hours=24.5))
