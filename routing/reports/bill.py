"""From what a call cost down to the price line: tokens at a price of a revision's Model document, to the nano unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from controlplane.kernel.money import line_item
from policies.engine.prices import PriceRef
from policies.engine.pricing import UsageCounts, factor_of, lines, served, unpriced
from routing.calls.models import Attempt
from routing.reports.why import Stage, Why

_WORDS: Final = ("input", "cached input", "cache write", "output")


@dataclass(frozen=True, slots=True)
class BillLine:
    """So many tokens at so much a million, in the price's own currency; `nano` in the organisation's."""

    what: str
    tokens: int
    per_million: str
    nano: int


@dataclass(frozen=True, slots=True)
class Bill:
    """What one attempt comes to by its tokens, beside what was booked. Another amount was settled otherwise: `basis` says how."""

    no: int
    model: str
    model_tenant: str
    revision: int
    price: PriceRef
    lines: tuple[BillLine, ...]
    booked_nano: int
    basis: str
    service_tier: str = ""
    factor: str = ""
    """What the price is times at that service tier; empty where it is the ordinary price."""

    @property
    def unpriced(self) -> bool:
        """Whether the provider named a service tier that it may bill dearer, and no document says what it costs."""
        return unpriced(self.price, self.service_tier)

    @property
    def nano(self) -> int:
        """The sum of its lines."""
        return _sum(self.lines)

    @property
    def explained(self) -> bool:
        """Whether the lines are what was booked."""
        return self.nano == self.booked_nano


def bills(found: Why) -> list[Bill]:
    """One for each attempt whose tokens are known and whose price a decision of the call names."""
    made = (_bill(attempt, found.stages) for attempt in found.attempts)
    return [bill for bill in made if bill is not None]


def _bill(attempt: Attempt, stages: Sequence[Stage]) -> Bill | None:
    if attempt.tokens_input is None or attempt.tokens_output is None:
        return None
    stage, price = _price(attempt, stages)
    if stage is None or price is None:
        return None
    usage = UsageCounts(
        attempt.tokens_input,
        attempt.tokens_cached or 0,
        attempt.tokens_cache_write or 0,
        attempt.tokens_output,
    )
    booked, tier = attempt.posted_nano + attempt.overrun_nano, attempt.service_tier
    at_tier, in_full = _lines(served(price, tier), usage), _lines(price, usage)
    # flex that nobody had asked for was charged in full before ADR 48
    full = _sum(in_full) == booked != _sum(at_tier)
    return Bill(
        no=attempt.no,
        model=attempt.model,
        model_tenant=attempt.model_tenant,
        revision=stage.revision,
        price=price,
        lines=in_full if full else at_tier,
        booked_nano=booked,
        basis=attempt.basis,
        service_tier=tier,
        factor="" if full else factor_of(price, tier),
    )


def _sum(found: Sequence[BillLine]) -> int:
    return sum(line.nano for line in found)


def _lines(price: PriceRef, usage: UsageCounts) -> tuple[BillLine, ...]:
    rate = Decimal(price.rate)
    found = zip(_WORDS, lines(price, usage), strict=False)
    return tuple(
        BillLine(what, tokens, per_million, line_item(tokens, Decimal(per_million), rate))
        for what, (tokens, per_million) in found
        if tokens
    )


def _price(attempt: Attempt, stages: Sequence[Stage]) -> tuple[Stage | None, PriceRef | None]:
    """The price it reserved at: of the newest request's decision that is not younger than the attempt."""
    for stage in reversed(stages):
        if stage.revision > attempt.revision or stage.decision is None:
            continue
        steps = stage.decision.plan.steps if stage.decision.plan else ()
        for step in steps:
            if (step.model_tenant, step.model) == (attempt.model_tenant, attempt.model):
                return stage, step.price
    return None, None
