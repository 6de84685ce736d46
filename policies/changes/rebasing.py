"""Moving a change request onto the bundle in force: what others published is merged in, field by field, and clashes are shown."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.principal import Principal
from policies.bundles.read import Published, published_documents
from policies.changes import access
from policies.changes.commands import (
    content_digest,
    dismiss,
    entry,
    locked,
    require_state,
    run_checks,
)
from policies.changes.merge import Merged, Side, merge
from policies.changes.models import CHECKS, DRAFT, OPEN, ChangeRequest, Edit
from policies.changes.read import conflict_words, conflicts, edits_of
from policies.changes.refusals import EditedMeanwhile, FieldsClash
from policies.changes.texts import document_of, named
from policies.documents.document import Identity
from policies.documents.problems import InvalidDocuments
from policies.order.lock import mandate_now

Choices = Mapping[Identity, Mapping[str, Side]]
"""For each document the clashes that somebody decided, by path; "" is the document as a whole."""
_NONE: Choices = {}


@dataclass(frozen=True, slots=True)
class Moved:
    """One edit whose document others changed too: their text, and what a rebase would make of the two."""

    edit: Edit
    theirs: str | None
    merged: Merged


def plan(
    base: Published, row: ChangeRequest, edits: Sequence[Edit], choices: Choices = _NONE
) -> list[Moved]:
    """What a rebase onto `base` comes to, document by document; nothing is written."""
    moved = set(conflicts(base, row, edits))
    found = []
    for edit in edits:
        if edit.identity not in moved:
            continue
        head = base.rows.get(edit.identity)
        theirs = head.source if head else None
        mine = None if edit.deletes else edit.source
        merged = merge(edit.before, theirs, mine, choices.get(edit.identity, {}))
        found.append(Moved(edit, theirs, merged))
    return found


def rebase(
    principal: Principal,
    change: UUID,
    mine: Collection[Identity] = (),
    choices: Choices = _NONE,
) -> ChangeRequest:
    """Move it onto the bundle in force. Where different fields changed, both stand; `choices` decide where the same did.

    The text of a document in `mine` goes over theirs as it is. What is merged is an edit: approvals are dismissed and checks run
    again. Where nothing that it touches moved, approvals stand. Raises FieldsClash naming every field that is still to be chosen.
    """
    row = access.editable(principal, change)
    require_state(row, OPEN)
    base, edits = published_documents(), edits_of(row)
    if base.revision == row.base:
        return row
    moves = plan(base, row, edits, choices)
    _refuse_clashes(row, [one for one in moves if one.edit.identity not in mine])
    digest, at = row.digest, mandate_now()
    with transaction.atomic():
        now = locked(row, OPEN)
        if now.digest != digest or now.base != row.base:
            raise EditedMeanwhile("somebody edited this meanwhile; look at it again")
        touched = bool(conflicts(base, row, edits))
        for edit in edits:
            head = base.rows.get(edit.identity)
            edit.before = head.source if head else None
            edit.save(update_fields=["before"])
        for one in moves:
            _write(one, principal, at, keep=one.edit.identity in mine)
        if touched:
            # INVARIANT: an approval is of exactly what was read, over the rules that were in force
            dismiss(now, at)
            now.binds_from = base.revision
            now.state = DRAFT if now.state == DRAFT else CHECKS
        data = _told(now, base, moves, mine)
        if moves:
            now.last_editor = principal.actor
            now.digest = content_digest(now, edits_of(now))
        now.base, now.held_back, now.updated_at = base.revision, "", at
        now.save()
        entry("change.rebased", now, principal, at, data)
    return run_checks(principal, now)


def choices_of(asked: Collection[tuple[Identity, str, str]]) -> Choices:
    """Choices as forms and programs send them: (document, path, side). Raises InvalidRequest for another side."""
    found: dict[Identity, dict[str, Side]] = {}
    for identity, path, side in asked:
        if side == "mine":
            found.setdefault(identity, {})[path] = "mine"
        elif side == "theirs":
            found.setdefault(identity, {})[path] = "theirs"
        else:
            raise InvalidRequest(f'"{side[:20]}" is neither "mine" nor "theirs"')
    return found


def _refuse_clashes(row: ChangeRequest, moves: Sequence[Moved]) -> None:
    clashing = [one for one in moves if one.merged.open]
    if not clashing:
        return
    names = conflict_words([one.edit.identity for one in clashing])
    fields = [
        {
            "kind": one.edit.kind,
            "tenant": one.edit.tenant,
            "name": one.edit.name,
            "path": clash.path,
            "was": clash.was,
            "theirs": clash.theirs,
            "mine": clash.mine,
        }
        for one in clashing
        for clash in one.merged.open
    ]
    raise FieldsClash(
        f"others changed {names} since revision {row.base}, in fields that this changes too: choose a side for each, "
        "edit the text, or keep yours",
        conflicts=[list(one.edit.identity) for one in clashing],
        fields=fields,
    )


def _write(one: Moved, principal: Principal, at: datetime, *, keep: bool) -> None:
    """What becomes of one edit. Going over another's change, or taking it in, is an edit by who rebases."""
    edit, merged = one.edit, one.merged
    edit.edited_by, edit.edited_at = principal.actor, at
    if not keep and merged.gone:
        edit.delete()
        return
    if not keep and merged.text is not None and not edit.deletes:
        edit.source = merged.text
        edit.problems = _problems(edit)
    edit.save(update_fields=["source", "problems", "edited_by", "edited_at"])


def _problems(edit: Edit) -> list[list[object]]:
    try:
        document_of(edit.identity, edit.source)
    except InvalidDocuments as error:
        return [[p.line, p.column, p.path, p.message] for p in error.problems]
    return []


def _told(
    row: ChangeRequest, base: Published, moves: Sequence[Moved], mine: Collection[Identity]
) -> dict[str, object]:
    return {
        "from": row.base,
        "base": base.revision,
        "kept": sorted(named(one.edit.identity) for one in moves if one.edit.identity in mine),
        "merged": sorted(
            named(one.edit.identity) for one in moves if one.edit.identity not in mine
        ),
        "chosen": sorted(
            f"{named(one.edit.identity)} {clash.path or 'as a whole'}: {clash.chosen}"
            for one in moves
            for clash in one.merged.clashes
            if clash.chosen
        ),
    }
