"""The naive counter over made arrivals: it is what a counter read before and added to after would do, no more and no less."""

import pytest

from routing.burst.naive import Arrival, Naive, naive

PRICE, LIMIT = 10, 50


def test_all_at_once_everybody_reads_an_empty_counter() -> None:
    granted = [Arrival(n, 1000) for n in range(5)]
    refused = [Arrival(5 + n, 0) for n in range(15)]
    assert naive(granted + refused, PRICE, LIMIT, now_us=5000) == Naive(20, 200, 0)


def test_one_after_the_other_it_is_right_to_the_unit() -> None:
    calls = [Arrival(n * 1000, 1000) for n in range(9)]
    assert naive(calls, PRICE, LIMIT, now_us=99_000) == Naive(5, 50, 0)


def test_a_call_whose_price_no_longer_fits_is_refused() -> None:
    calls = [Arrival(n * 1000, 1000) for n in range(9)]
    assert naive(calls, PRICE, 49, now_us=99_000) == Naive(4, 40, 0)


def test_what_it_let_in_and_has_not_counted_is_still_coming() -> None:
    calls = [Arrival(0, 100), Arrival(10, None), Arrival(20, 0)]
    assert naive(calls, PRICE, LIMIT, now_us=50) == Naive(3, 0, 30)
    # the refused call would have taken as long as the one that ended
    assert naive(calls, PRICE, LIMIT, now_us=120) == Naive(3, 20, 10)


def test_before_any_has_ended_nothing_is_counted() -> None:
    assert naive([Arrival(0, None), Arrival(1, 0)], PRICE, LIMIT, now_us=10**9) == Naive(2, 0, 20)


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_in_which_rows_are_read_is_no_matter(order: int) -> None:
    calls = [Arrival(n * 400, 1000) for n in range(9)][::order]
    # the fourth to read sees one counted: 0, 400, 800, 1200, 1600, 2000 and 2400 each see less than the limit
    assert naive(calls, PRICE, LIMIT, now_us=10_000) == Naive(7, 70, 0)


def test_nobody_came() -> None:
    assert naive([], PRICE, LIMIT, now_us=0) == Naive(0, 0, 0)
