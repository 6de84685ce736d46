"""PURE: lay a cost that nobody owns over those who are there, by a stated key, exact to the last nano unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.kernel.money import apportion

KEYS: Final = {"calls": "by calls", "spend": "by spend", "equal": "in equal parts"}


@dataclass(frozen=True, slots=True)
class Part:
    """What one of them has of each key."""

    calls: int
    spent_nano: int


def split(amount_nano: int, parts: Sequence[Part], key: str) -> list[int]:
    """A part of the amount for each, in their order; the sum is the amount. Nobody there, or no weight: nothing is laid."""
    return apportion(amount_nano, [_weight(part, key) for part in parts])


def _weight(part: Part, key: str) -> int:
    if key == "calls":
        return part.calls
    return part.spent_nano if key == "spend" else 1
