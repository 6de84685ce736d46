"""A snapshot of public prices: what it lists for a model on a day, in exact decimals, and why there is none."""

import json
from pathlib import Path
from typing import Any

import pytest

from controlplane.kernel.errors import InvalidRequest
from policies.folders.pricebook.snapshot import Listed, Snapshot

SAMPLE = (Path(__file__).parent / "sample.json").read_text(encoding="utf-8")
DAY = "2026-11-29"
GRAND = {
    "currency": "USD",
    "inputPerMillion": "5",
    "cachedInputPerMillion": "0.5",
    "cacheWritePerMillion": "10",
    "outputPerMillion": "25",
    "tiers": [
        {
            "aboveInputTokens": 200_000,
            "inputPerMillion": "10",
            "cachedInputPerMillion": "0.5",
            "cacheWritePerMillion": "20",
            "outputPerMillion": "37.5",
        }
    ],
}
TINY = {
    "currency": "USD",
    "inputPerMillion": "0.25",
    "cachedInputPerMillion": "0.025",
    "outputPerMillion": "2",
}


def listed(
    upstream: str, kind: str = "openai", day: str = DAY, address: str = "", text: str = SAMPLE
) -> Listed:
    return Snapshot(text, "sample.json").listed(kind, address, upstream, day)


@pytest.mark.parametrize(
    ("upstream", "kind", "row"),
    [
        ("tiny", "openai", TINY),
        ("tiny-2031", "openai", TINY),
        (
            "tiny-is-loud",
            "openai",
            {
                "currency": "USD",
                "inputPerMillion": "1",
                "outputPerMillion": "4.5",
                "audioInputPerMillion": "10",
                "audioOutputPerMillion": "20",
            },
        ),
        ("grand-5-20260101", "anthropic", GRAND),
    ],
)
def test_a_price_is_carried_over_with_its_tiers_and_its_dearest_cache_write(
    upstream: str, kind: str, row: dict[str, Any]
) -> None:
    assert listed(upstream, kind) == Listed(row)


def test_of_dated_prices_the_one_of_the_day_counts() -> None:
    before = listed("grand", "anthropic", "2026-03-12").row
    assert before == {"currency": "USD", "inputPerMillion": "6", "outputPerMillion": "30"}
    assert listed("grand", "anthropic", "2026-03-13").row == GRAND
    later = listed("grand", "anthropic", "2090-01-01").row
    assert later == {"currency": "USD", "inputPerMillion": "1", "outputPerMillion": "2"}


def test_other_providers_are_found_by_their_address_and_small_prices_stay_exact() -> None:
    found = listed(
        "grey", "openai-compatible", address="https://models.elsewhere.example/v1", text=SAMPLE
    )
    assert found.row == {
        "currency": "USD",
        "inputPerMillion": "0.0000005",
        "outputPerMillion": "10",
    }
    # an address of one's own is not the vendor's list
    own = listed("tiny", "openai", address="https://proxy.acme.example/v1")
    assert own == Listed(
        None, 'it lists no provider of type "openai" at https://proxy.acme.example/v1'
    )


@pytest.mark.parametrize(
    ("upstream", "kind", "why"),
    [
        ("huge", "openai", 'it lists no "huge" at openai'),
        ("tiny-20", "openai", 'it lists no "tiny-20" at openai'),
        ("tiny", "sandbox", 'it lists no provider of type "sandbox"'),
        ("by-night", "openai", "its price depends on the hour of the day"),
        ("pictures", "openai", "it lists no price for input and output"),
        ("odd", "openai", 'what it says of "odd" cannot be read'),
    ],
)
def test_what_cannot_be_carried_over_says_why(upstream: str, kind: str, why: str) -> None:
    assert listed(upstream, kind) == Listed(None, why)


@pytest.mark.parametrize(
    "prices",
    [
        {"input_mtok": -1, "output_mtok": 2},
        {"input_mtok": True, "output_mtok": 2},
        {"input_mtok": {"base": 1}, "output_mtok": {"tiers": []}},
        {"input_mtok": {"base": 1, "tiers": [{"start": "x"}]}, "output_mtok": 2},
        [{"constraint": 7, "prices": {}}],
        "free",
        [None],
    ],
)
def test_nonsense_is_no_price(prices: Any) -> None:
    text = json.dumps(
        [{"id": "openai", "models": [{"id": "m", "match": {"equals": "m"}, "prices": prices}]}]
    )
    assert listed("m", text=text) == Listed(None, 'what it says of "m" cannot be read')


def test_a_start_without_prices_yet_is_no_price() -> None:
    prices = [{"constraint": {"start_date": "2090-01-01"}, "prices": {"input_mtok": 1}}]
    text = json.dumps([{"id": "openai", "models": [{"id": "m", "match": {}, "prices": prices}]}])
    assert listed("m", text=text) == Listed(None, "it lists no price of that day")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", '"sample.json" is no JSON: '),
        ("{}", '"sample.json" is no snapshot of genai-prices: a list of providers'),
        ('[{"id": 7, "models": []}]', "a list of providers"),
        ('[{"id": "openai"}]', "a list of providers"),
        ("[[]]", "a list of providers"),
    ],
)
def test_another_file_is_refused(text: str, told: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Snapshot(text, "sample.json")
    assert told in refused.value.message
