"""Spend by day beside the attempts, and forecasts of open windows, from rows in a database."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection

from policies.bundles.published import published
from routing.forecasts.making import days_of, make
from routing.forecasts.models import BudgetDay, Forecast
from routing.ledger.models import LedgerWindow
from tests.routing.forecasts.conftest import Shop

DAY = timedelta(days=1)


def days(window: int) -> dict[date, int]:
    return days_of(LedgerWindow.objects.get(pk=window))


def test_a_month_is_forecast_from_its_days(shop: Shop) -> None:
    window = shop.window()
    for number in range(15):
        shop.call(shop.starts + number * DAY + timedelta(hours=9), 100, [window])
    now = shop.starts + 15 * DAY
    assert make(published(), now) >= 1
    assert days(window) == {(shop.starts + n * DAY).date(): 100 for n in range(15)}
    row = Forecast.objects.get(pk=window)
    length = (shop.ends - shop.starts).days
    whole = 100 * length
    assert (row.expected_nano, row.low_nano, row.high_nano) == (whole, whole, whole)
    assert (row.method, row.made_at, row.limit_on, row.tried) == ("weekday", now, None, 0)
    assert row.error_permille is None


def test_the_days_follow_what_is_settled_late_and_add_up(shop: Shop) -> None:
    window = shop.window()
    shop.call(shop.starts + timedelta(hours=1), 100, [window])
    now = shop.starts + 12 * DAY
    make(published(), now)
    # days later a history is made, and a call of the first day turns out to have cost more
    shop.call(shop.starts + timedelta(hours=2), 30, [window], overrun=7)
    shop.call(now - timedelta(hours=1), 5, [window])
    make(published(), now)
    assert days(window) == {shop.starts.date(): 137, (now - DAY).date(): 5}
    row = LedgerWindow.objects.get(pk=window)
    assert sum(days(window).values()) == row.posted_nano + row.overrun_nano


def test_a_held_call_belongs_to_the_day_of_its_release(shop: Shop) -> None:
    window = shop.window()
    released = shop.starts + 5 * DAY
    shop.call(shop.starts + timedelta(hours=1), 9, [window], reserved_at=released)
    make(published(), shop.starts + 6 * DAY)
    assert days(window) == {released.date(): 9}


def test_one_call_counts_in_each_of_its_windows_once(shop: Shop) -> None:
    shop.publish(shop.budget("daily", "day"))
    month = shop.window()
    day = shop.window(shop.starts, shop.starts + DAY, "daily")
    shop.call(shop.starts + timedelta(hours=3), 40, [day, month])
    make(published(), shop.starts + timedelta(hours=6))
    assert (days(month), days(day)) == ({shop.starts.date(): 40}, {shop.starts.date(): 40})
    assert Forecast.objects.get(pk=day).method == "none"


def test_what_has_no_end_or_is_over_is_not_forecast(shop: Shop) -> None:
    shop.publish(shop.budget("once", "once"), shop.budget("runs", "month", ", each: [run]"))
    always = shop.window(datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC), "once")
    run = shop.window(budget="runs")
    window = shop.window()
    make(published(), shop.starts + 2 * DAY)
    mine = Forecast.objects.filter(window__in=[always, run, window])
    assert [row.window for row in mine] == [window]
    make(published(), shop.ends)
    assert not mine.all().exists()


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe"])
def test_days_begin_at_midnight_of_the_tenant(transactional_db: None, zone: str) -> None:
    shop = Shop(zone)
    shop.publish(shop.budget())
    window = shop.window()
    at = shop.starts + 5 * DAY + timedelta(hours=23, minutes=30)
    shop.call(at, 11, [window])
    make(published(), shop.starts + 7 * DAY)
    assert days(window) == {(shop.starts + 6 * DAY).date(): 11}


def test_looking_again_writes_nothing(shop: Shop) -> None:
    window = shop.window()
    shop.call(shop.starts + DAY, 3, [window])
    make(published(), shop.starts + 3 * DAY)
    with connection.cursor() as cursor:
        cursor.execute('SELECT xmin::text FROM routing_budget_day WHERE "window" = %s', [window])
        before = cursor.fetchall()
        make(published(), shop.starts + 3 * DAY)
        cursor.execute('SELECT xmin::text FROM routing_budget_day WHERE "window" = %s', [window])
        assert cursor.fetchall() == before
    assert BudgetDay.objects.filter(window=window).count() == 1
