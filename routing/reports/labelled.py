"""PURE: what so many labels say of a pass rate: the Wilson score interval of 95 percent, and when it is enough."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

LEAST: Final = 30
"""Below so many labels nothing is claimed."""
ENOUGH_PERMILLE: Final = 800
"""The lower end of the interval that a smaller model must reach."""
_Z: Final = Decimal("1.959964")


@dataclass(frozen=True, slots=True)
class Labelled:
    """So many answers that people labelled, and so many of them approved as they were."""

    n: int
    passed: int

    @property
    def interval_permille(self) -> tuple[int, int]:
        """Both ends, in thousandths, rounded outwards; of no labels everything from 0 to 1000."""
        if not self.n:
            return 0, 1000
        n, share = Decimal(self.n), Decimal(self.passed) / self.n
        square = _Z * _Z
        middle = share + square / (2 * n)
        spread = _Z * (share * (1 - share) / n + square / (4 * n * n)).sqrt()
        low, high = ((middle + sign * spread) / (1 + square / n) * 1000 for sign in (-1, 1))
        return (
            max(0, int(low.to_integral_value(ROUND_FLOOR))),
            min(1000, int(high.to_integral_value(ROUND_CEILING))),
        )

    @property
    def passes(self) -> bool:
        """Whether there are enough labels, and they say enough."""
        return self.n >= LEAST and self.interval_permille[0] >= ENOUGH_PERMILLE

    @property
    def why_not(self) -> str:
        """In words why nothing is claimed; empty where it is."""
        return self.lacks("labels")

    def lacks(self, what: str) -> str:
        """The same, of so many of what is counted."""
        if self.n < LEAST:
            return f"{self.n} of {LEAST} {what}"
        low = self.interval_permille[0]
        return "" if self.passes else f"it may pass only {low // 10}.{low % 10} %"
