"""The change requests that wait for one person, for the menu and the overview: one query, on every page."""

from collections.abc import Iterable, Mapping
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


def flagged(principal: Principal) -> list[ChangeRequest]:
    """Those that need a look whoever asked for it: published by one person alone and not reviewed, or held back at their time."""
    rows = access.visible(principal).filter(
        Q(glass__verdict="") | (Q(state__in=OPEN) & ~Q(held_back=""))
    )
    return list(rows.select_related("glass").order_by("-updated_at")[:_MOST])


def titles(principal: Principal, subjects: Iterable[str]) -> Mapping[str, str]:
    """What the change requests that entries are about (`change:<hex>`) are called; those that one may not see are left out."""
    ids = [
        UUID(hex=name) for kind, _, name in (s.partition(":") for s in subjects) if kind == "change"
    ]
    if not ids:
        return {}
    return {row.subject: row.title for row in access.visible(principal).filter(id__in=ids)}


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
