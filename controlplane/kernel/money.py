"""Money is whole nano units of the organisation's currency (10^-9), a plain `int`; strings at the edges; never a float.

Prices are exact decimals per million tokens. A line item is rounded *up* to the next nano, once.
"""

import re
from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction
from typing import Final

NANO = 10**9
MILLION = 10**6
MAX_NANO = 2**63 - 1
_SHOWN: Final = 40
_PLAIN: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_GROUPED: Final = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")


def parse_nano(text: str) -> int:
    """`"25000.00"` to nano units. Raises ValueError for anything that is not a plain, non-negative decimal of ≤ 9 places."""
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    if _PLAIN.fullmatch(text) is None:
        raise ValueError(f'"{shown}" is not an amount; write it like "25000.00"')
    # a fraction is exact however many digits were typed; a Decimal would round them first
    nano = Fraction(text) * NANO
    if nano < 0 or nano.denominator != 1 or nano > MAX_NANO:
        raise ValueError(
            f'"{shown}" is not an amount between 0 and 9 billion with at most nine decimals'
        )
    return int(nano)


def typed_nano(text: str) -> int:
    """What a person typed, in nano units: as `parse_nano`, with blanks around it or with thousands in groups (`25,000.00`).

    A comma that parts no thousands is refused: `1,5` may mean 1.5, and is never 15. Raises ValueError.
    """
    text = text.strip()
    return parse_nano(text.replace(",", "") if _GROUPED.fullmatch(text) else text)


def format_nano(amount_nano: int) -> str:
    """Nano units to the shortest exact decimal with at least two places: `1480000` is `"0.00148"`."""
    sign, whole, rest = "-" if amount_nano < 0 else "", *divmod(abs(amount_nano), NANO)
    places = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{places}"


def line_item(tokens: int, price_per_million: Decimal, rate: Decimal = Decimal(1)) -> int:
    """Cost of `tokens` in nano units: tokens × price × rate ÷ 10^6, rounded up. `rate` converts into our currency."""
    exact = Fraction(price_per_million) * Fraction(rate) * tokens * NANO / MILLION
    return -(-exact.numerator // exact.denominator)


def round_up(value: Decimal) -> int:
    """The next whole number at or above `value`."""
    return int(value.to_integral_value(rounding=ROUND_CEILING))


def apportion(amount_nano: int, weights: Sequence[int]) -> list[int]:
    """A part of the amount for each weight, in their order; the sum is the amount. Without any weight nothing is parted.

    Each gets its share rounded towards zero; what is left goes, a nano unit each, to the largest remainders, the first before
    the last.
    """
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    sign, size = (-1 if amount_nano < 0 else 1), abs(amount_nano)
    cuts = [divmod(size * weight, whole) for weight in weights]
    left = size - sum(share for share, _ in cuts)
    more = set(sorted(range(len(cuts)), key=lambda at: (-cuts[at][1], at))[:left])
    return [sign * (share + (at in more)) for at, (share, _) in enumerate(cuts)]
