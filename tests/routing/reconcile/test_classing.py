"""Every difference to an invoice is put into classes that add up to it, to the last nano unit."""

from datetime import date
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.engine.prices import PriceRef, PriceTier
from policies.engine.pricing import UsageCounts, cost
from routing.reconcile.classing import NONE, Compared, Ours, compare, nano_of
from routing.reconcile.reading import Billed

DAY = date(2026, 11, 1)
# nano units a token: input 1,000, cached 100, written 2,000, output 10,000
PRICE = PriceRef(
    since="2026-01-01",
    currency="EUR",
    input="1",
    cached_input="0.1",
    cache_write="2",
    output="10",
    rate="1",
)
USAGE = UsageCounts(1_000, 0, 0, 100)
SPENT = 2_000_000


def one(
    amount_nano: int | None, usage: UsageCounts | None, ours: Ours | None, kind: str = "usage"
) -> Compared:
    amount = None if amount_nano is None else Decimal(amount_nano)
    line = Billed(DAY, "m", kind, usage, amount, "EUR" if amount is not None else "")
    found = {} if ours is None else {(DAY, "m"): ours}
    [made] = compare([(line, amount_nano)], found, lambda *_: PRICE)
    return made


@pytest.mark.parametrize(
    ("amount", "usage", "ours", "classes"),
    [
        # agreed, to the rounding of one attempt's lines
        (SPENT, USAGE, Ours(USAGE, SPENT, 1), {}),
        (SPENT - 3, USAGE, Ours(USAGE, SPENT, 1), {"unexplained": -3}),
        # another price for the same tokens
        (2_500_000, USAGE, Ours(USAGE, SPENT, 4), {"price": 500_000}),
        # the same input, of which they had 400 in a cache
        (1_640_000, UsageCounts(600, 400, 0, 100), Ours(USAGE, SPENT, 4), {"cache": -360_000}),
        # a call more than we know of
        (
            4_000_000,
            UsageCounts(2_000, 0, 0, 200),
            Ours(USAGE, SPENT, 1),
            {"past-the-gateway": 2_000_000},
        ),
        # the same where the usage of an attempt was lost: its reservation was posted instead
        (
            4_000_000,
            UsageCounts(2_000, 0, 0, 200),
            Ours(USAGE, SPENT + 3_000_000, 2, lost_nano=3_000_000, lost=1),
            {"lost-usage": -1_000_000},
        ),
        # fewer tokens than were reported to us
        (1_000_000, UsageCounts(0, 0, 0, 100), Ours(USAGE, SPENT, 1), {"lost-usage": -1_000_000}),
        # a model that we never called
        (700, None, None, {"past-the-gateway": 700}),
        # money without tokens: what it is made of cannot be told
        (2_500_000, None, Ours(USAGE, SPENT, 4), {"unexplained": 500_000}),
        (
            2_500_000,
            None,
            Ours(UsageCounts(0, 0, 0, 0), SPENT, 2, SPENT, 2),
            {"lost-usage": 500_000},
        ),
    ],
)
def test_what_a_difference_is_made_of(
    amount: int, usage: UsageCounts | None, ours: Ours | None, classes: dict[str, int]
) -> None:
    found = one(amount, usage, ours)
    assert found.classes == classes
    assert sum(found.classes.values()) == found.difference_nano


def test_usage_without_an_amount_is_counted_at_our_price() -> None:
    found = one(None, UsageCounts(2_000, 0, 0, 100), Ours(USAGE, SPENT, 1))
    assert (found.billed_nano, found.classes) == (3_000_000, {"past-the-gateway": 1_000_000})


@pytest.mark.parametrize(("kind", "name"), [("credit", "credit"), ("tax", "tax")])
def test_credits_and_taxes_are_no_usage(kind: str, name: str) -> None:
    found = one(-250, None, None, kind)
    assert (found.billed_nano, found.ledger_nano, found.classes) == (-250, 0, {name: -250})


def test_what_the_provider_has_no_line_for_is_told_too() -> None:
    [found] = compare([], {(DAY, "m"): Ours(USAGE, SPENT, 1)}, lambda *_: PRICE)
    assert (found.billed_nano, found.difference_nano) == (0, -SPENT)
    assert found.classes == {"unexplained": -SPENT}


def test_what_tiers_made_of_single_requests_is_no_difference_where_both_bill_them() -> None:
    tier = PriceTier(above=500, input="2", cached_input="0.2", cache_write="4", output="10")
    tiered = msgspec.structs.replace(PRICE, tiers=(tier,))
    ours = Ours(USAGE, cost(tiered, USAGE), 1)
    assert ours.spent_nano == 3_000_000
    line = Billed(DAY, "m", "usage", USAGE, Decimal(3), "EUR")
    for billed, classes in ((3_000_000, {}), (3_100_000, {"price": 100_000})):
        [found] = compare([(line, billed)], {(DAY, "m"): ours}, lambda *_: tiered)
        assert found.classes == classes


def test_without_a_price_of_ours_nothing_is_guessed() -> None:
    line = Billed(DAY, "m", "usage", USAGE, Decimal(1), "EUR")
    [found] = compare([(line, 900)], {(DAY, "m"): Ours(USAGE, SPENT, 1)}, lambda *_: None)
    assert found.classes == {"unexplained": 900 - SPENT}


COUNTS = st.builds(UsageCounts, *[st.integers(0, 10**7)] * 4)


@given(st.integers(0, 10**12), COUNTS, COUNTS, st.integers(0, 10**10), st.integers(0, 3))
def test_classes_add_up_to_the_difference(
    amount: int, theirs: UsageCounts, mine: UsageCounts, lost_nano: int, lost: int
) -> None:
    lost_nano = lost_nano if lost else 0
    ours = Ours(mine, cost(PRICE, mine) + lost_nano, 3, lost_nano, lost)
    found = one(amount, theirs, ours)
    assert sum(found.classes.values()) == found.difference_nano == amount - ours.spent_nano


@pytest.mark.parametrize(
    ("amount", "rate", "nano"),
    [("1.50", "1", 1_500_000_000), ("0.0000000001", "1", 1), ("-2", "0.92", -1_840_000_000)],
)
def test_money_is_converted_exactly_and_rounded_from_zero(
    amount: str, rate: str, nano: int
) -> None:
    assert nano_of(Decimal(amount), Decimal(rate)) == nano


FLEX = msgspec.structs.replace(PRICE, batch_factor="0.5")
HALF = UsageCounts(500, 0, 0, 50)
FLEXED = Ours(USAGE, 1_500_000, 2, tiers={"flex": HALF})
"""Half of the tokens were served at the batch price: 1,000,000 and 500,000."""


@pytest.mark.parametrize(
    ("amount", "usage", "classes"),
    [
        (1_500_000, USAGE, {}),
        # without amounts of theirs: their tokens at our price, as many of them at the batch price as ours
        (None, USAGE, {}),
        # what else differs keeps its class
        (1_800_000, USAGE, {"price": 300_000}),
        (1_140_000, UsageCounts(600, 400, 0, 100), {"cache": -360_000}),
        (3_500_000, UsageCounts(2_000, 0, 0, 200), {"past-the-gateway": 2_000_000}),
    ],
)
def test_what_was_served_at_the_batch_price_is_no_difference_of_price(
    amount: int | None, usage: UsageCounts, classes: dict[str, int]
) -> None:
    line = Billed(
        DAY,
        "m",
        "usage",
        usage,
        None if amount is None else Decimal(amount),
        "EUR" if amount else "",
    )
    [made] = compare([(line, amount)], {(DAY, "m"): FLEXED}, lambda *_: FLEX)
    assert dict(made.classes) == classes
    assert sum(classes.values()) == made.difference_nano


PRIORITY = msgspec.structs.replace(PRICE, priority_factor="2")
REST = UsageCounts(500, 0, 0, 50)
FULL = Ours(USAGE, SPENT, 2, tiers={"flex": HALF})
PLAIN = Ours(USAGE, SPENT, 2, tiers={"priority": HALF})
APART = [(HALF, "priority"), (REST, "standard")]
DEAR = Ours(USAGE, 3_000_000, 2, tiers={"priority": HALF})


def tiered(
    amount: int | None, lines: list[tuple[UsageCounts | None, str]], ours: Ours, price: PriceRef
) -> Compared:
    """What comes of lines that say their service tiers; the amount stands on the first."""
    billed = [
        (Billed(DAY, "m", "usage", usage, service_tier=tier), None if n else amount)
        for n, (usage, tier) in enumerate(lines)
    ]
    [made] = compare(billed, {(DAY, "m"): ours}, lambda *_: price)
    assert sum(made.classes.values()) == made.difference_nano
    return made


@pytest.mark.parametrize(
    ("amount", "lines", "ours", "price", "told"),
    [
        # flex that was charged in full: the money between is the tier's, with their word of it and without
        (1_500_000, [(HALF, "flex"), (REST, "standard")], FULL, FLEX, ({"price": -500_000}, ("flex",))),
        (1_500_000, [(USAGE, "")], FULL, FLEX, ({"price": -500_000}, ("flex",))),
        (1_500_000, [(None, "")], FULL, FLEX, ({"price": -500_000}, ("flex",))),
        # they served at flex what no answer said so
        (None, [(HALF, "flex"), (REST, "standard")], Ours(USAGE, SPENT, 2), FLEX, ({"price": -500_000}, ("flex",))),
        # priority, which no document prices: billed above the plain price
        (3_000_000, [(USAGE, "")], PLAIN, PRICE, ({"price": 1_000_000}, ("priority",))),
        (3_000_000, APART, Ours(USAGE, SPENT, 2), PRICE, ({"price": 1_000_000}, ("priority",))),
        # a price for it came later than the calls
        (3_000_000, [(None, "")], PLAIN, PRIORITY, ({"price": 1_000_000}, ("priority",))),
        # both sides bill it
        (3_000_000, APART, DEAR, PRIORITY, ({}, ())),
        # another price has nothing to do with a tier that agrees
        (3_600_000, [(USAGE, "")], DEAR, PRIORITY, ({"price": 600_000}, ())),
        # money without tokens that no tier explains
        (1_700_000, [(None, "")], FULL, FLEX, ({"unexplained": -300_000}, ())),
    ],
)  # fmt: skip
def test_a_difference_that_a_service_tier_explains_is_of_price_and_names_it(
    amount: int | None,
    lines: list[tuple[UsageCounts | None, str]],
    ours: Ours,
    price: PriceRef,
    told: tuple[dict[str, int], tuple[str, ...]],
) -> None:
    found = tiered(amount, lines, ours, price)
    assert (dict(found.classes), found.tiers) == told


TIERS = st.sampled_from(["", "standard", "flex", "batch", "priority", "scale"])


@given(
    st.one_of(st.none(), st.integers(0, 10**12)),
    st.lists(st.tuples(st.one_of(st.none(), COUNTS), TIERS), min_size=1, max_size=4),
    st.dictionaries(TIERS, COUNTS, max_size=4),
    st.integers(0, 10**11),
)
def test_classes_add_up_whatever_tiers_either_side_names(
    amount: int | None,
    lines: list[tuple[UsageCounts | None, str]],
    mine: dict[str, UsageCounts],
    spent: int,
) -> None:
    whole = UsageCounts(*map(sum, zip(NONE, *mine.values(), strict=True)))
    named = {tier: used for tier, used in mine.items() if tier not in {"", "standard"}}
    price = msgspec.structs.replace(PRIORITY, batch_factor="0.5")
    tiered(amount, lines, Ours(whole, spent, 3, tiers=named), price)
