"""How a firing stands, from what is recorded: its window of the budget, its calls, and the naive counter over the same calls."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import F

from routing.burst.firing import BUDGET, CALLS, TENANT
from routing.burst.naive import Arrival, Naive, naive
from routing.calls.models import Attempt, Call
from routing.ledger.models import LedgerWindow

_PATIENCE = timedelta(seconds=90)
_RUN = "run="
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Shot:
    """One firing: what the ledger let in, and what the naive counter would have. Money in nano units."""

    window: int
    at: datetime
    came: int
    let_in: int
    refused: int
    failed: int
    price_nano: int
    limit_nano: int
    spent_nano: int
    pending_nano: int
    naive: Naive
    busy: bool

    @property
    def full(self) -> bool:
        """Whether as many were let in as fit, and nothing above."""
        left = self.limit_nano - self.spent_nano - self.pending_nano
        return not self.busy and 0 <= left < self.price_nano


def latest(now: datetime) -> Shot | None:
    """The newest firing, or None before the first."""
    found = LedgerWindow.objects.filter(tenant=TENANT, budget=BUDGET).order_by("-id").first()
    return None if found is None else _shot(found, now)


def _shot(window: LedgerWindow, now: datetime) -> Shot | None:
    run = window.subject.removeprefix(_RUN)
    calls = list(Call.objects.filter(run=run).order_by("id"))
    if not calls:
        return None
    states = Counter(call.state for call in calls)
    price = _price(calls)
    open_now = len(calls) < CALLS or any(call.finished_at is None for call in calls)
    arrivals = [_arrival(call) for call in calls]
    # once all have ended, so would those that only the naive counter let in
    until = now if open_now else now + _PATIENCE
    return Shot(
        window=window.id,
        at=calls[0].admitted_at,
        came=len(calls),
        let_in=len(calls) - states["denied"],
        refused=states["denied"],
        failed=states["failed"] + states["cancelled"],
        price_nano=price,
        limit_nano=window.limit_nano,
        spent_nano=window.posted_nano + window.overrun_nano,
        pending_nano=window.pending_nano,
        naive=naive(arrivals, price, window.limit_nano, _micros(until)),
        busy=open_now and now - calls[0].admitted_at < _PATIENCE,
    )


def _price(calls: Sequence[Call]) -> int:
    """What one call costs, the same for all of them; before any has ended what it reserves."""
    rows = Attempt.objects.filter(call_id__in=[call.id for call in calls])
    amounts = rows.annotate(cost=F("posted_nano") + F("overrun_nano"))
    pairs = list(amounts.values_list("cost", "reserved_nano"))
    billed = max((cost for cost, _ in pairs), default=0)
    return billed or max((reserved for _, reserved in pairs), default=0)


def _arrival(call: Call) -> Arrival:
    at = _micros(call.admitted_at)
    if call.state == "denied":
        return Arrival(at, 0)
    return Arrival(at, max(1, _micros(call.finished_at) - at) if call.finished_at else None)


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
