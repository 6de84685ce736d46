"""The demo's two weeks: the same for the same day, in order, never to come, and few at weekends."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

from routing.demo.plan import MOST_CALLS, begins, calls, last_tuesday
from routing.demo.world import ZONE

NOW = datetime(2026, 11, 28, 16, 30, tzinfo=UTC)


def test_the_same_day_has_the_same_calls() -> None:
    first, again = list(calls(NOW, ZONE)), list(calls(NOW, ZONE))
    assert first == again
    assert list(calls(NOW, ZONE, seed=1)) != first
    assert 1_000 < len(first) <= MOST_CALLS


def test_calls_come_in_order_after_the_beginning_and_none_is_to_come() -> None:
    moments = [one.at for one in calls(NOW, ZONE)]
    assert moments == sorted(moments)
    assert begins(NOW, ZONE) == datetime(2026, 11, 14, 7, 30, tzinfo=UTC)
    assert moments[0] > begins(NOW, ZONE)
    assert moments[-1] < NOW
    assert moments[-1].astimezone(ZONE).date() == date(2026, 11, 28)


def test_an_early_hour_has_none_of_today() -> None:
    early = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
    assert max(one.at for one in calls(early, ZONE)) < early - timedelta(hours=3)


def test_weekends_are_quiet() -> None:
    days = Counter(one.at.astimezone(ZONE).date() for one in calls(NOW, ZONE))
    assert all((count < 40) == (day.weekday() >= 5) for day, count in days.items())


def test_last_tuesday_is_over() -> None:
    assert last_tuesday(NOW, ZONE) == date(2026, 11, 24)
    tuesday = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    assert last_tuesday(tuesday, ZONE) == date(2026, 11, 17)
    assert last_tuesday(tuesday + timedelta(days=1), ZONE) == date(2026, 11, 24)
