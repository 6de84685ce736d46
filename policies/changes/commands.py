"""Write change requests. Each command asks `access`, and writes with its entry in one transaction that locks the row.

What is slow (reading, checking) is done before; the digest says under the lock whether somebody edited in between.
`policies/changes/publishing.py` has what leads to a bundle.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import InvalidRequest, NotFound
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.bundles.past import some_at
from policies.bundles.publish import BaseMoved
from policies.bundles.read import published_documents, require_published
from policies.changes import access, checks, replays
from policies.changes.kept import refuse_kept
from policies.changes.models import (
    APPROVAL,
    CHECKS,
    DRAFT,
    OPEN,
    PUBLISHED,
    WITHDRAWN,
    ChangeRequest,
    Check,
    Edit,
)
from policies.changes.read import edits_of
from policies.changes.refusals import EditedMeanwhile, PublishedAlready, WrongState
from policies.changes.seen import require_new, require_seen
from policies.changes.texts import UNREADABLE, Slot, digest_of, named, one, slots
from policies.documents.document import Identity
from policies.documents.fields import NEVER_LITERAL
from policies.order.entries import append_entry
from policies.order.ids import new_id
from policies.order.lock import mandate_now

MAX_EDITS = 500
MAX_TEXT = 1024 * 1024
_NAMED_IN_ENTRY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChange:
    """A change request to begin. `author` is who wrote it where the command line hands in another's work.

    `base` is the revision that its texts were read beside, where they were: another's that was published since is not undone.
    """

    title: str
    reason: str = ""
    tenant: str = ORGANISATION
    origin: str = "console"
    author: str = ""
    rollback_of: int | None = None
    base: int | None = None
    publish_at: datetime | None = None
    source: str = ""


def draft(principal: Principal, wanted: NewChange) -> ChangeRequest:
    """Begin one against the bundle in force. Raises NotFound, Forbidden, InvalidRequest, Unavailable before `init`.

    Raises BaseMoved where another is in force than the one that was read.
    """
    access.require_draft(principal, wanted.tenant)
    title = wanted.title.strip()
    if not title or len(title) > 200 or "\n" in title:
        raise InvalidRequest("say in one line of at most 200 characters what the change is")
    if len(wanted.reason) > 4000:
        raise InvalidRequest("the reason has at most 4,000 characters")
    base, at = require_published(), mandate_now()
    if wanted.base not in (None, base):
        raise BaseMoved(
            f"revision {base} was published since revision {wanted.base} was read; try again"
        )
    row = ChangeRequest(
        id=new_id(),
        tenant=wanted.tenant,
        title=title,
        reason=wanted.reason.strip(),
        state=DRAFT,
        origin=wanted.origin,
        base=base,
        binds_from=base,
        author=wanted.author or principal.actor,
        last_editor=principal.actor,
        publish_at=wanted.publish_at,
        rollback_of=wanted.rollback_of,
        source=wanted.source,
        created_at=at,
        updated_at=at,
    )
    row.digest = content_digest(row, [])
    with transaction.atomic():
        row.save(force_insert=True)
        data: dict[str, object] = {"title": title, "base": base}
        if wanted.author:
            data["author"] = wanted.author
        if wanted.rollback_of is not None:
            data["rollbackOf"] = wanted.rollback_of
        entry("change.opened", row, principal, at, data)
    return row


def put_texts(principal: Principal, change: UUID, content: str, seen: str = "") -> list[Edit]:
    """Put every document of a YAML text. What cannot be read is kept with its problems. Raises NotFound, Forbidden, Conflict.

    `seen` is the digest of the change request that the text was written beside: a newer edit is not replaced (Overtaken), nor
    any where nothing is said (Unseen).
    """
    row = access.editable(principal, change)
    require_state(row, OPEN)
    _check_size(content)
    found = slots(content, row.tenant)
    if not found:
        raise InvalidRequest("there is no document in this text")

    def write(now: ChangeRequest) -> list[Edit]:
        # one that does not say what it is of never replaces another
        for slot in (slot for slot in found if slot.identity[0] or slot.identity[2] != UNREADABLE):
            require_new(now, slot.identity, seen, slot.text)
        return _put(now, found, principal)

    return _edit(principal, row, write)


def put_text(
    principal: Principal, change: UUID, identity: Identity, content: str, seen: str = ""
) -> Edit:
    """Put the YAML of one document. A text that cannot be read, or is of another document, is kept with its problems.

    `seen` is the digest of the text that this one was begun from. Raises Overtaken where another stands there by now, Unseen
    where nothing is said and something stands there.
    """
    row = access.editable(principal, change)
    require_state(row, OPEN)
    _check_size(content)
    _check_place(row, identity)

    def write(now: ChangeRequest) -> list[Edit]:
        require_seen(now, identity, seen, content)
        return _put(now, [one(content, identity, row.tenant)], principal)

    return _edit(principal, row, write)[0]


def delete_document(principal: Principal, change: UUID, identity: Identity, seen: str = "") -> Edit:
    """Let the change take a published document away. Raises NotFound where the base has none, Overtaken as `put_text`."""
    row = access.editable(principal, change)
    require_state(row, OPEN)
    _check_place(row, identity)
    before = some_at(row.base, [identity]).get(identity)
    if before is None:
        raise NotFound(f"there is no {named(identity)} in revision {row.base}")

    def write(now: ChangeRequest) -> list[Edit]:
        refuse_kept(now, [identity])
        require_seen(now, identity, seen, None)
        return [_write(now, identity, principal, Edit(deletes=True, before=before))]

    return _edit(principal, row, write)[0]


def remove_edit(principal: Principal, change: UUID, identity: Identity, seen: str = "") -> None:
    """Take an edit out of the change: the document stays as published. Raises NotFound, Overtaken as `put_text`."""
    row = access.editable(principal, change)
    require_state(row, OPEN)

    def write(now: ChangeRequest) -> list[Edit]:
        kind, tenant, name = identity
        found = now.edits.filter(kind=kind, tenant=tenant, name=name)
        if not found.exists():
            raise NotFound(f"this change request does not edit {named(identity)}")
        require_seen(now, identity, seen, None)
        found.delete()
        return []

    _edit(principal, row, write)


def describe(principal: Principal, change: UUID, title: str, reason: str) -> ChangeRequest:
    """Give it another title and reason; what was approved stays approved. Raises InvalidRequest, Conflict."""
    row = access.editable(principal, change)
    require_state(row, OPEN)
    if not title.strip() or len(title) > 200 or "\n" in title.strip() or len(reason) > 4000:
        raise InvalidRequest(
            "a title is one line of at most 200 characters, a reason at most 4,000"
        )
    at = mandate_now()
    with transaction.atomic():
        now = locked(row, OPEN)
        now.title, now.reason, now.updated_at = title.strip(), reason.strip(), at
        now.save(update_fields=["title", "reason", "updated_at"])
        entry("change.edited", now, principal, at, {"title": now.title})
    return now


def check(principal: Principal, change: UUID) -> ChangeRequest:
    """Check what stands there now, and note what was found. One that was handed in waits for approval once all is right."""
    row = access.get(principal, change)
    access.require_draft(principal, row.tenant)
    return run_checks(principal, row)


def run_checks(by: Principal, row: ChangeRequest) -> ChangeRequest:
    """The same for who may: approving checks again. Raises Conflict when somebody edited meanwhile, or it is at its end."""
    require_state(row, OPEN)
    base, edits = published_documents(), edits_of(row)
    digest, results = row.digest, checks.run(base, row, edits)
    ok, at = all(result.ok for result in results), mandate_now()
    with transaction.atomic():
        now = locked(row, OPEN)
        if now.digest != digest:
            raise EditedMeanwhile("somebody edited this while it was checked; look at it again")
        now.checks.all().delete()
        Check.objects.bulk_create(
            Check(
                change=now,
                **result.columns(),
                base=base.revision,
                digest=digest,
                checked_at=at,
            )
            for result in results
        )
        if now.state in (CHECKS, APPROVAL):
            now.state = APPROVAL if ok else CHECKS
        now.updated_at = at
        now.save(update_fields=["state", "updated_at"])
        failed = [result.kind for result in results if not result.ok]
        data = {"ok": ok, "over": base.revision, "digest": digest, "failed": failed}
        entry("change.checked", now, by, at, data)
    if now.state == APPROVAL:
        replays.begin_if_required(by, now)
    return now


def withdraw(principal: Principal, change: UUID, reason: str = "") -> ChangeRequest:
    """End it unpublished; nothing is lost, nothing takes effect. Raises Forbidden, Conflict when it is at its end."""
    row = access.get(principal, change)
    access.require_withdraw(principal, row)
    at = mandate_now()
    with transaction.atomic():
        now = locked(row, OPEN)
        dismiss(now, at)
        now.state, now.note, now.updated_at = WITHDRAWN, reason.strip()[:2000], at
        now.held_back = ""
        now.save(update_fields=["state", "note", "held_back", "updated_at"])
        entry("change.withdrawn", now, principal, at, {"reason": now.note})
    return now


def entry(
    kind: str, row: ChangeRequest, by: Principal, at: datetime, data: dict[str, object]
) -> None:
    """One entry about a change request, in the transaction of what it tells."""
    append_entry(kind, actor=by.actor, at=at, tenant=row.tenant, subject=row.subject, data=data)


def locked(row: ChangeRequest, states: Collection[str]) -> ChangeRequest:
    """The row under its lock, in one of these states. Raises Conflict."""
    now = ChangeRequest.objects.select_for_update().get(pk=row.pk)
    require_state(now, states)
    return now


def require_state(row: ChangeRequest, states: Collection[str]) -> None:
    """Raises Conflict that says how it stands, unless it is in one of these states."""
    if row.state not in states:
        words = {
            APPROVAL: "waits for approval",
            CHECKS: "does not pass its checks",
            DRAFT: "is still a draft",
        }
        kind = PublishedAlready if row.state == PUBLISHED else WrongState
        raise kind(f"this change request {words.get(row.state, f'is {row.state}')}")


def _edit(
    principal: Principal, row: ChangeRequest, write: Callable[[ChangeRequest], list[Edit]]
) -> list[Edit]:
    """An edit: approvals are dismissed, and what was handed in goes back to its checks."""
    at = mandate_now()
    with transaction.atomic():
        now = locked(row, OPEN)
        written = write(now)
        edits = edits_of(now)
        if len(edits) > MAX_EDITS:
            raise InvalidRequest(f"a change request edits at most {MAX_EDITS} documents")
        # INVARIANT: an approval is of exactly what was read
        dismiss(now, at)
        now.last_editor, now.digest, now.updated_at = (
            principal.actor,
            content_digest(now, edits),
            at,
        )
        handed_in = now.state != DRAFT
        now.state, now.held_back = CHECKS if handed_in else DRAFT, ""
        now.save(update_fields=["last_editor", "digest", "state", "held_back", "updated_at"])
        said = sorted(("- " if e.deletes else "~ ") + named(e.identity) for e in edits)
        data: dict[str, object] = {"digest": now.digest, "documents": said[:_NAMED_IN_ENTRY]}
        entry("change.edited", now, principal, at, data)
    if handed_in:
        run_checks(principal, now)
    return written


def _put(row: ChangeRequest, found: Sequence[Slot], principal: Principal) -> list[Edit]:
    _refuse_secrets(found)
    identities = [slot.identity for slot in found]
    refuse_kept(row, identities)
    before = some_at(row.base, [i for i in identities if not row.tenant or i[1] == row.tenant])
    written = []
    for slot in found:
        identity = _free(row, slot.identity)
        problems = [[p.line, p.column, p.path, p.message] for p in slot.problems]
        edit = Edit(source=slot.text, problems=problems, before=before.get(identity))
        written.append(_write(row, identity, principal, edit))
    return written


def _refuse_secrets(found: Sequence[Slot]) -> None:
    # INVARIANT: no secret outside the vault: a draft keeps every other wrong text
    for problem in (p for slot in found for p in slot.problems if NEVER_LITERAL in p.message):
        raise InvalidRequest(
            f"line {problem.line}, {problem.path}: a literal secret is not saved: write its name instead"
        )


def _free(row: ChangeRequest, identity: Identity) -> Identity:
    """A text that does not say what it is of never replaces another."""
    kind, tenant, name = identity
    if kind or name != UNREADABLE:
        return identity
    taken = set(row.edits.filter(kind="").values_list("name", flat=True))
    number = next(n for n in range(1, len(taken) + 2) if f"{UNREADABLE}-{n}" not in taken)
    return kind, tenant, f"{UNREADABLE}-{number}"


def _write(row: ChangeRequest, identity: Identity, principal: Principal, wanted: Edit) -> Edit:
    kind, tenant, name = identity
    edit = row.edits.filter(kind=kind, tenant=tenant, name=name).first() or Edit(
        change=row, kind=kind, tenant=tenant, name=name, written_by=principal.actor
    )
    edit.deletes, edit.source, edit.before = wanted.deletes, wanted.source, wanted.before
    edit.problems, edit.edited_by, edit.edited_at = wanted.problems, principal.actor, mandate_now()
    edit.save()
    return edit


def dismiss(row: ChangeRequest, at: datetime) -> None:
    """Take every standing approval of a locked change request as not given; who gave it stays written."""
    row.approvals.filter(dismissed_at=None).update(dismissed_at=at)


def content_digest(row: ChangeRequest, edits: Iterable[Edit]) -> str:
    """What an approval binds: the texts, and when they take effect."""
    parts = [(edit.identity, None if edit.deletes else edit.source) for edit in edits]
    return digest_of(parts, to_text(row.publish_at) if row.publish_at else None)


def _check_place(row: ChangeRequest, identity: Identity) -> None:
    if row.tenant and identity[1] != row.tenant:
        raise InvalidRequest(f'this change request is of tenant "{row.tenant}"')


def _check_size(content: str) -> None:
    if len(content) > MAX_TEXT:
        raise InvalidRequest(f"a text has at most {MAX_TEXT:,} characters")


def said_why(reason: str) -> str:
    """The reason, cut to what is kept. Raises InvalidRequest without one."""
    if not reason.strip():
        raise InvalidRequest("say why: the author reads it")
    return reason.strip()[:2000]
