"""Service tiers: who may serve flex, what is held, and what an answer is billed at."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.engine.bundle import Bundle
from policies.engine.decide import decide
from policies.engine.decision import Decision, encode
from policies.engine.facts import encode as facts_of
from policies.engine.prices import PriceRef, PriceTier
from policies.engine.pricing import UsageCounts, cost, enlarged, served, unpriced
from tests.policies.engine.small import (
    EVERYONE,
    bundle,
    call,
    document,
    model,
    models,
    route,
    steps,
)  # fmt: skip

PRICE = {"from": "2026-01-01", "currency": "EUR", "inputPerMillion": "3", "outputPerMillion": "7"}
HALF = PRICE | {"batchFactor": "0.5"}
FLEX: dict[str, Any] = {"dialect": "openai.chat", "service_tier": "flex"}


def named(decision: Decision) -> list[str]:
    return [step.model for step in steps(decision)]


def offered(*more: str, **parts: str) -> Bundle:
    """`half` has a batch factor, `full` has none, `dear` one above 1."""
    return bundle(
        EVERYONE, model("half", prices=[HALF]), model("full", prices=[PRICE]),
        model("dear", prices=[PRICE | {"batchFactor": "1.5"}]), route("r", "full", "half", "dear"), *more, **parts,
    )  # fmt: skip


def test_only_a_model_that_is_cheaper_at_it_is_a_candidate_and_the_others_are_named() -> None:
    decision = decide(offered(), call(FLEX))
    assert named(decision) == ["half"]
    assert [(one.model, one.rule.name, one.message) for one in decision.dropped] == [
        (name, "service-tier", f"{name} has no price for service tier flex: its batchFactor on 2026-11-24 is not below 1")
        for name in ("full", "dear")
    ]  # fmt: skip
    assert models(offered(), call()) == ["full", "half", "dear"]


def test_a_call_that_no_model_serves_so_is_denied() -> None:
    of = bundle(EVERYONE, model("full", prices=[PRICE]), route("r", "full"))
    decision = decide(of, call(FLEX))
    assert decision.denial is not None
    assert (decision.effect, decision.denial.code) == ("deny", "service-tier")
    assert "full has no price for service tier flex" in decision.denial.message


@pytest.mark.parametrize(
    ("kind", "dialect", "serves"),
    [
        ("openai", "openai.chat", True),
        ("openai", "openai.responses", True),
        ("openai-compatible", "openai.responses", True),
        ("sandbox", "openai.chat", True),
        ("anthropic", "openai.chat", False),
        ("sandbox", "anthropic.messages", False),
    ],
)
def test_where_it_is_to_be_had(
    kind: str, dialect: str, serves: bool
) -> None:  # a column of the table
    spec = {"type": kind, "credential": "secret:p", "baseUrl": "https://p.example/v1"}
    provider = document("Provider", "p", {"type": kind} if kind == "sandbox" else spec)
    decision = decide(offered(p=provider), call(FLEX | {"dialect": dialect}))
    assert named(decision) == (["half"] if serves else [])
    if not serves:
        said = f"half has no service tier flex: {dialect} at {kind}"
        assert said in [one.message for one in decision.dropped]


def test_the_full_price_is_held_and_the_factor_stands_in_the_decision_of_who_asked() -> None:
    of = offered()
    [flex], plain = steps(decide(of, call(FLEX))), steps(decide(of, call()))[1]
    assert (flex.model, plain.model) == ("half", "half")
    amounts = (flex.fixed_nano, flex.amount_nano, flex.min_amount_nano)
    assert amounts == (plain.fixed_nano, plain.amount_nano, plain.min_amount_nano)
    assert (flex.price.asked, plain.price.asked) == (True, False)
    assert flex.price.batch_factor == plain.price.batch_factor == "0.5"
    assert enlarged(flex, 50).price == flex.price


def test_the_bytes_of_a_decision_have_the_factor_only_where_it_was_asked_for() -> None:
    """In either order: the end of a step is kept from call to call."""
    for asks in ((call(FLEX), call()), (call(), call(FLEX))):
        of = offered()
        for facts in asks:
            decision = decide(of, facts)
            [step] = [
                s for s in json.loads(encode(decision))["plan"]["steps"] if s["model"] == "half"
            ]
            flex = facts.request.service_tier == "flex"
            assert step["price"].get("batchFactor") == ("0.5" if flex else None)
            again = decide(offered(), facts)
            assert again.digest == decision.digest
    assert b"serviceTier" not in facts_of(call())
    assert b'"serviceTier":"flex"' in facts_of(call(FLEX))


@pytest.mark.parametrize(
    ("tier", "nano"),
    [
        ("flex", 1000 * 1500 + 100 * 3500),
        ("batch", 1000 * 1500 + 100 * 3500),
        ("", 1000 * 3000 + 100 * 7000),
        ("priority", 1000 * 3000 + 100 * 7000),
        ("default", 1000 * 3000 + 100 * 7000),
    ],
)
def test_it_is_billed_at_the_tier_that_the_answer_names(tier: str, nano: int) -> None:
    for asked in (FLEX, {}):
        step = next(s for s in steps(decide(offered(), call(asked))) if s.model == "half")
        assert cost(served(step.price, tier), UsageCounts(1000, 0, 0, 100)) == nano


def test_a_price_without_a_factor_is_itself_at_every_tier() -> None:
    full = steps(decide(offered(), call()))[0]
    for tier in ("flex", "batch", "priority", "scale", ""):
        assert served(full.price, tier) is full.price
        assert unpriced(full.price, tier) is (tier in {"priority", "scale"})


def test_where_priority_has_a_price_that_is_held_for_every_call_and_billed_on_the_answers_word() -> (
    None
):
    usage, request = (
        UsageCounts(1000, 0, 0, 100),
        {"input_tokens_max": 1000, "output_tokens_asked": 100},
    )
    plain = bundle(EVERYONE, model("m", prices=[PRICE]), route("r", "m"))
    dear = bundle(EVERYONE, model("m", prices=[HALF | {"priorityFactor": "2.5"}]), route("r", "m"))
    [was], [now] = (steps(decide(of, call(request))) for of in (plain, dear))
    # 1,000 tokens at the price of one that is written to a cache, and 100 of output
    assert (was.amount_nano, now.amount_nano) == (
        2 + 6_000_000 + 700_000,
        2 + 15_000_000 + 1_750_000,
    )
    bills = [cost(served(now.price, tier), usage) for tier in ("", "flex", "priority", "scale")]
    assert bills == [3_700_000, 1_850_000, 9_250_000, 3_700_000]
    assert [unpriced(now.price, tier) for tier in ("priority", "scale")] == [False, True]
    # a repair makes its input longer at the same price
    assert enlarged(now, 10).amount_nano - now.amount_nano == 10 * 15_000
    told = json.loads(encode(decide(dear, call(request))))["plan"]["steps"][0]["price"]
    assert (told["priorityFactor"], "batchFactor" in told) == ("2.5", False)


def test_tokens_that_are_bought_by_the_hour_cost_nothing_at_any_tier() -> None:
    bought = {"perHour": "9", "currency": "EUR", "from": "2026-01-01"}
    of = bundle(EVERYONE, model("m", prices=[PRICE], capacity=bought), route("r", "m"))
    [step] = steps(decide(of, call()))
    assert not unpriced(step.price, "scale")


def test_pictures_sound_and_tiers_are_cheaper_alike_and_each_line_is_rounded_up() -> None:
    price = PriceRef(
        since="2026-01-01", currency="EUR", input="0.25", cached_input="0.1", cache_write="0.5", output="2", rate="1",
        image_input="3", audio_input="4", audio_output="8", batch_factor="0.333333",
        tiers=(PriceTier(above=1000, input="1", cached_input="0.2", cache_write="2", output="4"),),
    )  # fmt: skip
    flex = served(price, "flex")
    assert (flex.input, flex.cached_input, flex.cache_write) == (
        "0.08333325",
        "0.0333333",
        "0.1666665",
    )
    assert (flex.image_input, flex.audio_input, flex.audio_output) == (
        "0.999999",
        "1.333332",
        "2.666664",
    )
    [tier] = flex.tiers
    assert (tier.above, tier.input, tier.output) == (1000, "0.333333", "1.333332")
    assert flex.batch_factor == ""
    # 83.33325 nano for the one token of input, 666.666 for that of output
    assert cost(flex, UsageCounts(1, 0, 0, 1)) == 84 + 667


TOKENS = st.integers(0, 5_000)


@settings(deadline=None, max_examples=120)
@given(
    st.from_regex(r"\A0(\.[0-9]{1,6})?\Z"),
    st.one_of(st.just(""), st.from_regex(r"\A[1-9](\.[0-9]{1,6})?\Z")),
    st.tuples(TOKENS, TOKENS, TOKENS, st.integers(1, 1000)),
    st.sampled_from(["", "flex", "batch", "priority", "scale"]),
    st.booleans(),
)
def test_what_is_held_is_never_less_than_what_is_settled(
    factor: str,
    dearer: str,
    used: tuple[int, int, int, int],
    tier: str,
    asks: bool,  # hypothesis draws it
) -> None:
    price: dict[str, Any] = PRICE | {"batchFactor": factor, "cachedInputPerMillion": "0.3"}
    price |= {"priorityFactor": dearer} if dearer else {}
    price |= {
        "tiers": [{"aboveInputTokens": 4000, "inputPerMillion": "6", "outputPerMillion": "9"}]
    }
    of = bundle(EVERYONE, model("m", prices=[price], contextWindow=100_000), route("r", "m"))
    request = {"input_tokens_max": sum(used[:3]), "output_tokens_asked": used[3]}
    [step] = steps(decide(of, call((FLEX if asks else {}) | request)))
    bill, full = (
        cost(served(step.price, tier), UsageCounts(*used)),
        cost(step.price, UsageCounts(*used)),
    )
    assert max(bill, full) <= step.amount_nano
    if tier in {"flex", "batch"}:
        assert bill <= full
    elif tier == "priority" and dearer:
        assert bill >= full
    else:
        assert bill == full
