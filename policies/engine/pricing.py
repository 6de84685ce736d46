"""What a call may cost, and what it did: exact, in nano units of the organisation's currency, each line rounded up."""

from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import Final, NamedTuple

import msgspec

from controlplane.kernel.money import MILLION, NANO, line_item
from policies.engine.bundle import Bundle, ModelView
from policies.engine.decision import Candidate
from policies.engine.prices import DatedPrice, PriceRef, PriceTier, Rated

MIN_OUTPUT_TOKENS: Final = 16
"""An answer shorter than this is not worth reserving for."""


FLEX: Final = "flex"
BATCHED: Final = frozenset({FLEX, "batch"})
"""What providers call the service tiers that they bill at their batch price."""
PRIORITY: Final = "priority"
DEARER: Final = frozenset({PRIORITY, "scale"})
"""Those that cost another price, which only a document can say."""
_TOKENS: Final = ("input", "cached_input", "cache_write", "output")
_MEDIA: Final = ("image_input", "audio_input", "audio_output")
_UNSEEN: Final = object()
_MOST_PRICES: Final = 10_000


class UsageCounts(NamedTuple):
    """What a provider bills: `input` is the uncached part, the three inputs do not overlap.

    Pictures and sound are parts of `input` and of `output`.
    """

    input: int
    cached_input: int
    cache_write: int
    output: int
    image_input: int = 0
    audio_input: int = 0
    audio_output: int = 0

    @property
    def input_all(self) -> int:
        """What tells the tier."""
        return self.input + self.cached_input + self.cache_write


def price_on(bundle: Bundle, model: ModelView, today: str) -> Rated | None:
    """The price of a model on a day, converted; None if no price or no exchange rate is known."""
    known = bundle.prices.get((model.key, today), _UNSEEN)
    if known is _UNSEEN:
        if len(bundle.prices) >= _MOST_PRICES:
            bundle.prices.clear()
        known = bundle.prices[model.key, today] = _price_on(bundle, model, today)
    return known if isinstance(known, Rated) else None


def _price_on(bundle: Bundle, model: ModelView, today: str) -> Rated | None:
    bought = model.capacity
    if bought is not None and bought.since <= today <= bought.until:
        price: DatedPrice | None = bought
    else:
        price = next((p for p in model.prices if p.since <= today), None)
    if price is None:
        return None
    rate = rate_on(bundle, price.currency, today)
    return None if rate is None else _rated(price, rate)


def rate_on(bundle: Bundle, currency: str, today: str) -> Decimal | None:
    """What one unit of a currency is worth in the organisation's on a day."""
    if currency == bundle.organisation.spec["currency"]:
        return Decimal(1)
    return next(
        (rates[currency] for since, rates in bundle.rates if since <= today and currency in rates),
        None,
    )


@lru_cache(maxsize=4096)
def _rated(price: DatedPrice, rate: Decimal) -> Rated:
    ref = msgspec.structs.replace(price.ref, rate=format(rate, "f"))
    own = dearest(ref, 0)
    tiers = tuple((tier.above, _at(ref, rate, dearest(ref, tier.above + 1))) for tier in ref.tiers)
    return _at(ref, rate, own)._replace(tiers=tiers)


def _at(ref: PriceRef, rate: Decimal, most: tuple[Decimal, Decimal]) -> Rated:
    with localcontext(prec=100):
        given, output = most[0] * rate * NANO, most[1] * rate * NANO
        text = format(output.normalize(), "f")
        return Rated(ref, text, _ratio(given), _ratio(output), roundings(ref))


def dearest(price: PriceRef, input_tokens: int) -> tuple[Decimal, Decimal]:
    """The most that a token of input and one of output may cost in a request of at most so many tokens of input.

    INVARIANT: where a document says what `priority` costs, that is what is held: the provider may serve so, whatever was asked.
    """
    within: list[PriceRef | PriceTier] = [
        price,
        *(tier for tier in price.tiers if input_tokens > tier.above),
    ]
    inputs = [t for one in within for t in (one.input, one.cached_input, one.cache_write)]
    given = max(map(Decimal, (*inputs, price.image_input or 0, price.audio_input or 0)))
    output = max(map(Decimal, (*(one.output for one in within), price.audio_output or 0)))
    if not price.priority_factor:
        return given, output
    with localcontext(prec=100):
        factor = Decimal(price.priority_factor)
        return given * factor, output * factor


def roundings(price: PriceRef) -> int:
    """How many lines more a bill has than one of input and one of output; each is rounded up."""
    return 2 + sum(map(bool, (price.image_input, price.audio_input, price.audio_output)))


def _ratio(per_million: Decimal) -> tuple[int, int]:
    up, down = per_million.as_integer_ratio()
    return up, down * MILLION


def bound(tokens: int, ratio: tuple[int, int]) -> int:
    """Tokens at a price, rounded up to the next nano unit."""
    return -(-tokens * ratio[0] // ratio[1])


def factor_of(price: PriceRef, service_tier: str) -> str:
    """What a price is times at a service tier that a provider names; empty where it is the price itself."""
    if service_tier in BATCHED:
        return price.batch_factor
    return price.priority_factor if service_tier == PRIORITY else ""


def unpriced(price: PriceRef, service_tier: str) -> bool:
    """Whether a provider may bill more at that service tier than any document says; tokens bought by the hour cost nothing."""
    known = factor_of(price, service_tier)
    return service_tier in DEARER and not known and any(dearest(price, MILLION))


def served(price: PriceRef, service_tier: str) -> PriceRef:
    """The price that the answer of a provider is billed at: all of it times the factor of the service tier that it names.

    INVARIANT: without a word of the provider it is the price itself, whatever was asked.
    """
    known = factor_of(price, service_tier)
    if not known:
        return price
    factor = Decimal(known)
    tiers = tuple(msgspec.structs.replace(tier, **_times(tier, factor)) for tier in price.tiers)
    own = _times(price, factor) | _times(price, factor, _MEDIA)
    return msgspec.structs.replace(
        price, **own, tiers=tiers, batch_factor="", priority_factor="", asked=False
    )


def _times(
    price: PriceRef | PriceTier, factor: Decimal, names: tuple[str, ...] = _TOKENS
) -> dict[str, str]:
    """Those of its amounts that are there, times a factor: exact decimals."""
    with localcontext(prec=100):
        found = {name: getattr(price, name) for name in names if getattr(price, name)}
        return {name: format(Decimal(was) * factor, "f") for name, was in found.items()}


def cost(price: PriceRef, usage: UsageCounts) -> int:
    """What usage costs in nano units: each of its lines rounded up, all of them at the tier that its input reaches."""
    rate = Decimal(price.rate)
    return sum(line_item(n, Decimal(per_million), rate) for n, per_million in lines(price, usage))


def lines(price: PriceRef, usage: UsageCounts) -> list[tuple[int, str]]:
    """The tokens of each line of a bill with what a million of them costs: at least input, cached, written and output."""
    at: PriceRef | PriceTier = price
    for tier in price.tiers:
        if usage.input_all > tier.above:
            at = tier
    image = min(usage.image_input, usage.input) if price.image_input else 0
    audio = min(usage.audio_input, usage.input - image) if price.audio_input else 0
    spoken = min(usage.audio_output, usage.output) if price.audio_output else 0
    found = [
        (usage.input - image - audio, at.input),
        (usage.cached_input, at.cached_input),
        (usage.cache_write, at.cache_write),
        (usage.output - spoken, at.output),
    ]
    media = (
        (image, price.image_input),
        (audio, price.audio_input),
        (spoken, price.audio_output),
    )
    return found + [line for line in media if line[0]]


def enlarged(candidate: Candidate, more_tokens: int) -> Candidate:
    """The candidate for a request of so many input tokens more (a repair), at the dearest of its prices."""
    if not more_tokens:
        return candidate
    price, tokens = candidate.price, candidate.input_tokens_max + more_tokens
    if price.tiers:
        return _at_another_tier(candidate, tokens)
    more = line_item(more_tokens, dearest(price, tokens)[0], Decimal(price.rate))
    return msgspec.structs.replace(
        candidate,
        input_tokens_max=tokens,
        fixed_nano=candidate.fixed_nano + more,
        amount_nano=candidate.amount_nano + more,
        min_amount_nano=candidate.min_amount_nano + more,
    )


def _at_another_tier(candidate: Candidate, tokens: int) -> Candidate:
    """The same for a longer input: what was held for the answer grows as the price of its tokens does."""
    rated = _at(candidate.price, Decimal(candidate.price.rate), dearest(candidate.price, tokens))
    fixed = rated.roundings + bound(tokens, rated.input_ratio)
    was, now = Fraction(candidate.output_nano_per_million), Fraction(rated.output_nano_per_million)
    # a document has no tier whose answers cost something where they cost nothing without it
    grown = now / was if was else Fraction(1)
    answer = candidate.amount_nano - candidate.fixed_nano
    least = candidate.min_amount_nano - candidate.fixed_nano
    return msgspec.structs.replace(
        candidate,
        input_tokens_max=tokens,
        fixed_nano=fixed,
        output_nano_per_million=rated.output_nano_per_million,
        amount_nano=fixed + ceil(answer * grown),
        min_amount_nano=fixed + ceil(least * grown),
    )
