"""Prices by the length of the input, of pictures and sound, and models bought by the hour."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.documents.parse import parse_text
from policies.documents.problems import InvalidDocuments
from policies.engine.bundle import Bundle
from policies.engine.decide import decide
from policies.engine.decision import Candidate, encode
from policies.engine.pricing import UsageCounts, cost, enlarged, lines
from policies.replay.core import spent
from tests.policies.engine.small import EVERYONE, bundle, call, document, model, route, steps

BASE = {"from": "2026-01-01", "currency": "EUR", "inputPerMillion": "1", "outputPerMillion": "4"}
LONG = {"aboveInputTokens": 200, "inputPerMillion": "2", "outputPerMillion": "6"}
LONGER = {
    "aboveInputTokens": 500, "inputPerMillion": "3", "cachedInputPerMillion": "0.5", "cacheWritePerMillion": "3",
    "outputPerMillion": "5",
}  # fmt: skip
MEDIA = {"imageInputPerMillion": "9", "audioInputPerMillion": "30", "audioOutputPerMillion": "60"}


def priced(*prices: dict[str, Any], **spec: Any) -> Bundle:
    return bundle(EVERYONE, model("m1", prices=list(prices), **spec), route("r", "m1"))


TIERED = priced(BASE | {"tiers": [LONG, LONGER]})
SPOKEN = priced(BASE | MEDIA)
BOTH = priced(BASE | MEDIA | {"tiers": [LONG, LONGER]})


def only(of: Bundle, tokens: int, output: int = 100, n: int = 1) -> Candidate:
    asked = {"input_tokens_max": tokens, "output_tokens_asked": output, "n": n}
    (step,) = steps(decide(of, call(asked)))
    return step


@pytest.mark.parametrize(
    ("tokens", "fixed", "output_nano"),
    [
        # a written token costs twice another: 2, then 4, and in the third tier 3, which is no dearer
        (200, 200 * 2000 + 2, "4000000000"),
        (201, 201 * 4000 + 2, "6000000000"),
        (500, 500 * 4000 + 2, "6000000000"),
        # the answer of a longer input is cheaper, but the input may turn out shorter
        (501, 501 * 4000 + 2, "6000000000"),
    ],
)
def test_a_reservation_is_at_the_dearest_tier_that_may_apply(
    tokens: int, fixed: int, output_nano: str
) -> None:
    step = only(TIERED, tokens)
    assert (step.fixed_nano, step.output_nano_per_million) == (fixed, output_nano)
    assert step.amount_nano == fixed + 100 * int(output_nano) // 10**6


@pytest.mark.parametrize(
    ("usage", "nano"),
    [
        (UsageCounts(200, 0, 0, 10), 200 * 1000 + 10 * 4000),
        (UsageCounts(201, 0, 0, 10), 201 * 2000 + 10 * 6000),
        # what was read from a cache or written to one counts as input
        (UsageCounts(1, 150, 50, 10), 1 * 2000 + 150 * 2000 + 50 * 4000 + 10 * 6000),
        (UsageCounts(501, 0, 0, 10), 501 * 3000 + 10 * 5000),
        (UsageCounts(300, 200, 1, 10), 300 * 3000 + 200 * 500 + 1 * 3000 + 10 * 5000),
    ],
)
def test_a_bill_is_at_the_tier_that_applied(usage: UsageCounts, nano: int) -> None:
    step = only(TIERED, 600)
    assert cost(step.price, usage) == nano
    assert spent(step.price, usage) == nano


def test_pictures_and_sound_are_parts_of_input_and_output() -> None:
    step = only(SPOKEN, 100)
    usage = UsageCounts(50, 0, 0, 30, image_input=10, audio_input=5, audio_output=20)
    assert lines(step.price, usage) == [
        (35, "1"), (0, "1"), (0, "2"), (10, "4"), (10, "9"), (5, "30"), (20, "60"),
    ]  # fmt: skip
    assert cost(step.price, usage) == 35_000 + 40_000 + 90_000 + 150_000 + 1_200_000
    # more of a part than of the whole is the whole
    odd = UsageCounts(8, 0, 0, 1, image_input=5, audio_input=9, audio_output=9)
    assert cost(step.price, odd) == 5 * 9000 + 3 * 30_000 + 60_000


def test_without_a_price_of_their_own_they_are_input_and_output() -> None:
    usage = UsageCounts(50, 0, 0, 30, image_input=10, audio_input=5, audio_output=20)
    assert cost(only(TIERED, 100).price, usage) == 50_000 + 120_000


TOKENS = st.integers(0, 400)


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from([TIERED, SPOKEN, BOTH]),
    st.tuples(TOKENS, TOKENS, TOKENS, st.integers(0, 100)),
    st.tuples(TOKENS, TOKENS, TOKENS),
    st.integers(0, 300),
)
def test_no_bill_within_the_bounds_is_above_what_was_reserved(
    of: Bundle, used: tuple[int, int, int, int], media: tuple[int, int, int], slack: int
) -> None:
    usage = UsageCounts(*used, *media)
    assert cost(only(of, usage.input_all + slack).price, usage) <= (
        only(of, usage.input_all + slack).amount_nano
    )


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from([TIERED, SPOKEN, BOTH]),
    st.integers(1, 700), st.integers(1, 700), st.integers(1, 1000), st.integers(1, 8),
)  # fmt: skip
def test_a_repair_holds_at_least_what_the_longer_request_would(
    of: Bundle, tokens: int, more: int, output: int, n: int
) -> None:
    grown, whole = enlarged(only(of, tokens, output, n), more), only(of, tokens + more, output, n)
    assert grown.output_nano_per_million == whole.output_nano_per_million
    assert grown.input_tokens_max == whole.input_tokens_max
    # each part is rounded up once more
    assert 0 <= grown.amount_nano - whole.amount_nano <= 3
    assert 0 <= grown.min_amount_nano - whole.min_amount_nano <= 3


def test_a_tier_stands_in_the_decision_and_nothing_where_there_is_none() -> None:
    def price_of(of: Bundle) -> dict[str, Any]:
        found = decide(of, call({"input_tokens_max": 300}))
        assert encode(found) == encode(found, ())
        (step,) = msgspec.json.decode(encode(found))["plan"]["steps"]
        return dict(step["price"])

    plain = {
        "cacheWrite": "2", "cachedInput": "1", "currency": "EUR", "from": "2026-01-01", "input": "1", "output": "4", "rate": "1",
    }  # fmt: skip
    assert price_of(priced(BASE)) == plain
    assert price_of(BOTH) == plain | {
        "imageInput": "9",
        "audioInput": "30",
        "audioOutput": "60",
        "tiers": [
            {"above": 200, "cacheWrite": "4", "cachedInput": "2", "input": "2", "output": "6"},
            {"above": 500, "cacheWrite": "3", "cachedInput": "0.5", "input": "3", "output": "5"},
        ],
    }


def test_the_same_model_at_two_lengths_has_two_digests() -> None:
    short, long = (decide(TIERED, call({"input_tokens_max": n})) for n in (100, 300))
    again = decide(TIERED, call({"input_tokens_max": 100}))
    assert short.digest == again.digest != long.digest
    written = [msgspec.json.decode(encode(d))["plan"]["steps"][0] for d in (short, long)]
    ends = [step["outputNanoPerMillion"] for step in written]
    assert ends == ["4000000000", "6000000000"]


BOUGHT = {"perHour": "12.5", "currency": "EUR", "from": "2026-11-01", "until": "2026-11-24"}


@pytest.mark.parametrize(
    ("now", "paid"),
    [
        ("2026-10-31T12:00:00Z", "1"),
        ("2026-11-01T12:00:00Z", "0"),
        ("2026-11-24T12:00:00Z", "0"),
        ("2026-11-25T12:00:00Z", "1"),
    ],
)
def test_while_a_model_is_bought_by_the_hour_its_tokens_cost_nothing(now: str, paid: str) -> None:
    (step,) = steps(decide(priced(BASE, capacity=BOUGHT), call(now=now)))
    assert step.price.input == paid
    assert (step.amount_nano <= 2) == (paid == "0")


def test_a_model_bought_by_the_hour_needs_no_other_price() -> None:
    (step,) = steps(decide(priced(capacity={**BOUGHT, "until": "2027-12-31"}), call()))
    assert (step.price.since, step.price.input, step.price.output) == ("2026-11-01", "0", "0")


@pytest.mark.parametrize(
    ("spec", "path", "message"),
    [
        (
            {"prices": [BASE | {"tiers": [LONGER, LONG]}]},
            "spec.prices[0].tiers[1].aboveInputTokens",
            "tiers stand in order, each above the last",
        ),
        (
            {"prices": [BASE | {"tiers": [LONG, LONG]}]},
            "spec.prices[0].tiers[1].aboveInputTokens",
            "tiers stand in order, each above the last",
        ),
        (
            {"prices": [BASE | {"outputPerMillion": "0", "tiers": [LONG]}]},
            "spec.prices[0].tiers[0].outputPerMillion",
            "an answer that costs nothing without a tier costs nothing in one",
        ),
        (
            {"capacity": BOUGHT | {"until": "2026-10-31"}},
            "spec.capacity.until",
            '"2026-10-31" is before "2026-11-01"',
        ),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(
    spec: dict[str, Any], path: str, message: str
) -> None:
    base = {"provider": "p", "contextWindow": 8, "maxOutputTokens": 8}
    with pytest.raises(InvalidDocuments) as refused:
        parse_text(document("Model", "m", base | spec))
    (found,) = refused.value.problems
    assert (found.path, found.message) == (path, message)
