"""What a call cost, down to the price line: each line to the nano unit, at the price of the revision it was decided under."""

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from policies.engine.prices import PriceRef, PriceTier
from routing.calls.models import Attempt
from routing.reports.bill import BillLine, bills
from routing.reports.why import Why
from routing.ui.bill import LineRow, bill_rows

PRICE = PriceRef(
    since="2026-01-01",
    currency="USD",
    input="0.25",
    cached_input="0.025",
    cache_write="0.31",
    output="2.00",
    rate="0.92",
)


def attempt(**more: Any) -> Attempt:
    given = {
        "no": 1,
        "revision": 7,
        "state": "succeeded",
        "model": "gpt-mini",
        "model_tenant": "",
        "provider": "openai",
        "basis": "reported",
        "tokens_input": 1001,
        "tokens_cached": 500,
        "tokens_cache_write": 0,
        "tokens_output": 333,
        "posted_nano": 230_230 + 11_500 + 612_720,
        "overrun_nano": 0,
    }
    return Attempt(**(given | more))


def stage(revision: int, price: PriceRef = PRICE, model: str = "gpt-mini") -> Any:
    step = SimpleNamespace(model_tenant="", model=model, price=price)
    decision = SimpleNamespace(plan=SimpleNamespace(steps=[step]))
    return SimpleNamespace(revision=revision, decision=decision)


def of(attempts: list[Attempt], *stages: Any) -> Why:
    return cast("Why", SimpleNamespace(attempts=attempts, stages=stages, currency="EUR"))


def test_its_lines_are_what_was_booked() -> None:
    [bill] = bills(of([attempt()], stage(7)))
    assert bill.lines == (
        BillLine("input", 1001, "0.25", 230_230),
        BillLine("cached input", 500, "0.025", 11_500),
        BillLine("output", 333, "2.00", 612_720),
    )
    assert (bill.nano, bill.booked_nano, bill.explained) == (854_450, 854_450, True)
    assert (bill.revision, bill.model) == (7, "gpt-mini")


def test_each_line_is_rounded_up() -> None:
    price = PriceRef(
        since="2026-01-01",
        currency="EUR",
        input="0.0001",
        cached_input="0.0001",
        cache_write="0.0001",
        output="0.0001",
        rate="1",
    )
    one = attempt(tokens_input=1, tokens_cached=1, tokens_cache_write=1, tokens_output=1)
    [bill] = bills(of([one], stage(7, price)))
    assert [line.nano for line in bill.lines] == [1, 1, 1, 1]


def test_the_tier_that_its_input_reached_prices_every_line() -> None:
    tier = PriceTier(
        above=1500, input="0.50", cached_input="0.05", cache_write="0.62", output="4.00"
    )
    tiered = PriceRef(
        since="2026-01-01",
        currency="USD",
        input="0.25",
        cached_input="0.025",
        cache_write="0.31",
        output="2.00",
        rate="0.92",
        tiers=(tier,),
    )
    [bill] = bills(of([attempt()], stage(7, tiered)))
    assert [line.per_million for line in bill.lines] == ["0.50", "0.05", "4.00"]
    assert bill.nano == 2 * 854_450
    assert not bill.explained


@pytest.mark.parametrize(
    ("stages", "revision"),
    [((7, 9), 7), ((5, 7), 7), ((5, 9), 5)],
    ids=["younger", "newest", "between"],
)
def test_the_price_is_of_the_decision_that_it_started_under(
    stages: tuple[int, int], revision: int
) -> None:
    [bill] = bills(of([attempt()], *(stage(number) for number in stages)))
    assert bill.revision == revision


def test_what_is_not_known_has_no_bill() -> None:
    unknown = attempt(tokens_input=None, tokens_output=None)
    assert bills(of([unknown], stage(7))) == []
    assert bills(of([attempt()], stage(7, model="other"))) == []
    assert bills(of([attempt()], stage(8))) == []


def test_the_page_says_how_it_was_booked_where_that_is_another_amount() -> None:
    booked = attempt(posted_nano=1_000_000, overrun_nano=5, basis="reserve")
    [row] = bill_rows(of([booked], stage(7)))
    assert row.note == ("The lines come to 0.00085445 EUR; booked was 0.001000005 EUR, by reserve.")
    assert row.lines[0] == LineRow("input", "1,001", "0.25 USD", "0.00023023 EUR")
    assert row.rate == "1 USD = 0.92 EUR"
    [exact] = bill_rows(of([attempt()], stage(7)))
    assert (exact.note, exact.amount) == ("", "0.00085445 EUR")


def test_what_was_served_at_flex_stands_on_the_bill_at_its_price() -> None:
    price = msgspec.structs.replace(PRICE, batch_factor="0.5")
    # 1,001 tokens at 115 nano, 500 at 11.5, 333 at 920
    one = attempt(service_tier="flex", posted_nano=115_115 + 5_750 + 306_360)
    found = of([one], stage(7, price))
    [bill] = bills(found)
    assert [line.per_million for line in bill.lines] == ["0.125", "0.0125", "1.000"]
    assert (bill.nano, bill.explained, bill.factor) == (427_225, True, "0.5")
    assert [row.served for row in bill_rows(found)] == ["flex, × 0.5"]


@pytest.mark.parametrize(
    ("tier", "factor", "served"),
    # the last was charged before what nobody had asked for was cheaper
    [
        ("", "0.5", ""),
        ("priority", "0.5", "priority, no price known"),
        ("flex", "", "flex"),
        ("flex", "0.5", "flex"),
    ],
)
def test_a_tier_without_a_factor_and_what_was_booked_in_full_are_told_in_full(
    tier: str, factor: str, served: str
) -> None:
    price = msgspec.structs.replace(PRICE, batch_factor=factor)
    found = of([attempt(service_tier=tier)], stage(7, price))
    [bill] = bills(found)
    assert (bill.nano, bill.explained, bill.factor) == (854_450, True, "")
    assert [row.served for row in bill_rows(found)] == [served]


def test_what_was_served_at_priority_stands_on_the_bill_at_its_price() -> None:
    price = msgspec.structs.replace(PRICE, priority_factor="2")
    one = attempt(service_tier="priority", posted_nano=2 * 854_450)
    [bill] = bills(of([one], stage(7, price)))
    assert (bill.explained, bill.factor, bill.unpriced) == (True, "2", False)
    assert [row.served for row in bill_rows(of([one], stage(7, price)))] == ["priority, × 2"]
