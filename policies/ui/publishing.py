"""How far a change request is, what a yes to it binds, what clashes, and who published it alone: for its page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from controlplane.kernel.ids import call_name
from controlplane.kernel.principal import Principal
from policies.bundles.read import Published
from policies.changes import access, compare, glass, publishing, rebasing, replays, shadows
from policies.changes.merge import Clash
from policies.changes.models import (
    APPROVAL,
    CHECKS,
    DRAFT,
    PUBLISHED,
    SCHEDULED,
    WITHDRAWN,
    ChangeRequest,
    Edit,
    Glass,
)
from policies.changes.read import Standing
from policies.changes.texts import named
from policies.ui.people import person, sentence
from policies.ui.replays import Found

DONE, NOW, LATER = "done", "now", "later"


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the way, and how far it is in a few words."""

    title: str
    told: str
    state: str


@dataclass(frozen=True, slots=True)
class MoveShown:
    """A document that others changed too: their difference, and the fields that somebody chooses."""

    name: str
    value: str
    theirs: Sequence[compare.Line]
    clashes: Sequence[Clash]
    taken: Sequence[str]


@dataclass(frozen=True, slots=True)
class GlassShown:
    """Who published it alone, why, and what another said of it."""

    by: str
    at: datetime
    reason: str
    verdict: str
    reviewer: str
    note: str
    undone_by: Any
    refusal: str
    """Why this reader may not review it; empty: may."""


@dataclass(frozen=True, slots=True)
class Looking:
    """One change request and who looks at it."""

    principal: Principal
    row: ChangeRequest
    base: Published
    edits: Sequence[Edit]
    found: Standing
    known: Mapping[str, str]
    may_have_shadow: bool


def parts(look: Looking, replay: Found | None, *, clashes: bool) -> dict[str, Any]:
    """What the page shows beside the texts, the checks and the newest `replay` that ended."""
    row, base = look.row, look.base
    asked = replays.required(base.documents) and bool(look.found.missing)
    blocked = ""
    if row.state == APPROVAL and asked and (replay is None or replay.stale):
        blocked = "Approval waits for the replay: " + (
            "it is of another text or another base."
            if replay
            else "what this would have changed is not known yet."
        )
    alone = row.state == APPROVAL and not glass.refusal(look.principal, base, row, look.edits)
    return {
        "steps": _steps(look, asked=asked, seen=bool(replay and not replay.stale)),
        "replay_digest": replay.replay.digest if replay else "",
        "replay_stale": bool(replay and replay.stale and row.open),
        "blocked": blocked,
        "moves": _moves(look) if clashes else [],
        "glass": _glass(look),
        **_shadow(look),
        "may_break": alone and not clashes,
        "zone": timezone.get_current_timezone_name(),
        "soonest": timezone.localtime().strftime("%Y-%m-%dT%H:%M"),
    }


def _steps(look: Looking, *, asked: bool, seen: bool) -> list[Step]:
    row, found = look.row, look.found
    needed = sum(need.count for need in found.needs)
    missing = sum(need.count for need in found.missing)
    place = {DRAFT: 0, CHECKS: 1, APPROVAL: 3, SCHEDULED: 4, PUBLISHED: 5, WITHDRAWN: -1}[row.state]
    if row.state == APPROVAL and asked and not seen:
        place = 2
    ahead = f"as revision {look.base.revision + 1}" if row.open else ""
    told = [
        "",
        {CHECKS: "not passed"}.get(row.state, "passed" if place > 1 else ""),
        "current" if seen else "to be run" if asked else "not asked for",
        f"{needed - missing} of {needed} given" if needed else "needs nobody",
        f"as revision {row.published_revision}" if row.state == PUBLISHED else ahead,
    ]
    titles = ("Draft", "Checks", "Replay", "Approval", "Publish")
    return [
        Step(title, told[number], DONE if number < place else NOW if number == place else LATER)
        for number, title in enumerate(titles)
    ]


def _moves(look: Looking) -> list[MoveShown]:
    found = []
    for one in rebasing.plan(look.base, look.row, look.edits):
        value = "|".join(one.edit.identity)
        lines = compare.lines(one.edit.before, one.theirs)
        merged = one.merged
        found.append(MoveShown(named(one.edit.identity), value, lines, merged.open, merged.taken))
    return found


def _shadow(look: Looking) -> dict[str, Any]:
    row = shadows.newest(look.row) if look.may_have_shadow else None
    found = shadows.seen(look.principal, row) if row is not None else None
    roles = publishing.roles_of(look.principal, look.base, look.row.tenant)
    part = access.has_part(look.principal, look.row, look.found, roles)
    return {
        "shadow": row,
        "shadow_counts": found.counts if found else None,
        "shadow_samples": [(one, call_name(UUID(bytes=one.call))) for one in found.samples]
        if found
        else [],
        "may_shadow": look.row.open and bool(look.edits) and part,
    }


def _glass(look: Looking) -> GlassShown | None:
    if not (look.row.flagged and look.row.state == PUBLISHED):
        return None
    row = Glass.objects.filter(change=look.row).first()
    if row is None:
        return None
    roles = publishing.roles_of(look.principal, look.base, look.row.tenant)
    refused = access.refused_review(look.principal, row, look.found, roles)
    return GlassShown(
        by=person(row.actor, look.known),
        at=row.broken_at,
        reason=row.reason,
        verdict=row.verdict,
        reviewer=person(row.reviewed_by, look.known) if row.reviewed_by else "",
        note=row.note,
        undone_by=row.undone_by,
        refusal=sentence(refused.message) if refused else "",
    )
