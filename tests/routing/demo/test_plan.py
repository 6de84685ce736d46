"""The demo's weeks: the same for the same day, in order, never to come, and few at weekends; a pilot before them."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from routing.demo.plan import MOST_CALLS, begins, calls, closed, last_saturday, last_tuesday
from routing.demo.world import TEAMS, ZONE

NOW = datetime(2026, 11, 28, 16, 30, tzinfo=UTC)


def test_the_same_day_has_the_same_calls() -> None:
    first, again = list(calls(NOW, ZONE)), list(calls(NOW, ZONE))
    assert first == again
    assert list(calls(NOW, ZONE, seed=1)) != first
    assert 1_000 < len(first) <= MOST_CALLS


def test_calls_come_in_order_after_the_beginning_and_none_is_to_come() -> None:
    moments = [one.at for one in calls(NOW, ZONE)]
    assert moments == sorted(moments)
    assert begins(NOW, ZONE) == datetime(2026, 10, 23, 6, 30, tzinfo=UTC)
    assert moments[0] > begins(NOW, ZONE)
    assert moments[-1] < NOW
    assert moments[-1].astimezone(ZONE).date() == date(2026, 11, 28)


def test_an_early_hour_has_none_of_today() -> None:
    early = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
    assert max(one.at for one in calls(early, ZONE)) < early - timedelta(hours=3)


def test_weekends_are_quiet() -> None:
    days = Counter(one.at.astimezone(ZONE).date() for one in calls(NOW, ZONE))
    busy = {day: count for day, count in days.items() if day > date(2026, 11, 14)}
    assert len(busy) == 14
    assert all((count < 40) == (day.weekday() >= 5) for day, count in busy.items())


def test_a_pilot_of_six_calls_a_workday_begins_in_the_closed_month_with_every_team() -> None:
    pilot = [one for one in calls(NOW, ZONE) if one.at.astimezone(ZONE).date() < date(2026, 11, 15)]
    days = Counter(one.at.astimezone(ZONE).date() for one in pilot)
    assert next(iter(days)) == date(2026, 10, 23)
    assert {one.team for one in pilot[: days[date(2026, 10, 23)]]} == set(TEAMS)
    assert set(list(days.values())[1:]) == {6}
    assert [day for day in days if day.weekday() >= 5] == []
    assert len(pilot) == 4 + 6 * 15
    assert all(9 <= one.at.astimezone(ZONE).hour < 17 for one in pilot)


@pytest.mark.parametrize(
    ("now", "closing", "first"),
    [
        # the newest month whose closing is over by three hours
        (datetime(2026, 11, 28, 16, tzinfo=UTC), date(2026, 11, 3), date(2026, 10, 23)),
        (datetime(2026, 12, 1, 9, tzinfo=UTC), date(2026, 11, 3), date(2026, 10, 23)),
        (datetime(2026, 12, 3, 13, tzinfo=UTC), date(2026, 11, 3), date(2026, 10, 23)),
        # by then the two weeks themselves reach further back than nine days of November
        (datetime(2026, 12, 3, 14, tzinfo=UTC), date(2026, 12, 3), date(2026, 11, 19)),
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC), date(2026, 12, 3), date(2026, 11, 22)),
        (datetime(2027, 1, 1, 0, 30, tzinfo=UTC), date(2026, 12, 3), date(2026, 11, 22)),
        # a third that is no workday; the clock was changed in the night to the 25th
        (datetime(2026, 10, 25, 23, 30, tzinfo=UTC), date(2026, 10, 5), date(2026, 9, 22)),
    ],
)
def test_the_month_that_is_closed_and_where_the_history_begins(
    now: datetime, closing: date, first: date
) -> None:
    found = closed(now, ZONE)
    assert (found.date(), found.strftime("%H:%M")) == (closing, "11:05")
    begun = begins(now, ZONE)
    assert (begun.date(), begun.strftime("%H:%M")) == (first, "08:30")
    assert now - begun < timedelta(days=43)


def test_last_tuesday_is_over() -> None:
    assert last_tuesday(NOW, ZONE) == date(2026, 11, 24)
    tuesday = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    assert last_tuesday(tuesday, ZONE) == date(2026, 11, 17)
    assert last_tuesday(tuesday + timedelta(days=1), ZONE) == date(2026, 11, 24)


def test_last_saturday_is_over() -> None:
    assert last_saturday(NOW, ZONE) == date(2026, 11, 21)
    assert last_saturday(NOW + timedelta(days=1), ZONE) == date(2026, 11, 28)
