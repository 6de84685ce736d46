"""What a call may cost, and what it did: exact, in nano units of the organisation's currency, each line rounded up."""

from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from controlplane.kernel.money import MILLION, NANO, line_item
from policies.engine.bundle import Bundle, DatedPrice, ModelView, Rated
from policies.engine.decision import Candidate, PriceRef

MIN_OUTPUT_TOKENS: Final = 16
"""An answer shorter than this is not worth reserving for."""


_UNSEEN: Final = object()
_MOST_PRICES: Final = 10_000


class UsageCounts(NamedTuple):
    """What a provider bills: `input` is the uncached part, the three inputs do not overlap."""

    input: int
    cached_input: int
    cache_write: int
    output: int


def price_on(bundle: Bundle, model: ModelView, today: str) -> Rated | None:
    """The price of a model on a day, converted; None if no price or no exchange rate is known."""
    known = bundle.prices.get((model.key, today), _UNSEEN)
    if known is _UNSEEN:
        if len(bundle.prices) >= _MOST_PRICES:
            bundle.prices.clear()
        known = bundle.prices[model.key, today] = _price_on(bundle, model, today)
    return known if isinstance(known, Rated) else None


def _price_on(bundle: Bundle, model: ModelView, today: str) -> Rated | None:
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
    with localcontext(prec=100):
        dearest = max(price.input, price.cached_input, price.cache_write) * rate * NANO
        output = price.output * rate * NANO
        ref = msgspec.structs.replace(price.ref, rate=format(rate, "f"))
        text = format(output.normalize(), "f")
        return Rated(ref, text, _ratio(dearest), _ratio(output))


def _ratio(per_million: Decimal) -> tuple[int, int]:
    up, down = per_million.as_integer_ratio()
    return up, down * MILLION


def bound(tokens: int, ratio: tuple[int, int]) -> int:
    """Tokens at a price, rounded up to the next nano unit."""
    return -(-tokens * ratio[0] // ratio[1])


def cost(price: PriceRef, usage: UsageCounts) -> int:
    """What usage costs in nano units: each of the four lines rounded up."""
    rate = Decimal(price.rate)
    lines = (
        (usage.input, price.input),
        (usage.cached_input, price.cached_input),
        (usage.cache_write, price.cache_write),
        (usage.output, price.output),
    )
    return sum(line_item(tokens, Decimal(per_million), rate) for tokens, per_million in lines)


def enlarged(candidate: Candidate, more_tokens: int) -> Candidate:
    """The candidate for a request of so many input tokens more (a repair), at the dearest of its input prices."""
    if not more_tokens:
        return candidate
    price = candidate.price
    dearest = max(map(Decimal, (price.input, price.cached_input, price.cache_write)))
    more = line_item(more_tokens, dearest, Decimal(price.rate))
    return msgspec.structs.replace(
        candidate,
        input_tokens_max=candidate.input_tokens_max + more_tokens,
        fixed_nano=candidate.fixed_nano + more,
        amount_nano=candidate.amount_nano + more,
        min_amount_nano=candidate.min_amount_nano + more,
    )
