"""Prices: what a Model document says, by date, and as they stand in a decision, whose bytes they are part of."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from policies.documents.reading import Json

FREE: Final[Mapping[str, Json]] = {
    "from": "0001-01-01", "inputPerMillion": "0", "outputPerMillion": "0", "cachedInputPerMillion": "0",
    "cacheWritePerMillion": "0",
}  # fmt: skip


class PriceTier(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a request of more than `above` input tokens costs, all of it."""

    above: int
    input: str
    cached_input: str
    cache_write: str
    output: str


class PriceRef(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The price in force on the day (`since`, its `from`): decimals per million tokens in `currency`.

    `rate` converts into the organisation's currency. Pictures and sound without a price of their own (empty) are input
    and output like any other. `tiers` go up. `batch_factor` (below 1) and `priority_factor` (1 or more) are what all of it
    is times where the provider says that it served so; empty where no document says that. `asked`: the call asked for
    flex, so that the batch factor is part of its decision's bytes.
    """

    since: str
    currency: str
    input: str
    cached_input: str
    cache_write: str
    output: str
    rate: str
    image_input: str = ""
    audio_input: str = ""
    audio_output: str = ""
    tiers: tuple[PriceTier, ...] = ()
    batch_factor: str = ""
    priority_factor: str = ""
    asked: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class DatedPrice:
    """A price from a day on, to the day `until` where it has one."""

    since: str
    currency: str
    ref: PriceRef
    """As it stands in a decision, still with the rate 1."""
    until: str = "9999-12-31"


class Rated(NamedTuple):
    """A price in the organisation's money: nano units per million tokens as exact ratios of whole numbers.

    They are the dearest of those that may apply, at the dearest service tier that has a price. `roundings` is how many
    units more than one line of input and one of output a bill may have, each line being rounded up. `tiers` are what binds
    instead above so many tokens of input.
    """

    ref: PriceRef
    output_nano_per_million: str
    input_ratio: tuple[int, int]
    output_ratio: tuple[int, int]
    roundings: int = 2
    tiers: tuple[tuple[int, "Rated"], ...] = ()

    def at(self, input_tokens: int) -> "Rated":
        """What binds for a request of at most so many tokens of input."""
        found = self
        for above, rated in self.tiers:
            if input_tokens > above:
                found = rated
        return found


def written(price: PriceRef) -> dict[str, object]:
    """As it stands in a decision. What came later is written only where it says something."""
    tiers = [
        {
            "above": tier.above,
            "cacheWrite": tier.cache_write,
            "cachedInput": tier.cached_input,
            "input": tier.input,
            "output": tier.output,
        }
        for tier in price.tiers
    ]
    return {
        **({"audioInput": price.audio_input} if price.audio_input else {}),
        **({"audioOutput": price.audio_output} if price.audio_output else {}),
        **({"batchFactor": price.batch_factor} if price.asked else {}),
        "cacheWrite": price.cache_write,
        "cachedInput": price.cached_input,
        "currency": price.currency,
        "from": price.since,
        **({"imageInput": price.image_input} if price.image_input else {}),
        "input": price.input,
        "output": price.output,
        **({"priorityFactor": price.priority_factor} if price.priority_factor else {}),
        "rate": price.rate,
        **({"tiers": tiers} if tiers else {}),
    }


def price(spec: Mapping[str, Json]) -> DatedPrice:
    """One of its prices."""
    paid, cached, write, given = _lines(spec)
    factor = spec.get("batchFactor") or "1"
    ref = PriceRef(
        since=spec["from"], currency=spec["currency"], input=paid, cached_input=cached, cache_write=write, output=given, rate="1",
        image_input=spec.get("imageInputPerMillion") or "", audio_input=spec.get("audioInputPerMillion") or "",
        audio_output=spec.get("audioOutputPerMillion") or "", tiers=tuple(map(_tier, spec.get("tiers") or ())),
        batch_factor=factor if Decimal(factor) < 1 else "", priority_factor=spec.get("priorityFactor") or "",
    )  # fmt: skip
    return DatedPrice(ref.since, ref.currency, ref)


def capacity(spec: Mapping[str, Json]) -> DatedPrice:
    """What its tokens cost while it is bought by the hour: nothing. The last day of `until` belongs to it."""
    free = price({**FREE, "from": spec["from"], "currency": spec["currency"]})
    return DatedPrice(free.since, free.currency, free.ref, spec["until"] or free.until)


def _lines(spec: Mapping[str, Json]) -> tuple[str, str, str, str]:
    """Input, cached, written, output: a cached token costs what another does, one that is written to a cache twice that."""
    paid = spec["inputPerMillion"]
    cached = spec["cachedInputPerMillion"] or paid
    write = spec["cacheWritePerMillion"] or format(Decimal(paid) * 2, "f")
    return paid, cached, write, spec["outputPerMillion"]


def _tier(spec: Mapping[str, Json]) -> PriceTier:
    paid, cached, write, given = _lines(spec)
    return PriceTier(
        above=spec["aboveInputTokens"], input=paid, cached_input=cached, cache_write=write, output=given
    )  # fmt: skip
