"""Provider and Model: upstream accounts, the models at them, and what their tokens cost from a day on."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Final

from policies.documents.fields import ANY, Cel, Choice, Money, Number, Ref, Secret, Whole, Words
from policies.documents.groups import Group, ListOf, MapOf, ReadList
from policies.documents.identity import CURRENCY
from policies.documents.kind import Kind, Told, day, name
from policies.documents.reading import Json

URL: Final = r"https?://[A-Za-z0-9.\-\[\]:]+(/[^\s?#]*)?"
PROVIDER_TYPES: Final = (
    "openai",
    "anthropic",
    "azure-openai",
    "gemini",
    "openai-compatible",
    "sandbox",
    "rules",
)
_BUILT: Final = ("openai", "anthropic", "openai-compatible", "sandbox", "rules")
_WITHOUT_ADDRESS: Final = ("openai", "anthropic", "sandbox", "rules", "gemini")


class Provider(Kind):
    """An upstream account. Timeouts are for each attempt."""

    kind = "Provider"
    fields = {
        "type": Choice(*PROVIDER_TYPES, required=True),
        "baseUrl": Words(URL, "an address like https://api.openai.com/v1"),
        "credential": Secret(),
        "timeouts": Group(
            {
                "connectSeconds": Number("0.1", "60", default="5"),
                "firstTokenSeconds": Number("0.1", "600", default="30"),
                "stallSeconds": Number("0.1", "600", default="60"),
                "totalSeconds": Number("0.1", "600", default="600"),
            }
        ),
        "maxConcurrency": Whole(1, 100_000, default=200),
        "terms": Group(
            {
                "retention": Words(".{1,200}", "text of one line"),
                "training": Words(".{1,200}", "text of one line"),
                "region": name(),
                "contractEndsOn": day(),
            },
            absent=True,
        ),
    }

    @classmethod
    def check(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """An address where the type has none of its own."""
        if "baseUrl" not in spec and spec["type"] not in _WITHOUT_ADDRESS:
            yield "baseUrl", f'a provider of type "{spec["type"]}" needs a baseUrl'

    @classmethod
    def not_yet(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """Types without an adapter."""
        if spec["type"] not in _BUILT:
            yield "type", f'the provider type "{spec["type"]}"'


_PRICE: Final = {
    "inputPerMillion": Money(required=True),
    "cachedInputPerMillion": Money(),
    "cacheWritePerMillion": Money(),
    "outputPerMillion": Money(required=True),
}
_MEDIA: Final = {
    "imageInputPerMillion": Money(),
    "audioInputPerMillion": Money(),
    "audioOutputPerMillion": Money(),
}
"""What pictures and sound cost where that is not the price of input and output."""


_RULES: Final = {
    "extract": ListOf(
        Group(
            {
                "name": name(required=True),
                "after": Words(r"[\s\S]{1,200}", "text of at most 200 characters", default=""),
                "pattern": Words(".{1,200}", "a regular expression of one line", required=True),
            }
        )
    ),
    "lookups": MapOf(MapOf(Words(r"[\s\S]{0,2000}", "text of at most 2,000 characters"))),
    "rows": ListOf(
        Group({"when": Cel("rules", default="true"), "answer": Cel("rules", ANY, required=True)}),
        1,
        required=True,
    ),
}


class Model(Kind):
    """One model at a provider: what it can do, what it may see, what it costs by date."""

    kind = "Model"
    fields = {
        "provider": Ref("Provider", required=True),
        "upstreamName": Words(r"[^\s]{1,200}", "a name without spaces"),
        "tier": Choice("small", "medium", "large", default="medium"),
        "capabilities": ReadList(name(), unique=True, default=["chat"]),
        "contextWindow": Whole(1, 100_000_000, required=True),
        "maxOutputTokens": Whole(1, 100_000_000, required=True),
        "regions": ReadList(name(), unique=True),
        "clearance": ReadList(name(), unique=True),
        "rules": Group(_RULES, absent=True),
        "prices": ListOf(
            Group(
                {
                    "from": day(required=True),
                    "currency": Words(CURRENCY, "a currency like USD", required=True),
                    **_PRICE,
                    **_MEDIA,
                    # of what a provider says that it served at its batch price, or at its dearer one
                    "batchFactor": Words(
                        r"[0-9](\.[0-9]{1,6})?", 'a factor in quotes like "0.5"', default="1"
                    ),
                    "priorityFactor": Words(
                        r"[1-9][0-9]?(\.[0-9]{1,6})?",
                        'a factor of 1 or more in quotes like "2"',
                    ),
                    "tiers": ListOf(Group({"aboveInputTokens": Whole(1, required=True), **_PRICE})),
                }
            )
        ),
        "capacity": Group(
            {
                "perHour": Money(required=True),
                "currency": Words(CURRENCY, "a currency like USD", required=True),
                "from": day(required=True),
                "until": day(),
                "tokensPerMinute": Whole(1, 1_000_000_000),
            },
            absent=True,
        ),
        "lifecycle": Group(
            {
                "state": Choice("preview", "active", "deprecated", "retired", default="active"),
                "sunsetOn": day(),
                "replacement": Ref("Model"),
            }
        ),
    }

    @classmethod
    def check(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """One price for a day, its tiers in order, a capacity that ends after it begins, each extract once."""
        seen = set()
        names = [one["name"] for one in spec.get("rules", {}).get("extract", [])]
        if len(set(names)) < len(names):
            yield "rules.extract", "each name stands once in the list"
        for index, price in enumerate(spec.get("prices", [])):
            if price["from"] in seen:
                yield f"prices[{index}].from", f'a price from "{price["from"]}" is written twice'
            seen.add(price["from"])
            yield from _tiers(price, f"prices[{index}].tiers")
        capacity = spec.get("capacity") or {}
        if capacity.get("until", "9999") < capacity.get("from", ""):
            yield "capacity.until", f'"{capacity["until"]}" is before "{capacity["from"]}"'


def _tiers(price: Mapping[str, Json], path: str) -> Iterator[Told]:
    """From the lowest on. What an answer costs in a tier is told from what it costs without, so that one is not nothing."""
    tiers = price.get("tiers") or []
    for index, (one, after) in enumerate(pairwise(tiers)):
        if after["aboveInputTokens"] <= one["aboveInputTokens"]:
            yield (
                f"{path}[{index + 1}].aboveInputTokens",
                "tiers stand in order, each above the last",
            )
    if Decimal(price["outputPerMillion"]) == 0:
        for index, one in enumerate(tiers):
            if Decimal(one["outputPerMillion"]) > 0:
                at = f"{path}[{index}].outputPerMillion"
                yield at, "an answer that costs nothing without a tier costs nothing in one"
