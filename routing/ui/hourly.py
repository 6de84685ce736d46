"""Models that are bought by the hour, as a card of the spend report: no call has their cost."""

from dataclasses import dataclass

from audit.ui.words import count, money, share
from controlplane.kernel.principal import Principal
from policies.bundles.published import Published
from routing.ledger.capacity import capacities
from routing.reports.access import reads_every_tenant
from routing.reports.spans import Span


@dataclass(frozen=True, slots=True)
class HourlyLine:
    """One model in the span: its cost, how much of it was used, and whose shares of the cost there are."""

    model: str
    hours: str
    cost: str
    used: str
    tokens: str
    shares: tuple[tuple[str, str], ...]
    unrated_days: int


def hourly_lines(principal: Principal, found: Published, span: Span) -> list[HourlyLine]:
    """For who reads every tenant's money; others see none: a share tells what the rest used."""
    if not reads_every_tenant(principal):
        return []
    return [
        HourlyLine(
            model=f"{line.model_tenant} / {line.model}" if line.model_tenant else line.model,
            hours=count(round(line.hours)),
            cost=money(line.cost_nano, found.currency),
            used="–" if line.used_permille is None else share(line.used_permille, 1000),
            tokens=count(line.tokens),
            shares=tuple(
                (f"{one.tenant} / {one.team}", money(one.cost_nano, found.currency))
                for one in line.shares
            ),
            unrated_days=line.unrated_days,
        )
        for line in capacities(found, span)
    ]
