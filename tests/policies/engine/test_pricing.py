"""Prices by date, exchange rates by date, and exact rounding up."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.engine.prices import PriceRef
from policies.engine.pricing import UsageCounts, bound, cost, price_on, rate_on
from tests.policies.engine.world import world

GPT = ("", "gpt-mini")


@pytest.mark.parametrize(
    ("today", "since", "rate", "output_nano"),
    [
        ("2026-01-01", "2026-01-01", "0.95", "1900000000"),
        ("2026-10-31", "2026-01-01", "0.95", "1900000000"),
        ("2026-11-01", "2026-01-01", "0.92", "1840000000"),
        ("2027-01-01", "2027-01-01", "0.92", "1472000000"),
    ],
)
def test_the_price_and_the_rate_of_the_day(
    today: str, since: str, rate: str, output_nano: str
) -> None:
    price = price_on(world(), world().models[GPT], today)
    assert price is not None
    assert (price.ref.since, price.ref.rate) == (since, rate)
    assert price.output_nano_per_million == output_nano


def test_before_the_first_price_none_is_known() -> None:
    assert price_on(world(), world().models[GPT], "2025-12-31") is None
    assert rate_on(world(), "GBP", "2026-11-01") is None
    assert rate_on(world(), "EUR", "1999-01-01") == Decimal(1)


def test_defaults_of_a_price() -> None:
    price = price_on(world(), world().models[GPT], "2027-01-01")
    assert price is not None
    assert (price.ref.cached_input, price.ref.cache_write) == ("0.20", "0.40")


PRICE = PriceRef(
    since="2026-01-01", currency="USD", input="0.25", cached_input="0.025", cache_write="0.31", output="2.00", rate="0.92",
)  # fmt: skip


def test_each_line_is_rounded_up_once() -> None:
    assert cost(PRICE, UsageCounts(1, 0, 0, 0)) == 230
    assert cost(PRICE, UsageCounts(1, 1, 1, 1)) == 230 + 23 + 286 + 1840
    assert cost(PRICE, UsageCounts(0, 0, 0, 0)) == 0


@given(st.tuples(*[st.integers(0, 10**6)] * 4))
def test_no_bill_within_the_bounds_is_above_what_was_reserved(
    counts: tuple[int, int, int, int],
) -> None:
    usage = UsageCounts(*counts)
    price = price_on(world(), world().models[GPT], "2026-11-24")
    assert price is not None
    tokens = usage.input + usage.cached_input + usage.cache_write
    reserved = bound(tokens, price.input_ratio) + 2 + bound(usage.output, price.output_ratio)
    assert cost(price.ref, usage) <= reserved


@given(st.integers(0, 10**9), st.integers(1, 10**6), st.integers(1, 10**9))
def test_bounds_are_exact(tokens: int, up: int, down: int) -> None:
    exact = bound(tokens, (up, down))
    assert (exact - 1) * down < tokens * up <= exact * down
