"""Budgets beside a report: of each line the limit of the budget that is of exactly this, for the period that is reported."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final

from controlplane.kernel.money import parse_nano
from controlplane.kernel.principal import Principal
from policies.bundles.published import Governed, Published
from routing.ledger.models import LedgerWindow
from routing.ledger.spans import Span
from routing.reports.access import sees_budget

Scope = frozenset[tuple[str, str]]
PERIODS: Final = {
    "": "month",
    "month": "month",
    "last-month": "month",
    "today": "day",
    "yesterday": "day",
    "quarter": "quarter",
    "last-quarter": "quarter",
    "fiscal-year": "fiscal-year",
    "last-fiscal-year": "fiscal-year",
}
"""Which budgets are of a report's period; of days that are named, none is."""
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "tenant": ("tenant",),
    "team": ("tenant", "team"),
    "key": ("tenant", "key"),
    "route": ("tenant", "route"),
    "useCase": ("tenant", "useCase"),
    "model": ("model",),
    "provider": ("provider",),
}
"""What a line of a dimension says of a budget's scope."""
_INSIDE: Final = timedelta(hours=12)
"""A tenant's midnight is another than the organisation's: half a day on, both are in the same window."""


def limits(principal: Principal, found: Published, period: str, span: Span) -> Mapping[Scope, int]:
    """The limits that this reader may see, by scope: of the span's window, else as published; the tightest of several."""
    # INVARIANT: a limit is told to whom the budget is an affair of, and to no other tenant
    ours = [
        budget
        for budget in found.of("Budget")
        if budget.spec.get("period") == PERIODS.get(period) and _is_plain(budget)
        if sees_budget(principal, dict(budget.spec["scope"]), budget.tenant)
    ]
    at = span.starts + _INSIDE
    rows = LedgerWindow.objects.filter(
        budget__in={budget.name for budget in ours}, subject="", starts__lte=at, ends__gt=at
    )
    then = {(row.tenant, row.budget): row.limit_nano for row in rows}
    told: dict[Scope, int] = {}
    for budget in ours:
        limit = then.get((budget.tenant, budget.name)) or parse_nano(str(budget.spec["limit"]))
        scope = _scope(budget)
        told[scope] = min(limit, told.get(scope, limit))
    return told


def _is_plain(budget: Governed) -> bool:
    """Whether it is one budget, of what a line can be: not one for each, and not of labels."""
    return not budget.spec.get("each") and not budget.spec["scope"].get("labels")


def _scope(budget: Governed) -> Scope:
    said = {name: str(value) for name, value in budget.spec["scope"].items() if value}
    if budget.tenant:
        said.setdefault("tenant", budget.tenant)
    return frozenset(said.items())


def scope_of(only: Mapping[str, str], parts: Iterable[tuple[str, tuple[str, ...]]]) -> Scope | None:
    """What a line is of, by the filters and the cells of its dimensions; None where no budget can be of it."""
    said = dict(only)
    if said.keys() - FIELDS.keys():
        return None
    for by, cells in parts:
        if by not in FIELDS:
            return None
        names = FIELDS[by]
        # a line inside another does not say again whose it is
        said |= dict(zip(names[len(names) - len(cells) :], cells, strict=True))
    return frozenset(said.items()) if all(said.values()) else None
