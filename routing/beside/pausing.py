"""When a shadow run may not start for money: it leaves to callers what lies beyond the first alert of any budget it counts in."""

from collections.abc import Mapping, Sequence
from typing import Final

from policies.engine.bundle import Bundle
from policies.engine.decision import BudgetClaim
from routing.calls.steps import WindowRef
from routing.ledger.balances import Share

UNALERTED_PERCENT: Final = 50
"""Where a budget has no alert: as if it had one there."""


def first_alert(bundle: Bundle, tenant: str, budget: str) -> int:
    """The least percent of a budget at which it alerts."""
    alerts: Sequence[int] = bundle.documents["Budget", tenant, budget].spec["alerts"]
    return min(alerts, default=UNALERTED_PERCENT)


def ceilings(bundle: Bundle, windows: Sequence[WindowRef]) -> list[int]:
    """What each window may stand at after a shadow run has reserved, in nano units."""
    return [w.limit_nano * first_alert(bundle, w.tenant, w.budget) // 100 for w in windows]


def paused(
    bundle: Bundle, claims: Sequence[BudgetClaim], shares: Mapping[tuple[str, str, str], Share]
) -> bool:
    """Whether the last read already says that there is none: then the ledger is not asked."""
    return any(
        share.used_permille >= 10 * first_alert(bundle, claim.tenant, claim.budget)
        for claim in claims
        if (share := shares.get((claim.tenant, claim.budget, claim.subject))) is not None
    )
