"""PURE: what a counter that is read before a call and added to after it would have let in of the same calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush


@dataclass(frozen=True, slots=True)
class Arrival:
    """One call: when it came and how long it took, in microseconds; None while it runs."""

    at_us: int
    took_us: int | None


@dataclass(frozen=True, slots=True)
class Naive:
    """How many calls the counter let in, and what they cost: counted by now, and not yet."""

    let_in: int
    counted_nano: int
    coming_nano: int


def naive(arrivals: Sequence[Arrival], price_nano: int, limit_nano: int, now_us: int) -> Naive:
    """Replay the arrivals: each reads the counter, goes in while its price fits under the limit, and adds it at its end.

    A call that was refused took no time; had it gone in, it would have taken as long as the others: the median.
    """
    usual = _median([one.took_us for one in arrivals if one.took_us])
    running: list[int] = []
    counted = let_in = 0
    for one in sorted(arrivals, key=lambda one: one.at_us):
        counted += _ended(running, one.at_us) * price_nano
        if counted + price_nano <= limit_nano:
            let_in += 1
            took = one.took_us or (usual if one.took_us == 0 else None)
            if took is not None:
                heappush(running, one.at_us + took)
    counted += _ended(running, now_us) * price_nano
    return Naive(let_in, counted, let_in * price_nano - counted)


def _ended(running: list[int], at_us: int) -> int:
    """How many ended by then; they leave the heap."""
    before = len(running)
    while running and running[0] <= at_us:
        heappop(running)
    return before - len(running)


def _median(values: Sequence[int]) -> int | None:
    return sorted(values)[(len(values) - 1) // 2] if values else None
