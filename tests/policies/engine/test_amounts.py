"""Money to the nano unit, held against fractions: reservations, bills, exchange rates, obligations and clamps on tokens."""

import json
from fractions import Fraction
from functools import cache, lru_cache
from hashlib import sha256
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.engine.bundle import Bundle
from policies.engine.decide import decide
from policies.engine.decision import Candidate
from policies.engine.decision import encode as told
from policies.engine.facts import Facts, draw_of, encode
from policies.engine.pricing import UsageCounts, cost
from tests.policies.engine.small import (
    EVERYONE,
    bundle,
    call,
    model,
    models,
    organisation,
    permission,
    route,
    steps,
)  # fmt: skip

PER_MILLION = st.from_regex(r"\A[0-9]{1,3}(\.[0-9]{1,9})?\Z")
PRICES = st.fixed_dictionaries(
    {"inputPerMillion": PER_MILLION, "outputPerMillion": PER_MILLION},
    optional={"cachedInputPerMillion": PER_MILLION, "cacheWritePerMillion": PER_MILLION},
)
RATES = st.from_regex(r"\A[0-9]{1,3}\.[0-9]{0,8}[1-9]\Z")
TOKENS = st.integers(0, 1000)


@lru_cache(maxsize=4)
def priced(prices: tuple[tuple[str, str], ...], rate: str) -> Bundle:
    dated = {"from": "2026-01-01", "currency": "USD", **dict(prices)}
    return bundle(
        EVERYONE, model("m1", prices=[dated]), route("r", "m1"),
        organisation=organisation(exchangeRates=[{"from": "2026-01-01", "USD": rate}]),
    )  # fmt: skip


def only(of: Bundle, facts: Facts) -> Candidate:
    (step,) = steps(decide(of, facts))
    return step


@settings(deadline=None, max_examples=120)
@given(PRICES, RATES, st.tuples(TOKENS, TOKENS, TOKENS), st.integers(1, 1000), st.integers(1, 8))
def test_reservations_and_bills_to_the_nano(
    prices: dict[str, str], rate: str, used: tuple[int, int, int], output: int, n: int
) -> None:
    paid, given_ = Fraction(prices["inputPerMillion"]), Fraction(prices["outputPerMillion"])
    cached = Fraction(prices.get("cachedInputPerMillion", paid))
    write = Fraction(prices.get("cacheWritePerMillion", 2 * paid))
    # EUR per million tokens × 10^9 nano / 10^6 tokens
    nano = Fraction(rate) * 1000
    request = {"input_tokens_max": sum(used), "output_tokens_asked": output, "n": n}
    step = only(priced(tuple(sorted(prices.items())), rate), call(request))

    fixed = ceil(sum(used) * max(paid, cached, write) * nano) + 2
    assert step.fixed_nano == fixed
    assert step.amount_nano == fixed + ceil(output * n * given_ * nano)
    assert step.min_amount_nano == fixed + ceil(min(output, 16) * n * given_ * nano)
    assert Fraction(step.output_nano_per_million) == given_ * Fraction(rate) * 10**9

    bill = cost(step.price, UsageCounts(*used, output * n))
    lines = zip((*used, output * n), (paid, cached, write, given_), strict=True)
    assert bill == sum(ceil(tokens * price * nano) for tokens, price in lines)
    assert bill <= step.amount_nano


def test_one_token_costs_at_least_one_nano_unit_a_line() -> None:
    prices = (
        ("cacheWritePerMillion", "0.000000001"),
        ("cachedInputPerMillion", "0.000000001"),
        ("inputPerMillion", "0.000000001"),
        ("outputPerMillion", "0.000000001"),
    )
    step = only(priced(prices, "0.000000001"), call({"input_tokens_max": 3}))
    assert cost(step.price, UsageCounts(1, 1, 1, 1)) == 4
    assert (step.fixed_nano, step.amount_nano) == (1 + 2, 1 + 2 + 1)
    assert step.output_nano_per_million == "0.000000001"


def test_a_price_of_nothing_reserves_nothing_but_the_rounding() -> None:
    step = only(priced((("inputPerMillion", "0"), ("outputPerMillion", "0")), "1.0"), call())
    assert (step.fixed_nano, step.amount_nano, step.min_amount_nano) == (2, 2, 2)


def test_what_has_no_bound_of_its_own_is_reserved_for_as_much_as_a_model_reads() -> None:
    small_one, large = model("m1", contextWindow=5_000), model("m2", contextWindow=90_000)
    of = bundle(EVERYONE, small_one, large, route("r", "m1", "m2"))
    found = steps(decide(of, call({"input_unbounded": True})))
    assert [one.input_tokens_max for one in found] == [5_000, 90_000]
    # at twice the price of input, the dearest that it may be; every line is rounded up
    assert [one.fixed_nano for one in found] == [5_000 * 2_000 + 2, 90_000 * 2_000 + 2]
    assert [one.input_tokens_max for one in steps(decide(of, call()))] == [100, 100]
    longer = call({"input_unbounded": True, "input_tokens_max": 6_000})
    assert [one.input_tokens_max for one in steps(decide(of, longer))] == [6_000, 90_000]
    assert b"inputUnbounded" not in encode(call())


def test_a_factor_for_batches_changes_no_amount_of_who_does_not_ask_for_it() -> None:
    price = {
        "from": "2026-01-01",
        "currency": "EUR",
        "inputPerMillion": "3",
        "outputPerMillion": "7",
    }
    plain, with_factor = (
        bundle(EVERYONE, model("m1", prices=[price | more]), route("r", "m1"))
        for more in ({}, {"batchFactor": "0.5"})
    )
    one, other = decide(plain, call()), decide(with_factor, call())
    assert json.loads(told(one))["plan"] == json.loads(told(other))["plan"]
    usage = UsageCounts(input=1000, cached_input=0, cache_write=0, output=100)
    assert cost(steps(other)[0].price, usage) == 1000 * 3000 + 100 * 7000


def test_a_price_in_the_organisations_own_currency_needs_no_rate() -> None:
    step = only(bundle(EVERYONE, model("m1"), route("r", "m1")), call({"output_tokens_asked": 7}))
    # the write to a cache is the dearest input: twice the plain one
    assert (step.price.currency, step.price.rate, step.price.cache_write) == ("EUR", "1", "2")
    assert (step.fixed_nano, step.amount_nano) == (100 * 2000 + 2, 100 * 2000 + 2 + 7 * 2000)


def limited(*limits: int, on_model: int = 0) -> Bundle:
    return bundle(
        *(
            permission(f"l{i}", effect="permit", obligations={"maxOutputTokens": n})
            for i, n in enumerate(limits)
        ),
        *([permission("rest", effect="permit", on="model", when="model.name != 'm1'")]),
        permission(
            "on-m1", effect="permit", on="model", when="model.name == 'm1'", obligations={"maxOutputTokens": on_model},
        ),
        model("m1"), model("m2"), route("r", "m1", "m2"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("limits", "on_model", "clamp", "asked", "wanted"),
    [
        ((0,), 0, 0, 0, (1000, 1000, 0)),
        ((300, 200, 0), 0, 0, 0, (200, 200, 200)),
        ((300,), 0, 100, 0, (100, 100, 300)),
        ((300,), 0, 400, 0, (300, 300, 300)),
        ((300,), 0, 0, 50, (50, 50, 300)),
        ((300,), 0, 0, 900, (300, 300, 300)),
        # an obligation of a permit on one model binds that model alone
        ((300,), 20, 0, 0, (20, 300, 300)),
        ((0,), 20, 10, 900, (10, 10, 0)),
        # a limit above what a model gives is not asked of it
        ((5000,), 0, 4000, 0, (1000, 1000, 5000)),
    ],
)
def test_limits_on_tokens_merge_by_minimum(
    limits: tuple[int, ...], on_model: int, clamp: int, asked: int, wanted: tuple[int, ...]
) -> None:
    """`wanted`: the tokens of m1, of m2, and the obligation on the whole plan."""
    decision = decide(
        limited(*limits, on_model=on_model), call({"output_tokens_asked": asked}, clamp=clamp)
    )
    tokens = [s.max_output_tokens for s in steps(decision)]
    assert (*tokens, decision.obligations.max_output_tokens) == wanted


WEIGHTS = {"m1": 1, "m2": 5, "m3": 0, "m4": 4}


@cache
def weighted() -> Bundle:
    drawn: Any = {
        "type": "weighted",
        "models": [{"model": m, "weight": w} for m, w in WEIGHTS.items()],
    }
    return bundle(EVERYONE, *map(model, WEIGHTS), route("r", strategy=drawn))


def expected(draw: int) -> list[str]:
    share, first = Fraction(draw, 2**64), ""
    reached = Fraction(0)
    for name, weight in WEIGHTS.items():
        reached += Fraction(weight, sum(WEIGHTS.values()))
        first = first or (name if share < reached else "")
    return [first, *(m for m in WEIGHTS if m != first)]


def test_two_thousand_draws_fall_by_weight_and_always_the_same_way() -> None:
    of = weighted()
    draws = [draw_of(sha256(f"call {i}".encode()).digest()) for i in range(2000)]
    firsts = dict.fromkeys(WEIGHTS, 0)
    for draw in draws:
        plan = models(of, call(draw=draw))
        assert plan == expected(int(draw))
        firsts[plan[0]] += 1
    assert firsts["m3"] == 0
    assert sum(firsts.values()) == 2000
    # four standard deviations around a tenth, a half and two fifths of 2,000
    assert abs(firsts["m1"] - 200) < 54
    assert abs(firsts["m2"] - 1000) < 90
    assert abs(firsts["m4"] - 800) < 88


@settings(deadline=None)
@given(st.integers(0, 2**64 - 1))
def test_every_draw_of_64_bits_has_its_order(draw: int) -> None:
    assert models(weighted(), call(draw=str(draw))) == expected(draw)


def test_a_drawn_model_that_is_dropped_leaves_the_others_in_order() -> None:
    assert models(weighted(), call(draw="0")) == ["m1", "m2", "m3", "m4"]
    assert models(weighted(), call(draw="0", exclude=("m1",))) == ["m2", "m3", "m4"]
    assert models(weighted(), call(draw=str(2**64 - 1), exclude=("m2",))) == ["m4", "m1", "m3"]
