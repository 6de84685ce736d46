"""Queries for the pages and reports of money. They read by the ORM and lock nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from routing.ledger.models import LedgerWindow


@dataclass(frozen=True, slots=True)
class Balance:
    """One budget in one window; nano units. `left_nano` may be below zero after an overrun or a lowered limit."""

    window: int
    tenant: str
    budget: str
    subject: str
    starts: datetime
    ends: datetime
    limit_nano: int
    hard: bool
    posted_nano: int
    pending_nano: int
    overrun_nano: int

    @property
    def spent_nano(self) -> int:
        """What was billed: posted and overrun."""
        return self.posted_nano + self.overrun_nano

    @property
    def left_nano(self) -> int:
        """What a new reservation may take."""
        return self.limit_nano - self.spent_nano - self.pending_nano

    @property
    def used_permille(self) -> int:
        """Spent and pending in thousandths of the limit."""
        used = self.spent_nano + self.pending_nano
        return used * 1000 // self.limit_nano if self.limit_nano else 1000 * (used > 0)


def balances(now: datetime, *, tenants: Iterable[str] | None = None) -> list[Balance]:
    """The windows that hold `now`, by tenant, budget and subject; None means every tenant's ('' is the organisation's)."""
    rows = LedgerWindow.objects.filter(starts__lte=now, ends__gt=now)
    if tenants is not None:
        rows = rows.filter(tenant__in=tuple(tenants))
    return [_balance(row) for row in rows.order_by("tenant", "budget", "subject", "id")]


def history(tenant: str, budget: str, subject: str = "") -> list[Balance]:
    """All windows of one budget, newest first."""
    rows = LedgerWindow.objects.filter(tenant=tenant, budget=budget, subject=subject)
    return [_balance(row) for row in rows.order_by("-starts", "-id")]


def _balance(row: LedgerWindow) -> Balance:
    return Balance(
        window=row.id,
        tenant=row.tenant,
        budget=row.budget,
        subject=row.subject,
        starts=row.starts,
        ends=row.ends,
        limit_nano=row.limit_nano,
        hard=row.hard,
        posted_nano=row.posted_nano,
        pending_nano=row.pending_nano,
        overrun_nano=row.overrun_nano,
    )
