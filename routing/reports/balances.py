"""Budgets and what is left of them: the published documents joined with the ledger's windows."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from django.db.models import OuterRef, Subquery
from django.db.models.functions import JSONObject

from controlplane.kernel.money import parse_nano
from controlplane.kernel.principal import Principal
from policies.bundles.published import Governed, Published
from routing.forecasts.models import COLUMNS, Forecast
from routing.ledger.models import LedgerWindow
from routing.reports.access import sees_budget

NEAR_PERMILLE = 800
# beside its window in one query: a page has few of them
_SAID = Subquery(
    Forecast.objects.filter(window=OuterRef("id"))
    .exclude(method="none")
    .values(said=JSONObject(**{field: field for field in COLUMNS}))
)


@dataclass(frozen=True, slots=True)
class Balance:
    """One budget in the window that is open now, or with nothing spent. Money in nano units.

    `subject` tells the windows of an `each` apart. `window` and `starts` are None when no call has drawn on it in
    this one; `forecast` where nothing is.
    """

    name: str
    tenant: str
    subject: str
    owner: str
    scope: Mapping[str, Any]
    period: str
    hard: bool
    on_exhausted: str
    limit_nano: int
    posted_nano: int
    pending_nano: int
    overrun_nano: int
    window: int | None
    starts: datetime | None
    ends: datetime | None
    forecast: Forecast | None = None

    @property
    def spent_nano(self) -> int:
        """Posted and overrun: what it really cost."""
        return self.posted_nano + self.overrun_nano

    @property
    def left_nano(self) -> int:
        """What an admission would find; negative after an overrun or a lowered limit."""
        return self.limit_nano - self.spent_nano - self.pending_nano

    @property
    def used_permille(self) -> int:
        """Spent and pending, in thousandths of the limit."""
        used = self.spent_nano + self.pending_nano
        return used * 1000 // self.limit_nano if self.limit_nano else 1000

    @property
    def near(self) -> bool:
        """Whether 80 % or more is used."""
        return self.used_permille >= NEAR_PERMILLE


def balances(principal: Principal, found: Published, now: datetime) -> list[Balance]:
    """Every budget that this reader may see, in its open window; the widest first, each `each` window its own line."""
    windows: dict[tuple[str, str], list[LedgerWindow]] = defaultdict(list)
    said: dict[int | None, Forecast] = {}
    open_now = LedgerWindow.objects.filter(starts__lte=now, ends__gt=now).order_by("subject")
    for window in open_now.annotate(said=_SAID):
        windows[window.tenant, window.budget].append(window)
        if window.said:
            said[window.id] = _forecast(window.id, window.said)
    rows: list[Balance] = []
    for budget in found.of("Budget"):
        scope = {name: value for name, value in budget.spec["scope"].items() if value}
        if sees_budget(principal, scope, budget.tenant):
            rows += _of(budget, scope, windows[budget.tenant, budget.name])
    rows = [replace(row, forecast=_from_now(said.get(row.window), row.spent_nano)) for row in rows]
    return sorted(rows, key=_order)


def _forecast(window: int, said: Mapping[str, Any]) -> Forecast:
    """A forecast from the JSON that came with its window."""
    on = said["limit_on"]
    return Forecast(
        **{
            **said,
            "window": window,
            "made_at": datetime.fromisoformat(said["made_at"]),
            "limit_on": date.fromisoformat(on) if on else None,
        }
    )


def _from_now(said: Forecast | None, spent_nano: int) -> Forecast | None:
    """The forecast by what is known now: what was spent since it was made stays spent."""
    if said is not None:
        said.expected_nano = max(said.expected_nano, spent_nano)
        said.low_nano = max(said.low_nano, spent_nano)
        said.high_nano = max(said.high_nano, spent_nano)
    return said


def history(name: str, tenant: str, subject: str = "", most: int = 12) -> list[LedgerWindow]:
    """The newest windows of one budget, or of one subject of its `each`."""
    found = LedgerWindow.objects.filter(budget=name, tenant=tenant, subject=subject)
    return list(found.order_by("-starts", "id")[:most])


def _of(
    budget: Governed, scope: Mapping[str, Any], windows: Sequence[LedgerWindow]
) -> list[Balance]:
    each = budget.spec.get("each")
    if not windows:
        return [] if each else [_balance(budget, scope, None)]
    return [_balance(budget, scope, window) for window in windows]


def _balance(budget: Governed, scope: Mapping[str, Any], window: LedgerWindow | None) -> Balance:
    spec = budget.spec
    return Balance(
        name=budget.name,
        tenant=budget.tenant,
        subject=window.subject if window else "",
        owner=str(spec.get("owner") or ""),
        scope=scope,
        period=str(spec.get("period", "month")),
        hard=bool(spec.get("hard", True)),
        on_exhausted=str(spec.get("onExhausted", "deny")),
        limit_nano=parse_nano(str(spec["limit"])),
        posted_nano=window.posted_nano if window else 0,
        pending_nano=window.pending_nano if window else 0,
        overrun_nano=window.overrun_nano if window else 0,
        window=window.id if window else None,
        starts=window.starts if window else None,
        ends=window.ends if window else None,
    )


def _order(row: Balance) -> tuple[str, int, str, str, str]:
    place = str(row.scope.get("tenant") or row.tenant)
    return place, len(row.scope), str(row.scope.get("team", "")), row.name, row.subject
