"""Handing a folder in: a change request, published where approvals allow."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from controlplane.kernel.principal import Principal
from policies.bundles import ownership
from policies.bundles.diff import named
from policies.bundles.ownership import Place, digest_of, noted
from policies.bundles.owning import hand_over
from policies.bundles.published import at_revision
from policies.bundles.read import published_documents
from policies.bundles.rules import may_help, single_operator
from policies.changes import access, attested, publishing
from policies.changes.commands import NewChange, delete_document, draft, put_texts
from policies.changes.models import APPROVAL, OPEN, ChangeRequest, Edit
from policies.changes.read import edits_of, missing_words, standing
from policies.changes.refusals import RoleMissing
from policies.changes.seen import ANYTHING
from policies.documents.document import Document, Identity
from policies.folders.folder import Folder, lines_around
from policies.folders.planning import Laid, Wanted, lay, needs_of, prepared
from policies.order.lock import control

Json = dict[str, Any]
_AROUND: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a folder's change request is called, why it is made, and (`member:…`) for whom a machine writes it.

    `attestation` is a signed review of exactly this, which counts as approval.
    """

    title: str
    reason: str = ""
    author: str = ""
    attestation: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """The change request; none where nothing would change. `laid` is what it brings, `handed` what changed hands only."""

    row: ChangeRequest | None
    laid: Laid
    handed: Sequence[Identity] = ()


def apply(principal: Principal, folder: Folder, wanted: Wanted, said: Said) -> Applied:
    """Check a folder, hand it in, and in single-operator mode approve it too, flagged.

    Raises as `lay`; InvalidDocuments with every reason why it could not be published: nothing is handed in then.
    """
    laid = lay(principal, folder, wanted)
    handed = _taken(principal, laid) if wanted.take else ()
    if not laid.difference:
        return Applied(None, laid, handed)
    if not wanted.take:
        gone = laid.difference.deleted
        touched = [*(d.identity for d in laid.difference.changed), *gone]
        ownership.refuse_console((i, laid.base.rows[i]) for i in touched)
    prepared(principal, laid)
    if said.attestation:
        said = _attested(laid, said)
    row = hand_in(principal, laid, said)
    if row.state == APPROVAL and said.attestation:
        row = attested.approve_attested(principal, row.id, said.attestation)
    if row.state == APPROVAL and single_operator(laid.base.documents):
        row = _approved(principal, row)
    return Applied(row, laid, handed)


def propose(principal: Principal, folder: Folder, wanted: Wanted, said: Said) -> Applied:
    """Hand a folder in and do no more: who proposes approves nothing, in no mode. Raises as `lay`."""
    laid = lay(principal, folder, wanted)
    return Applied(hand_in(principal, laid, said) if laid.difference else None, laid)


def hand_in(principal: Principal, laid: Laid, said: Said) -> ChangeRequest:
    """What differs as a change request; the same again finds the one that is open."""
    same = ChangeRequest.objects.filter(
        state__in=OPEN,
        tenant=laid.wanted.tenant,
        base=laid.base.revision,
        digest=laid.digest,
        author=said.author or principal.actor,
    ).first()
    if same is not None:
        return same
    change = NewChange(
        title=said.title,
        reason=said.reason,
        tenant=laid.wanted.tenant,
        origin="git",
        author=said.author,
        base=laid.base.revision,
        source=laid.folder.source_digest,
    )
    row = draft(principal, change)
    if laid.touched:
        put_texts(principal, row.id, "---\n".join(d.source for d in laid.touched))
    for identity in laid.difference.deleted:
        delete_document(principal, row.id, identity, ANYTHING)
    places = {d.identity: noted(place_in(laid, d)) for d in laid.touched}
    edits = edits_of(row)
    for edit in edits:
        edit.place = places.get(edit.identity, "")
    Edit.objects.bulk_update(edits, ["place"])
    return publishing.submit(principal, row.id)


def _attested(laid: Laid, said: Said) -> Said:
    """Before anything is written: a review of this, by people who may approve it. Its author writes the change request."""
    found = attested.read(said.attestation, laid.digest, laid.base.revision)
    for person in attested.people_of(found):
        roles = publishing.roles_of(person, laid.base, laid.wanted.tenant)
        if not may_help(needs_of(laid), roles):
            raise RoleMissing(f"{person.name} holds no role that approves this")
    return replace(said, author=f"member:{found.attestation.author.lower()}")


def place_in(laid: Laid, document: Document) -> Place:
    """Where the folder has a document, and what a patch of it needs to know."""
    folder = laid.folder
    file = folder.file(document.file)
    above, below = lines_around(file, document, _AROUND)
    raw = ""
    if file.raw:
        lines = file.raw.split("\n")[document.first_line - 1 :]
        raw = "\n".join(lines[: document.source.count("\n")]) + "\n"
    return Place(
        repository=folder.repository,
        commit=folder.commit,
        path=document.file,
        line=document.first_line,
        digest=digest_of(document.source),
        raw="" if raw == document.source else raw,
        above=tuple(above),
        below=tuple(below),
        take=laid.wanted.take,
    )


def _taken(principal: Principal, laid: Laid) -> list[Identity]:
    """What is the same in the folder changes hands at once; what differs does with its text."""
    differs = {d.identity for d in laid.touched}
    same = [d for d in laid.put if d.identity not in differs]
    rows = laid.base.rows
    places = {
        d.identity: msgspec.structs.replace(place_in(laid, d), take=False)
        for d in same
        if rows[d.identity].origin != "git"
    }
    return hand_over(principal, places)


def facts(applied: Applied) -> Json:
    """What became of it, for a program. `digest` is the bundle's, `content` what an approval binds, `source` the folder's."""
    counts = applied.laid.difference.counts
    row = applied.row
    if row is None:
        handed = {"handed": [named(i) for i in applied.handed]} if applied.handed else {}
        return {"revision": control().revision, **counts, **handed}
    return {
        "id": str(row.id),
        "title": row.title,
        "tenant": row.tenant,
        "author": row.author,
        "base": row.base,
        "content": row.digest,
        "source": applied.laid.folder.source_digest,
        **counts,
        "handed": [named(i) for i in applied.handed],
        "lines": applied.laid.difference.lines(),
        **standing_of(row),
    }


def standing_of(row: ChangeRequest) -> Json:
    """How far a change request is: its state, whom it waits for, and what was published."""
    revision = row.published_revision
    found = at_revision(revision) if revision is not None else None
    missing = () if revision else standing(published_documents(), row, edits_of(row)).missing
    return {
        "state": row.state,
        "revision": revision,
        "digest": found.digest if found else "",
        "flagged": row.flagged,
        "missing": missing_words(missing),
        "failed": [
            {"told": check.told or check.kind, "problems": check.problems}
            for check in row.checks.filter(ok=False).order_by("id")
        ],
    }


def _approved(principal: Principal, row: ChangeRequest) -> ChangeRequest:
    """Approved by who applies it, where that person may: one person does all in single-operator mode, and it is flagged."""
    base = published_documents()
    roles = publishing.roles_of(principal, base, row.tenant)
    if access.refusal(principal, standing(base, row, edits_of(row)), roles):
        return row
    return publishing.approve(principal, row.id, reason="applied from a folder")
