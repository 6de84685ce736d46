"""An hour costs the rate of its day: what is published later moves no past figure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from policies.bundles.published import NOTHING, Governed
from routing.reports.hourly_rates import HourlyRates, Versions

DAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
EURO = 1_000_000_000
PUBLISHED = replace(
    NOTHING,
    documents=(
        Governed("Organisation", "", "acme", {}, {"reviewerHourlyRate": "36"}),
        Governed("ReviewQueue", "insurance", "desk", {}, {"reviewerHourlyRate": "90"}),
    ),
)


def versions(*rates: str) -> Versions:
    """One a day, from the second day on."""
    return Versions([DAY + timedelta(days=n) for n in range(1, len(rates) + 1)], list(rates))


RATES = HourlyRates(PUBLISHED, {("insurance", "desk"): versions("60", "", "75.50")}, versions("36"))


def on(day: int) -> datetime:
    return DAY + timedelta(days=day)


def test_it_is_the_version_in_force_then() -> None:
    # before the first version its own, without one the organisation's
    found = [RATES.nano("insurance", "desk", on(day)) for day in (0, 1, 2, 3, 400)]
    assert found == [60 * EURO, 60 * EURO, 36 * EURO, 75_500_000_000, 75_500_000_000]
    assert RATES.nano("insurance", "desk", on(2) - timedelta(microseconds=1)) == 60 * EURO
    assert RATES.nano("", "other", on(2)) == 36 * EURO


def test_without_versions_it_is_what_is_published() -> None:
    none = HourlyRates(PUBLISHED, {})
    assert none.nano("insurance", "desk", DAY) == 90 * EURO
    assert none.nano("", "other", DAY) == 36 * EURO
    assert HourlyRates(NOTHING, {}).nano("", "other", DAY) == 0


def test_each_stretch_costs_the_rate_of_its_beginning_and_each_rate_is_rounded_up_once() -> None:
    worked = [(on(1), HOUR), (on(1) + HOUR, HOUR / 2), (on(2), HOUR), (on(3), HOUR)]
    assert RATES.cost_nano("insurance", "desk", worked) == (60 + 30 + 36) * EURO + 75_500_000_000
    tick = timedelta(microseconds=1)
    # 36 EUR an hour are 10 nano units a microsecond; 75.50 are 20.97
    assert RATES.cost_nano("", "other", [(on(1), tick), (on(2), tick)]) == 20
    assert RATES.cost_nano("insurance", "desk", [(on(3), tick), (on(4), tick)]) == 42


def test_a_rate_that_is_published_later_moves_nothing_before_it() -> None:
    worked = [(on(1), HOUR)]
    before = HourlyRates(PUBLISHED, {("insurance", "desk"): versions("60")}, versions("36"))
    assert before.cost_nano("insurance", "desk", worked) == 60 * EURO
    assert RATES.cost_nano("insurance", "desk", worked) == 60 * EURO
