"""PURE: lay a cost that nobody owns over those who are there, by a stated key, exact to the last nano unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

KEYS: Final = {"calls": "by calls", "spend": "by spend", "equal": "in equal parts"}


@dataclass(frozen=True, slots=True)
class Part:
    """What one of them has of each key."""

    calls: int
    spent_nano: int


def split(amount_nano: int, parts: Sequence[Part], key: str) -> list[int]:
    """A part of the amount for each, in their order; the sum is the amount. Nobody there, or no weight at all: nothing is laid.

    Each gets its share rounded down; what is left goes, a nano unit each, to the largest remainders, the first before the last.
    """
    weights = [_weight(part, key) for part in parts]
    whole = sum(weights)
    if not whole:
        return [0] * len(parts)
    shares = [divmod(amount_nano * weight, whole) for weight in weights]
    found = [share for share, _ in shares]
    by_remainder = sorted(range(len(parts)), key=lambda n: (-shares[n][1], n))
    for n in by_remainder[: amount_nano - sum(found)]:
        found[n] += 1
    return found


def _weight(part: Part, key: str) -> int:
    if key == "calls":
        return part.calls
    return part.spent_nano if key == "spend" else 1
