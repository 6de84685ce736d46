"""The change requests that wait for one person, for the menu and the overview: one query, on every page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Q

from controlplane.kernel.principal import Principal
from policies.bundles.published import Published
from policies.bundles.rules import FLOORS
from policies.changes import access
from policies.changes.models import APPROVAL, OPEN, ChangeRequest
from policies.documents.kinds import KINDS

_MOST = 100


@dataclass(frozen=True, slots=True)
class Lately:
    """Of the change requests that one may see: those that need a look, and what those asked for are called."""

    flagged: tuple[ChangeRequest, ...]
    titles: Mapping[str, str]


def lately(principal: Principal, subjects: Iterable[str] = ()) -> Lately:
    """One query. `flagged`: published by one person alone and not reviewed, or held back at their time, the newest first.

    `titles`: by what entries are about (`change:<hex>`), of those among `subjects`.
    """
    named = {
        UUID(hex=name) for kind, _, name in (s.partition(":") for s in subjects) if kind == "change"
    }
    look = Q(glass__verdict="") | (Q(state__in=OPEN) & ~Q(held_back=""))
    found = access.visible(principal).filter(look | Q(id__in=named)).select_related("glass")
    rows = list(found.order_by("-updated_at")[: _MOST + len(named)])
    return Lately(
        tuple(row for row in rows if _needs_a_look(row))[:_MOST],
        {row.subject: row.title for row in rows if row.id in named},
    )


def _needs_a_look(row: ChangeRequest) -> bool:
    glass = getattr(row, "glass", None)
    alone = glass is not None and not glass.verdict
    return alone or (row.state in OPEN and bool(row.held_back))


_ANY = (*KINDS, "")
"""Every kind, and one that has no rule of its own."""


def waiting(principal: Principal, found: Published) -> list[ChangeRequest]:
    """Those that this principal could approve and has not; newest first. The page itself has the last word."""
    if not access.approves_somewhere(principal, _roles(found, _ANY)):
        return []
    rows = (
        access.visible(principal)
        .filter(state=APPROVAL)
        .annotate(
            kinds=ArrayAgg("edits__kind", distinct=True, default=[]),
            writers=ArrayAgg("edits__written_by", distinct=True, default=[]),
            editors=ArrayAgg("edits__edited_by", distinct=True, default=[]),
            given=ArrayAgg(
                "approvals__actor",
                filter=Q(approvals__dismissed_at=None),
                distinct=True,
                default=[],
            ),
        )
        .order_by("-id")[:_MOST]
    )
    return [row for row in rows if _waits(principal, found, row)]


def _waits(principal: Principal, found: Published, row: ChangeRequest) -> bool:
    seen = vars(row)
    if principal.actor in seen["given"]:
        return False
    wrote = {row.author, row.last_editor, *seen["writers"], *seen["editors"]}
    if principal.actor in wrote and not found.single_operator:
        return False
    return any(
        access.approves(principal, role, row.tenant) for role in _roles(found, seen["kinds"])
    )


def _roles(found: Published, kinds: Iterable[str]) -> set[str]:
    """The roles that the bundle in force asks of these kinds. A Permission may be a hard forbid, whatever its count."""
    rules = found.organisation.get("approvals", {})
    wanted: set[str] = set()
    for kind in kinds:
        rule = rules.get(kind) or rules.get("default") or {}
        if rule.get("count", 1) or kind in FLOORS or kind == "Permission":
            wanted.update(rule.get("roles") or ["approver"])
    return wanted
