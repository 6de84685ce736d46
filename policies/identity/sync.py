"""Identity rows of tenants and teams follow the Tenant documents. Called by publish, under the exclusive order lock.

A row is never deleted. Only what a bundle newly names is made or taken into use again, and only what it names no more is
archived: a team that an admin archived stays so while the document goes on naming it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from policies.identity.history import record_changed, record_created
from policies.identity.models import Team, Tenant
from policies.order.entries import append_entry

TeamsOf = dict[str, frozenset[str]]
"""Tenant name to the names of its teams, as a bundle has them."""


Row = TypeVar("Row", Tenant, Team)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Who publishes what, and when."""

    actor: str
    revision: int
    at: datetime


def sync_tenants(before: TeamsOf, after: TeamsOf, change: Change) -> None:
    """Make, archive and take into use again; one entry for each."""
    rows = {row.slug: row for row in Tenant.objects.filter(slug__in={*before, *after})}
    new = [Tenant(slug=slug) for slug in sorted(after.keys() - rows.keys())]
    record_created(new, actor=change.actor, revision=change.revision)
    rows.update({row.slug: row for row in new})
    back = [rows[slug] for slug in sorted(after.keys() - before.keys()) if rows[slug].archived_at]
    left = [rows[slug] for slug in sorted(before.keys() - after.keys()) if slug in rows]
    gone = [row for row in left if row.archived_at is None]
    _turn(back, None, change)
    _turn(gone, change.at, change)
    for row in (*new, *back):
        _entry("tenant.created", row.slug, f"tenant:{row.slug}", change)
    for row in gone:
        _entry("tenant.archived", row.slug, f"tenant:{row.slug}", change)
    _sync_teams(rows, before, after, change)


def _sync_teams(
    tenants: dict[str, Tenant], before: TeamsOf, after: TeamsOf, change: Change
) -> None:
    rows = {
        (row.tenant.slug, row.slug): row
        for row in Team.objects.filter(tenant__in=list(tenants.values())).select_related("tenant")
    }
    was, now = _pairs(before), _pairs(after)
    new = [Team(tenant=tenants[pair[0]], slug=pair[1]) for pair in sorted(now - rows.keys())]
    record_created(new, actor=change.actor, revision=change.revision)
    back = [rows[pair] for pair in sorted(now - was) if pair in rows and rows[pair].archived_at]
    gone = [rows[p] for p in sorted(was - now) if p in rows and rows[p].archived_at is None]
    _turn(back, None, change)
    _turn(gone, change.at, change)
    for kind, found in (("team.created", (*new, *back)), ("team.archived", gone)):
        for row in found:
            _entry(kind, row.tenant.slug, f"team:{row.tenant.slug}/{row.slug}", change)


def _turn(rows: Sequence[Row], archived_at: datetime | None, change: Change) -> None:
    for row in rows:
        row.archived_at = archived_at
    record_changed(rows, ["archived_at"], actor=change.actor, revision=change.revision)


def _pairs(teams: TeamsOf) -> set[tuple[str, str]]:
    return {(tenant, team) for tenant, names in teams.items() for team in names}


def _entry(kind: str, tenant: str, subject: str, change: Change) -> None:
    append_entry(
        kind,
        actor=change.actor,
        at=change.at,
        tenant=tenant,
        subject=subject,
        data={"revision": change.revision},
    )
