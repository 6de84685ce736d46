"""Models bought by the hour: what the hours cost, across days without a rate and clocks that change, and who shares it."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from routing.ledger.capacity import Share, hourly, shared, within
from routing.reports.spans import Span

BERLIN = ZoneInfo("Europe/Berlin")
ORGANISATION = {
    "currency": "EUR",
    "exchangeRates": [{"from": "2026-10-20", "USD": "0.5"}, {"from": "2026-10-26", "USD": "0.8"}],
}
BOUGHT: dict[str, Any] = {"perHour": "10", "currency": "USD", "from": "2026-10-24"}


def span(starts: tuple[int, ...], until: tuple[int, ...]) -> Span:
    return Span(datetime(*starts, tzinfo=BERLIN), datetime(*until, tzinfo=BERLIN), BERLIN)  # type: ignore[misc,arg-type] # year, month, day, hour


OCTOBER = span((2026, 10, 1), (2026, 11, 1))


@pytest.mark.parametrize(
    ("spec", "starts", "until"),
    [
        ({}, (2026, 10, 24), (2026, 11, 1)),
        ({"until": "2026-10-25"}, (2026, 10, 24), (2026, 10, 26)),
        ({"from": "2026-01-01", "until": "2026-12-31"}, (2026, 10, 1), (2026, 11, 1)),
    ],
)
def test_the_days_of_it_that_lie_in_the_span(
    spec: dict[str, str], starts: tuple[int, ...], until: tuple[int, ...]
) -> None:
    assert within(BOUGHT | spec, OCTOBER) == span(starts, until)


@pytest.mark.parametrize("spec", [{"from": "2026-11-01"}, {"until": "2026-09-30"}])
def test_outside_of_it_there_is_no_line(spec: dict[str, str]) -> None:
    assert within(BOUGHT | {"from": "2026-09-01"} | spec, OCTOBER) is None


def test_hours_are_those_that_pass_at_the_rate_of_their_day() -> None:
    # the clocks go back on the 25th: 24, 25 and 24 hours
    three = span((2026, 10, 24), (2026, 10, 27))
    cost = Fraction(24 + 25) * 5 + Fraction(24) * 8
    assert hourly(BOUGHT, three, ORGANISATION) == (cost, 0)


def test_part_of_an_hour_counts_as_a_part() -> None:
    some = Span(
        datetime(2026, 10, 26, 8, tzinfo=UTC), datetime(2026, 10, 26, 8, 15, tzinfo=UTC), BERLIN
    )
    assert hourly(BOUGHT, some, ORGANISATION) == (Fraction(2), 0)


def test_days_without_a_rate_are_told() -> None:
    five = span((2026, 10, 16), (2026, 10, 21))
    assert hourly(BOUGHT, five, ORGANISATION) == (Fraction(24 * 5), 4)


@pytest.mark.parametrize("cost", [0, 1, 2, 10, 10**15 + 1])
def test_shares_add_up_to_the_last_nano(cost: int) -> None:
    used = {("a", "x"): 1, ("a", "y"): 1, ("b", "z"): 1}
    assert sum(share.cost_nano for share in shared(cost, used)) == cost


def test_shares_are_by_tokens() -> None:
    used = {("a", "x"): 30, ("b", "z"): 60, ("a", "y"): 10}
    assert shared(1001, used) == (
        Share("b", "z", 60, 601),
        Share("a", "x", 30, 300),
        Share("a", "y", 10, 100),
    )
    assert shared(1001, {}) == ()
