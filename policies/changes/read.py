"""What a change request needs and has, for commands and pages."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from policies.bundles.publish import BaseMoved
from policies.bundles.read import Published
from policies.bundles.rules import (
    Need,
    Touched,
    Yes,
    asks_replay,
    needs,
    roles_at,
    single_operator,
    unmet,
)
from policies.changes.models import Approval, ChangeRequest, Edit
from policies.changes.refusals import RulesMoved
from policies.changes.texts import document_of, named
from policies.documents.document import Document, Identity
from policies.documents.problems import InvalidDocuments
from policies.identity.models import User
from policies.replay.models import DONE, Replay


@dataclass(frozen=True, slots=True)
class Standing:
    """What the bundle in force asks for, what was given, and what is missing. `alone`: single-operator mode."""

    needs: tuple[Need, ...]
    given: tuple[Approval, ...]
    missing: tuple[Need, ...]
    writers: frozenset[str]
    alone: bool


def edits_of(change: ChangeRequest) -> list[Edit]:
    """The edits by kind, tenant and name."""
    return list(change.edits.order_by("kind", "tenant", "name"))


def writers_of(change: ChangeRequest, edits: Iterable[Edit]) -> frozenset[str]:
    """Who wrote what now stands there, or edited it last."""
    found = {change.author, change.last_editor}
    for edit in edits:
        found |= {edit.written_by, edit.edited_by}
    return frozenset(found)


def touched(base: Iterable[Document], edits: Iterable[Edit]) -> list[Touched]:
    """What the edits touch. A text that cannot be read counts as what is published under its name."""
    published = {d.identity: d for d in base}
    return [Touched(edit.identity, published.get(edit.identity), after_of(edit)) for edit in edits]


def after_of(edit: Edit) -> Document | None:
    """The document as it would be; None where it would be gone or cannot be read."""
    if edit.deletes or edit.problems:
        return None
    try:
        return document_of(edit.identity, edit.source)
    except InvalidDocuments:
        return None


def standing(
    base: Published,
    change: ChangeRequest,
    edits: Sequence[Edit],
    more: Sequence[Approval] = (),
    members: Collection[str] | None = None,
) -> Standing:
    """How far the approvals of a change request go under a base, with `more` of them added. Only those that still count, count.

    An approval counts while its person is a member, for the roles that the base gives them now, and, in four-eyes, when they
    neither wrote nor last edited anything of it. `members` are the addresses of all active members, where they are known already.
    """
    documents = base.documents
    alone, writers = single_operator(documents), writers_of(change, edits)
    rows = [
        *change.approvals.filter(
            dismissed_at=None,
            base__range=(change.binds_from, change.base),
            digest=change.digest,
        ),
        *more,
    ]
    if change.open and rows and asks_replay(documents):
        fresh = _fresh(base, change)
        rows = [row for row in rows if row.replay in fresh]
    active = _active(rows) if members is None else set(members)
    given, counted = [], []
    for row in rows:
        kind, _, who = row.actor.partition(":")
        member = kind == "member" and who in active
        # INVARIANT: in four-eyes only members count, and none of them for what they wrote or last edited
        if not (member and row.actor not in writers) and not (alone and (member or kind == "cli")):
            continue
        roles = roles_at(documents, who, change.tenant) if member else frozenset(row.roles)
        given.append(row)
        counted.append(Yes(row.actor, roles))
    wanted = needs(documents, touched(documents, edits))
    missing = unmet(wanted, counted)
    return Standing(tuple(wanted), tuple(given), tuple(missing), writers, alone)


def _fresh(base: Published, change: ChangeRequest) -> set[str]:
    """The digests of what was replayed of this text over this base: a yes on other evidence does not count."""
    found = Replay.objects.filter(
        change=change.id, state=DONE, content=change.digest, base=base.revision
    )
    return set(found.values_list("digest", flat=True))


def _active(rows: Iterable[Approval]) -> set[str]:
    """Those of the approvers who are members still."""
    asked = [row.actor.removeprefix("member:") for row in rows]
    found = User.objects.filter(is_active=True, email__in=asked)
    return set(found.values_list("email", flat=True))


def conflicts(base: Published, change: ChangeRequest, edits: Iterable[Edit]) -> list[Identity]:
    """What others changed since the change request's base, of what it touches; and the Organisation, whose rules it was under."""
    if base.revision == change.base:
        return []
    found = []
    edited = set()
    for edit in edits:
        edited.add(edit.identity)
        row = base.rows.get(edit.identity)
        if (row.source if row else None) != edit.before:
            found.append(edit.identity)
    for identity, row in base.rows.items():
        if identity[0] == "Organisation" and identity not in edited and row.revision > change.base:
            found.append(identity)
    return sorted(found)


def moved(base: Published, change: ChangeRequest, edits: Iterable[Edit]) -> BaseMoved | None:
    """Why it cannot be published over this base before it is rebased; None when it can."""
    found = conflicts(base, change, edits)
    if not found:
        return None
    kind = RulesMoved if all(identity[0] == "Organisation" for identity in found) else BaseMoved
    return kind(
        f"others changed {conflict_words(found)} since revision {change.base}; rebase it first",
        conflicts=[list(identity) for identity in found],
    )


def missing_words(missing: Iterable[Need]) -> str:
    """`1 more with the role finance for Budget, 2 more with the role approver for Organisation`."""
    return ", ".join(
        f"{need.count} more with the role {' or '.join(need.roles)} for {need.kind}"
        for need in missing
    )


def conflict_words(found: Iterable[Identity]) -> str:
    """What moved, in words."""
    return ", ".join(named(identity) for identity in found)
