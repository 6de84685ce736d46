"""PURE: a provider's lines beside the ledger's, by day and model, and every difference put into classes that add up to it.

What a difference is made of is told by putting one side's figures into the other's, one after the other, at our price of the day:
how input was split by caches, then how many tokens there were, then what they were billed at and at which service tier. What no
step explains is said so.
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
from policies.engine.pricing import UsageCounts, cost, served, unpriced
from routing.reconcile.reading import CREDIT, STANDARD, TAX, USAGE, Billed

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
Tiers = Mapping[str, UsageCounts]


@dataclass(frozen=True, slots=True)
class Ours:
    """What the ledger has of one day and model. `lost_nano` is of attempts whose usage nobody reported.

    `tiers` is what of `usage` was served at another service tier than the ordinary one, by its name.
    """

    usage: UsageCounts
    spent_nano: int
    attempts: int
    lost_nano: int = 0
    lost: int = 0
    tiers: Tiers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Theirs:
    """The tokens that a provider counted; `tiers` as ours, None where it does not say them of each."""

    usage: UsageCounts
    tiers: Tiers | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """One day and model beside each other; `classes` add up to billed less ledger, and name only what is not nothing.

    `tiers` are the service tiers that another price has to do with.
    """

    day: date
    model: str
    billed_nano: int
    ledger_nano: int
    attempts: int
    theirs: Theirs | None
    ledger_usage: UsageCounts
    classes: Mapping[str, int] = field(default_factory=dict)
    tiers: tuple[str, ...] = ()

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


def added(one: UsageCounts, other: UsageCounts) -> UsageCounts:
    """Both together."""
    return UsageCounts(*map(sum, zip(one, other, strict=True)))


def less(one: UsageCounts, other: UsageCounts) -> UsageCounts:
    """What one has more, of each kind."""
    return UsageCounts(*(a - b for a, b in zip(one, other, strict=True)))


def again(
    billed_nano: int, theirs: Theirs | None, ours: Ours, price: PriceRef | None
) -> dict[str, int]:
    """The classes of what was billed for usage, beside the ledger as it is by now; only what is not nothing."""
    found = _usage(billed_nano, theirs, ours, price)
    return {name: found[name] for name in CLASSES if found.get(name)}


def sums(lines: Sequence[Compared]) -> dict[str, int]:
    """What each class comes to."""
    found: Counter[str] = Counter()
    for line in lines:
        found.update(dict(line.classes))
    return {name: found[name] for name in CLASSES if found[name]}


def written(line: Compared) -> dict[str, Any]:
    """One line as it is kept: amounts in nano units."""
    theirs = line.theirs
    said = theirs.tiers if theirs else None
    at_tiers = {name: _tokens(usage) for name, usage in (said or {}).items()}
    return {
        "day": line.day.isoformat(),
        "model": line.model,
        "billed": line.billed_nano,
        "ledger": line.ledger_nano,
        "attempts": line.attempts,
        "billedTokens": None if theirs is None else _tokens(theirs.usage),
        **({} if said is None else {"billedTiers": at_tiers}),
        "ledgerTokens": _tokens(line.ledger_usage),
        "classes": dict(line.classes),
        **({"tiers": list(line.tiers)} if line.tiers else {}),
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
    theirs, amount = _theirs(kinds.get(USAGE, []), ours, price)
    classes = {
        CREDITED: sum(nano or 0 for _, nano in kinds.get(CREDIT, [])),
        TAXED: sum(nano or 0 for _, nano in kinds.get(TAX, [])),
    }
    if USAGE in kinds or own is not None:
        classes |= _usage(amount, theirs, ours, price)
    total = amount + classes[CREDITED] + classes[TAXED]
    return Compared(
        day=key[0],
        model=key[1],
        billed_nano=total,
        ledger_nano=ours.spent_nano,
        attempts=ours.attempts,
        theirs=theirs,
        ledger_usage=ours.usage,
        classes={name: classes[name] for name in CLASSES if classes.get(name)},
        tiers=_named(theirs, ours, price) if classes.get(PRICE) and price else (),
    )


def _theirs(
    found: list[tuple[Billed, int | None]], ours: Ours, price: PriceRef | None
) -> tuple[Theirs | None, int]:
    """The tokens they counted, and what they billed; where they say no amount, those tokens at our price."""
    counted = [(line.usage, line.service_tier) for line, _ in found if line.usage is not None]
    theirs = _counted(counted) if counted else None
    amounts = [nano for _, nano in found if nano is not None]
    if amounts or theirs is None or price is None:
        return theirs, sum(amounts)
    tiers = ours.tiers if theirs.tiers is None else theirs.tiers
    return theirs, max(0, cost(price, theirs.usage) + _more(price, tiers))


def _counted(found: Sequence[tuple[UsageCounts, str]]) -> Theirs:
    whole, tiers = NONE, defaultdict[str, UsageCounts](lambda: NONE)
    for usage, tier in found:
        whole = added(whole, usage)
        tiers[tier] = added(tiers[tier], usage)
    told = {name: tiers[name] for name in sorted(tiers) if name != STANDARD}
    return Theirs(whole, None if "" in tiers else told)


def _more(price: PriceRef, tiers: Tiers) -> int:
    """What the tokens that were served at other tiers cost more than at the ordinary one; below zero for less."""
    full = _untiered(price)
    return sum(cost(served(full, name), used) - cost(full, used) for name, used in tiers.items())


def _untiered(price: PriceRef) -> PriceRef:
    """A day's sum of input would always reach a tier that its requests did not."""
    return msgspec.structs.replace(price, tiers=())


def _usage(
    billed_nano: int, theirs: Theirs | None, ours: Ours, price: PriceRef | None
) -> dict[str, int]:
    """The classes of what was billed for usage. Where they say no service tiers, theirs are taken to be ours."""
    difference = billed_nano - ours.spent_nano
    slack = ROUNDING_NANO * max(1, ours.attempts)
    if abs(difference) <= slack:
        return {UNEXPLAINED: difference}
    if not ours.attempts:
        return {PAST: difference}
    if price is None:
        return {_without_tokens(ours): difference}
    base, more = _untiered(price), _more(price, ours.tiers)
    known, at_ours = ours.spent_nano - ours.lost_nano, cost(base, ours.usage) + more
    if theirs is None:
        at_tiers = more and not ours.lost and abs(billed_nano - at_ours) <= slack
        return {PRICE if at_tiers else _without_tokens(ours): difference}
    split = _split(ours.usage, theirs.usage)
    at_split, at_theirs = cost(base, split) + more, cost(base, theirs.usage) + more
    tokens = at_theirs - at_split - ours.lost_nano
    classes = {
        CACHE: at_split - at_ours,
        LOST if ours.lost or tokens < 0 else PAST: tokens,
        PRICE: billed_nano - at_theirs,
    }
    rounding = at_ours - known
    small = abs(rounding) <= slack and classes[PRICE]
    # what was charged before its service tier had a price lies between both prices
    tiered = more and min(0, more) - slack <= rounding <= max(0, more) + slack
    if small or tiered or price.tiers:
        # what is rounded on each attempt's own bill, and what its tier made of it, is told with the price
        classes[PRICE], rounding = classes[PRICE] + rounding, 0
    return {**classes, UNEXPLAINED: rounding}


def _without_tokens(ours: Ours) -> str:
    """Without tokens on their side only this is sure: all that we have was never reported."""
    return LOST if ours.lost == ours.attempts else UNEXPLAINED


def _named(theirs: Theirs | None, ours: Ours, price: PriceRef) -> tuple[str, ...]:
    """The service tiers that another price has to do with: without a price, charged at another, or with other tokens."""
    said = ours.tiers if theirs is None or theirs.tiers is None else theirs.tiers
    slack, found = ROUNDING_NANO * max(1, ours.attempts), []
    full = _untiered(price)
    charged = cost(full, ours.usage) + _more(price, ours.tiers) - ours.spent_nano + ours.lost_nano
    for name in sorted({*said, *ours.tiers}):
        sides = [{name: tiers.get(name, NONE)} for tiers in (said, ours.tiers)]
        apart = _more(price, sides[0]) - _more(price, sides[1])
        otherwise = abs(charged) > slack and _more(price, sides[1])
        if unpriced(price, name) or abs(apart) > slack or otherwise:
            found.append(name)
    return tuple(found)


def _split(ours: UsageCounts, theirs: UsageCounts) -> UsageCounts:
    """Our tokens, with input parted between new, cached and written as theirs is."""
    every, whole = ours.input_all, theirs.input_all
    if not whole:
        return ours
    cached = every * theirs.cached_input // whole
    written = every * theirs.cache_write // whole
    return UsageCounts(every - cached - written, cached, written, ours.output)
