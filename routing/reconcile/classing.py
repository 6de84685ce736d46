"""PURE: a provider's lines beside the ledger's, by day and model, and every difference put into classes that add up to it.

What a difference is made of is told by putting one side's figures into the other's, one after the other, at our price of the day:
how input was split by caches, then how many tokens there were, then what they were billed at. What no step explains is said so.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final

import msgspec

from controlplane.kernel.money import NANO, round_up
from policies.engine.prices import PriceRef
from policies.engine.pricing import FLEX, UsageCounts, cost, served
from routing.reconcile.reading import CREDIT, TAX, USAGE, Billed

PRICE, CACHE, LOST, PAST, CREDITED, TAXED, UNEXPLAINED = CLASSES = (
    "price",
    "cache",
    "lost-usage",
    "past-the-gateway",
    "credit",
    "tax",
    "unexplained",
)
ROUNDING_NANO: Final = 8
"""Each line of each attempt's bill is rounded up: so much of a difference is nobody's."""
NONE: Final = UsageCounts(0, 0, 0, 0)
Prices = Callable[[date, str], PriceRef | None]


@dataclass(frozen=True, slots=True)
class Ours:
    """What the ledger has of one day and model. `lost_nano` is of attempts whose usage nobody reported.

    `batched` is what of `usage` was served at the provider's batch price.
    """

    usage: UsageCounts
    spent_nano: int
    attempts: int
    lost_nano: int = 0
    lost: int = 0
    batched: UsageCounts = NONE


@dataclass(frozen=True, slots=True)
class Compared:
    """One day and model beside each other; `classes` add up to billed less ledger, and name only what is not nothing."""

    day: date
    model: str
    billed_nano: int
    ledger_nano: int
    attempts: int
    billed_usage: UsageCounts | None
    ledger_usage: UsageCounts
    classes: Mapping[str, int] = field(default_factory=dict)

    @property
    def difference_nano(self) -> int:
        """What was billed above the ledger; below zero for less."""
        return self.billed_nano - self.ledger_nano


def nano_of(amount: Decimal, rate: Decimal) -> int:
    """An amount in the organisation's money, to the next nano unit from zero."""
    exact = abs(amount) * rate * NANO
    return round_up(exact) if amount >= 0 else -round_up(exact)


def compare(
    billed: Iterable[tuple[Billed, int | None]],
    ours: Mapping[tuple[date, str], Ours],
    prices: Prices,
) -> list[Compared]:
    """Every day and model that either side has. A line comes with its amount in nano units, where it has one."""
    lines: dict[tuple[date, str], dict[str, list[tuple[Billed, int | None]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for line, nano in billed:
        lines[line.day, line.model][line.kind].append((line, nano))
    found = []
    for key in sorted({*lines, *ours}):
        kinds, own = lines.get(key, {}), ours.get(key)
        found.append(_one(key, kinds, own, prices(*key)))
    return found


def again(
    billed_nano: int, usage: UsageCounts | None, ours: Ours, price: PriceRef | None
) -> dict[str, int]:
    """The classes of what was billed for usage, beside the ledger as it is by now; only what is not nothing."""
    found = _usage(billed_nano, usage, ours, price)
    return {name: found[name] for name in CLASSES if found.get(name)}


def sums(lines: Sequence[Compared]) -> dict[str, int]:
    """What each class comes to."""
    found: Counter[str] = Counter()
    for line in lines:
        found.update(dict(line.classes))
    return {name: found[name] for name in CLASSES if found[name]}


def written(line: Compared) -> dict[str, Any]:
    """One line as it is kept: amounts in nano units."""
    usage = None if line.billed_usage is None else _tokens(line.billed_usage)
    return {
        "day": line.day.isoformat(),
        "model": line.model,
        "billed": line.billed_nano,
        "ledger": line.ledger_nano,
        "attempts": line.attempts,
        "billedTokens": usage,
        "ledgerTokens": _tokens(line.ledger_usage),
        "classes": dict(line.classes),
    }


def _tokens(usage: UsageCounts) -> list[int]:
    return [usage.input, usage.cached_input, usage.cache_write, usage.output]


def _one(
    key: tuple[date, str],
    kinds: Mapping[str, list[tuple[Billed, int | None]]],
    own: Ours | None,
    price: PriceRef | None,
) -> Compared:
    ours = own or Ours(NONE, 0, 0)
    usage, amount = _theirs(kinds.get(USAGE, []), ours, price)
    classes = {
        CREDITED: sum(nano or 0 for _, nano in kinds.get(CREDIT, [])),
        TAXED: sum(nano or 0 for _, nano in kinds.get(TAX, [])),
    }
    if USAGE in kinds or own is not None:
        classes |= _usage(amount, usage, ours, price)
    total = amount + classes[CREDITED] + classes[TAXED]
    return Compared(
        day=key[0],
        model=key[1],
        billed_nano=total,
        ledger_nano=ours.spent_nano,
        attempts=ours.attempts,
        billed_usage=usage,
        ledger_usage=ours.usage,
        classes={name: classes[name] for name in CLASSES if classes.get(name)},
    )


def _theirs(
    found: list[tuple[Billed, int | None]], ours: Ours, price: PriceRef | None
) -> tuple[UsageCounts | None, int]:
    """The tokens they counted, and what they billed; where they say no amount, those tokens at our price.

    They do not say which of them were served at their batch price: those are taken to be as many as ours.
    """
    counted = [line.usage for line, _ in found if line.usage is not None]
    usage = UsageCounts(*map(sum, zip(*counted, strict=True))) if counted else None
    amounts = [nano for _, nano in found if nano is not None]
    if amounts or usage is None or price is None:
        return usage, sum(amounts)
    return usage, max(0, cost(price, usage) - _saved(price, ours))


def _saved(price: PriceRef, ours: Ours) -> int:
    """What the tokens that were served at the batch price cost less than the others."""
    full = msgspec.structs.replace(price, tiers=())
    return cost(full, ours.batched) - cost(served(full, FLEX), ours.batched)


def _usage(
    billed_nano: int, usage: UsageCounts | None, ours: Ours, price: PriceRef | None
) -> dict[str, int]:
    """The classes of what was billed for usage."""
    difference = billed_nano - ours.spent_nano
    if abs(difference) <= ROUNDING_NANO * max(1, ours.attempts):
        return {UNEXPLAINED: difference}
    if not ours.attempts:
        return {PAST: difference}
    if usage is None or price is None:
        # without tokens on their side only this is sure: all that we have was never reported
        return {LOST if ours.lost == ours.attempts else UNEXPLAINED: difference}
    known = ours.spent_nano - ours.lost_nano
    split = _split(ours.usage, usage)
    # a day's sum would always reach a tier that its requests did not
    base = msgspec.structs.replace(price, tiers=())
    saved = _saved(price, ours)
    at_split, at_theirs, at_ours = (cost(base, one) - saved for one in (split, usage, ours.usage))
    tokens = at_theirs - at_split - ours.lost_nano
    classes = {
        CACHE: at_split - at_ours,
        LOST if ours.lost or tokens < 0 else PAST: tokens,
        PRICE: billed_nano - at_theirs,
    }
    rounding = at_ours - known
    small = abs(rounding) <= ROUNDING_NANO * ours.attempts and classes[PRICE]
    if small or price.tiers:
        # what is rounded on each attempt's own bill, and what its tier made of it, is told with the price
        classes[PRICE], rounding = classes[PRICE] + rounding, 0
    return {**classes, UNEXPLAINED: rounding}


def _split(ours: UsageCounts, theirs: UsageCounts) -> UsageCounts:
    """Our tokens, with input parted between new, cached and written as theirs is."""
    every, whole = ours.input_all, theirs.input_all
    if not whole:
        return ours
    cached = every * theirs.cached_input // whole
    written = every * theirs.cache_write // whole
    return UsageCounts(every - cached - written, cached, written, ours.output)
