"""Whose recorded facts a principal may see: those of the calls of tenants one reads, and of one's own teams."""

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.principal import Principal
from policies.decisions.models import Decision
from policies.engine.facts import Facts, decode

READERS: Final = ("admin", "author", "approver", "reviewer", "auditor", "finance")
_LOOKED_AT: Final = 40


def recent(principal: Principal, most: int) -> Iterator[tuple[UUID, Facts]]:
    """The newest calls and the facts on which they were first decided."""
    rows = Decision.objects.filter(stage="request", no=1).order_by("-call")
    tenants = principal.tenants_with(*READERS)
    if tenants is not None:
        rows = rows.filter(tenant__in=sorted({*tenants, *(t for t, _ in principal.teams)}))
    found = 0
    for row in rows[:_LOOKED_AT]:
        try:
            facts = decode(bytes(row.facts))
        except InvalidRequest:
            continue  # of an engine that wrote them otherwise
        # INVARIANT: a tenant's calls are for who reads the tenant, else each team sees its own
        own = (facts.tenant, facts.team) in principal.teams
        mine = own and principal.holds("developer", facts.tenant)
        if found < most and (tenants is None or facts.tenant in tenants or mine):
            found += 1
            yield row.call, facts
