"""From a decision's claims on budgets to ledger windows, their ids cached; and the last read of their money."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from psycopg.rows import TupleRow

from policies.engine.decision import BudgetClaim, Candidate
from routing.calls.pool import Database, ask_all
from routing.calls.steps import Reservation, WindowRef
from routing.ledger.windows import Period, window_of

MAX_CACHED = 20_000

_OPEN = (
    "SELECT place, id, rank FROM open_windows(%s::text[], %s::text[], %s::text[], "
    "%s::timestamptz[], %s::timestamptz[], %s::smallint[])"
)
_READ = (
    "SELECT id, limit_nano, posted_nano, pending_nano, overrun_nano "
    "FROM routing_ledger_window WHERE id = ANY(%s::bigint[])"
)


@dataclass(frozen=True, slots=True)
class _Place:
    """What makes a window the one it is."""

    tenant: str
    budget: str
    subject: str
    starts: datetime
    ends: datetime


@dataclass(slots=True)
class _Known:
    id: int
    rank: int


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a budget's window was used at the last read: posted, pending and overrun of the limit, in thousandths."""

    used_permille: int
    age_seconds: int


class Windows:
    """The windows that this process has met. One per process; safe for concurrent coroutines."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: dict[_Place, _Known] = {}
        self._shares: dict[tuple[str, str, str], tuple[int, float]] = {}

    async def claims_to_windows(
        self, claims: Sequence[BudgetClaim], now: datetime
    ) -> list[WindowRef]:
        """One window for each claim at `now`, sorted by (rank, id) as every lock is taken; opens those that are missing."""
        places = [_place(claim, now) for claim in claims]
        missing = [n for n, place in enumerate(places) if place not in self._known]
        if missing:
            await self._open([places[n] for n in missing], [claims[n].rank for n in missing])
        refs = [
            _ref(claim, self._known[place]) for claim, place in zip(claims, places, strict=True)
        ]
        return sorted(refs, key=lambda ref: (ref.rank, ref.id))

    def forget(self) -> None:
        """Drop the cache: after `WindowMoved` for a window that is gone."""
        self._known.clear()

    async def _open(self, places: Sequence[_Place], ranks: Sequence[int]) -> None:
        if len(self._known) + len(places) > MAX_CACHED:
            self._known.clear()
        columns = (
            [getattr(p, name) for p in places]
            for name in ("tenant", "budget", "subject", "starts", "ends")
        )
        rows = await ask_all(self._db, _OPEN, (*columns, list(ranks)))
        for place, window, rank in rows:
            self._known[places[place - 1]] = _Known(window, rank)

    async def refresh(self) -> None:
        """Read the money of every window that is open now; call it every few seconds, never on a request's way."""
        known = {known.id: place for place, known in self._known.items()}
        rows = await ask_all(self._db, _READ, (list(known),)) if known else []
        read_at = monotonic()
        for row in rows:
            place = known[row[0]]
            self._shares[place.tenant, place.budget, place.subject] = (_permille(row), read_at)

    def shares(self) -> Mapping[tuple[str, str, str], Share]:
        """The last read by (tenant, budget, subject), for facts. Only the ledger's answer decides money."""
        now = monotonic()
        return {name: Share(used, int(now - at)) for name, (used, at) in self._shares.items()}


async def reservation_for(
    windows: Windows, candidate: Candidate, at: datetime, valid_until: datetime
) -> Reservation:
    """What an attempt at the candidate holds, in the windows that `at` lies in; it was decided for a day that ends then."""
    return Reservation(
        model=candidate.model,
        model_tenant=candidate.model_tenant,
        provider=candidate.provider,
        amount_nano=candidate.amount_nano,
        windows=await windows.claims_to_windows(candidate.budgets, at),
        valid_until=valid_until,
    )


def _place(claim: BudgetClaim, now: datetime) -> _Place:
    if claim.period not in _PERIODS:
        raise ValueError(f'"{claim.period}" is not a period')
    starts, ends = window_of(
        _PERIODS[claim.period], now, claim.time_zone, claim.fiscal_starts_on or "01-01"
    )
    return _Place(claim.tenant, claim.budget, claim.subject, starts, ends)


_PERIODS: dict[str, Period] = {
    "day": "day",
    "week": "week",
    "month": "month",
    "quarter": "quarter",
    "fiscal-year": "fiscal-year",
    "once": "once",
}


def _ref(claim: BudgetClaim, known: _Known) -> WindowRef:
    return WindowRef(
        id=known.id,
        limit_nano=claim.limit_nano,
        hard=claim.hard,
        budget=claim.budget,
        tenant=claim.tenant,
        subject=claim.subject,
        on_exhausted=claim.on_exhausted,
        rank=known.rank,
    )


def _permille(row: TupleRow) -> int:
    _id, limit, *used = row
    total = sum(used)
    return total * 1000 // limit if limit else 1000 * (total > 0)
