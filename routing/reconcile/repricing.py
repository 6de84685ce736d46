"""PURE: what an attempt would have cost at a price that was corrected since, and what of that is still to be proposed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from audit.merkle import canonical
from controlplane.kernel.clock import to_text
from policies.engine.bundle import Bundle, Key
from policies.engine.calendar import today_at
from policies.engine.prices import PriceRef, written
from policies.engine.pricing import UsageCounts, cost, price_on, served
from routing.closing.adjusting import PRICE, Proposal
from routing.closing.months import month_of

_SHORT: Final = 12


@dataclass(frozen=True, slots=True)
class Charged:
    """One attempt that was charged by reported usage, under a revision."""

    call: UUID
    no: int
    revision: int
    model: Key
    provider: str
    tenant: str
    team: str
    route: str
    admitted_at: datetime
    charged_nano: int
    usage: UsageCounts
    service_tier: str = ""


@dataclass(frozen=True, slots=True)
class Repriced:
    """An attempt whose price of its day is another by now. `explained`: it was charged at the price of its revision."""

    charged: Charged
    was: PriceRef
    now: PriceRef

    @property
    def explained(self) -> bool:
        """INVARIANT: only what was charged at the old price is corrected to the new one, to the last nano unit."""
        return cost(self.was, self.charged.usage) == self.charged.charged_nano

    @property
    def same(self) -> bool:
        """Whether the price is what it was."""
        return written(self.was) == written(self.now)

    @property
    def difference_nano(self) -> int:
        """What it costs more by now, or below zero less."""
        return cost(self.now, self.charged.usage) - self.charged.charged_nano

    @property
    def digest(self) -> str:
        """Tells one corrected price from another."""
        return hashlib.sha256(canonical.dumps(written(self.now))).hexdigest()[:_SHORT]


@dataclass(frozen=True, slots=True)
class Earlier:
    """One adjustment that was proposed for the attempt before, newest last; a rejected one counts nowhere."""

    occurrence: str
    amount_nano: int
    rejected: bool


def repriced(charged: Charged, was: Bundle, now: Bundle) -> Repriced | None:
    """The attempt at both prices of its day; None where either bundle does not know the model's."""
    before, after = was.models.get(charged.model), now.models.get(charged.model)
    if before is None or after is None:
        return None
    day = today_at(to_text(charged.admitted_at), was.scope(charged.tenant).time_zone)
    old, new = price_on(was, before, day), price_on(now, after, day)
    if old is None or new is None:
        return None
    tier = charged.service_tier
    at_tier = Repriced(charged, _served(old.ref, tier), _served(new.ref, tier))
    # flex that nobody had asked for was charged in full before ADR 48, and stays so
    return (
        at_tier
        if at_tier.explained
        else Repriced(charged, _served(old.ref, ""), _served(new.ref, ""))
    )


def _served(price: PriceRef, tier: str) -> PriceRef:
    """The price at a service tier, without what the others would be times."""
    return msgspec.structs.replace(served(price, tier), batch_factor="", priority_factor="")


def proposal(found: Repriced, earlier: Sequence[Earlier], time_zone: str) -> Proposal | None:
    """What is still to be proposed: the difference, less what was proposed before and not rejected. None for nothing.

    The same price is proposed once for an attempt, whatever was decided on it; another again from there.
    """
    if earlier and earlier[-1].occurrence.endswith(found.digest):
        return None
    open_nano = sum(one.amount_nano for one in earlier if not one.rejected)
    amount_nano = found.difference_nano - open_nano
    if not amount_nano:
        return None
    at = found.charged
    tenant, name = at.model
    tier = f", at service tier {at.service_tier}" if at.service_tier else ""
    return Proposal(
        tenant=at.tenant,
        corrects=month_of(at.admitted_at, time_zone),
        kind=PRICE,
        amount_nano=amount_nano,
        occurrence=f"price:{at.call.hex}:{at.no}:{len(earlier)}:{found.digest}",
        call=at.call,
        attempt=at.no,
        team=at.team,
        route=at.route,
        model=f"{tenant}/{name}" if tenant else name,
        provider=at.provider,
        note=f"{_words(found.now)} instead of {_words(found.was)}{tier}",
    )


def _words(price: PriceRef) -> str:
    """`0.25 in and 2.00 out a million, USD from 2026-01-01`."""
    tiers = ", by tiers" if price.tiers else ""
    rate = f" at {price.rate}" if price.rate != "1" else ""
    return f"{price.input} in and {price.output} out a million{tiers}, {price.currency}{rate} from {price.since}"
