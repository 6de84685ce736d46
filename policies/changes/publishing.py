"""What leads from a change request to a bundle: handing it in, approving, publishing, going back.

Who approved and the state of the change request commit with the bundle, in one transaction under the exclusive order lock, and
are judged again there by the bundle in force. So nobody publishes alone what needs two, whoever calls what in which order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.principal import ORGANISATION, ROLES, Principal
from policies.bundles.past import sources_at
from policies.bundles.publish import Candidate, Edits, publish
from policies.bundles.publish import Consent as AsksConsent
from policies.bundles.published import at_revision
from policies.bundles.read import Published, published_documents
from policies.bundles.rules import roles_at
from policies.changes import access, checks, replays
from policies.changes.attestation import Used
from policies.changes.bound import UNSEEN, Seen, replay_digest, require_seen, require_whole
from policies.changes.commands import (
    NewChange,
    delete_document,
    dismiss,
    draft,
    entry,
    locked,
    put_texts,
    require_state,
    run_checks,
    said_why,
)
from policies.changes.kept import refuse_written
from policies.changes.models import (
    APPROVAL,
    CHECKS,
    DRAFT,
    PUBLISHED,
    SCHEDULED,
    Approval,
    ChangeRequest,
    Edit,
)
from policies.changes.read import edits_of, moved, standing
from policies.changes.refusals import (
    EditedMeanwhile,
    ReplayMissing,
    ReplayStale,
    TooEarly,
)
from policies.changes.seen import ANYTHING
from policies.documents.document import Identity
from policies.documents.problems import InvalidDocuments
from policies.order.ids import new_id
from policies.order.lock import mandate_now

SYSTEM = Principal(kind="job", id="changes", name="the system")


@dataclass(frozen=True, slots=True)
class Consent:
    """What a change request's publishing checks and writes under the order lock."""

    change: ChangeRequest
    edits: Sequence[Edit]
    principal: Principal
    approval: Approval | None = None

    def __call__(self, candidate: Candidate, revision: int, at: datetime) -> None:
        """Judge by what is in force now, and write who agreed. Raises Conflict when edited, Forbidden if somebody is missing."""
        row = locked(self.change, (APPROVAL, SCHEDULED))
        if (row.digest, row.base) != (self.change.digest, self.change.base):
            raise EditedMeanwhile("somebody edited this meanwhile; look at it again")
        if self.approval is not None:
            _write_approval(row, self.approval, self.principal, at)
        # INVARIANT: nobody publishes alone what needs two
        found = standing(candidate.base, row, edits_of(row))
        if self.approval is not None:
            roles = roles_of(self.principal, candidate.base, row.tenant)
            access.refuse_lost(self.principal, found, roles)
        access.refuse_missing(found)
        row.state, row.published_revision, row.flagged = PUBLISHED, revision, found.alone
        row.held_back, row.updated_at = "", at
        row.save(
            update_fields=["state", "published_revision", "flagged", "held_back", "updated_at"]
        )
        data: dict[str, object] = {
            "revision": revision,
            "base": row.base,
            "digest": row.digest,
            "bundle": candidate.digest.hex(),
            "approvedBy": [approval.actor for approval in found.given],
            "flagged": found.alone,
        }
        entry("change.published", row, self.principal, at, data)


def submit(principal: Principal, change: UUID) -> ChangeRequest:
    """Hand it in: it is checked, and then waits for approval; where none is needed it is published.

    Raises NotFound, Forbidden, Conflict unless it is a draft, InvalidRequest while nothing is edited.
    """
    row = access.get(principal, change)
    access.require_draft(principal, row.tenant)
    at = mandate_now()
    with transaction.atomic():
        now = locked(row, (DRAFT,))
        if not now.edits.exists():
            raise InvalidRequest("nothing is edited yet; put a document first")
        now.state, now.updated_at = CHECKS, at
        now.save(update_fields=["state", "updated_at"])
        data: dict[str, object] = {"digest": now.digest, "base": now.base}
        entry("change.submitted", now, principal, at, data)
    return settle(principal, run_checks(principal, now))


def check(principal: Principal, change: UUID) -> ChangeRequest:
    """Check it again; one that was handed in and needs nobody is published then."""
    row = access.get(principal, change)
    access.require_draft(principal, row.tenant)
    return settle(principal, run_checks(principal, row))


def settle(principal: Principal, row: ChangeRequest) -> ChangeRequest:
    """Publish what passed its checks and needs nobody's approval."""
    if row.state != APPROVAL or not _due(row):
        return row
    edits = edits_of(row)
    found = standing(published_documents(), row, edits)
    if any(need.count for need in found.needs):
        return row
    return _publish(row, Consent(row, edits, principal))


def approve(
    principal: Principal,
    change: UUID,
    *,
    reason: str = "",
    seen: Seen = UNSEEN,
    attestation: str = "",
) -> ChangeRequest:
    """Say yes to what stands there, which must be what was `seen`. The last approval publishes.

    `attestation` is the digest of the signed review that says it for them (`policies.changes.attested`).

    Raises NotFound; Forbidden for who may not, also for who wrote or last edited it in four-eyes; Conflict when it waits for no
    approval, StaleApproval when it is not what was read, SeenMissing when that is not said, BaseMoved when its base moved.
    """
    row = access.get(principal, change)
    require_state(row, (APPROVAL,))
    require_seen(row, seen)
    base, edits = published_documents(), edits_of(row)
    _require_base(base, row, edits)
    _require_replay(base, row)
    roles = roles_of(principal, base, row.tenant)
    found = standing(base, row, edits)
    access.require_approve(principal, found, roles)
    require_whole(seen)
    approval = Approval(
        id=new_id(),
        change=row,
        actor=principal.actor,
        roles=sorted(roles),
        base=row.base,
        digest=row.digest,
        replay=replay_digest(row),
        reason=reason.strip()[:2000],
        attestation=attestation,
        flagged=found.alone,
    )
    missing = standing(base, row, edits, [approval]).missing
    if not missing and _due(row):
        return _publish(row, Consent(row, edits, principal, approval))
    at = mandate_now()
    with transaction.atomic():
        now = locked(row, (APPROVAL,))
        if now.digest != row.digest or now.base != row.base:
            raise EditedMeanwhile("somebody edited this meanwhile; look at it again")
        _write_approval(now, approval, principal, at)
        again = published_documents()
        held = roles_of(principal, again, row.tenant)
        access.refuse_lost(principal, standing(again, now, edits_of(now)), held)
        if not missing:
            now.state, now.held_back, now.updated_at = SCHEDULED, "", at
            now.save(update_fields=["state", "held_back", "updated_at"])
            entry("change.scheduled", now, principal, at, {"digest": now.digest})
    return now


def publish_change(principal: Principal, change: UUID) -> ChangeRequest:
    """Publish what has every approval: one whose publishing failed before.

    Raises Forbidden for who could neither write nor approve it, and while somebody is missing; Conflict before its time.
    """
    row = access.get(principal, change)
    require_state(row, (APPROVAL, SCHEDULED))
    base, edits = published_documents(), edits_of(row)
    found = standing(base, row, edits)
    access.require_part(principal, row, found, roles_of(principal, base, row.tenant))
    access.refuse_missing(found)
    if not _due(row):
        raise TooEarly(
            "this was approved for a later time; cancel the time first, which asks for approval again"
        )
    return publish_approved(row, principal)


def publish_approved(row: ChangeRequest, by: Principal) -> ChangeRequest:
    """Publish what has its approvals, by whom. Raises as `publish_change`."""
    base, edits = published_documents(), edits_of(row)
    _require_base(base, row, edits)
    if any(need.count for need in standing(base, row, edits).needs):
        _require_replay(base, row)
    return _publish(row, Consent(row, edits, by))


def request_changes(principal: Principal, change: UUID, reason: str) -> ChangeRequest:
    """Send it back to its author, with a reason; approvals are dismissed. For who could write or approve it."""
    row = access.get(principal, change)
    base = published_documents()
    found = standing(base, row, edits_of(row))
    access.require_part(principal, row, found, roles_of(principal, base, row.tenant))
    said, at = said_why(reason), mandate_now()
    with transaction.atomic():
        now = locked(row, (CHECKS, APPROVAL, SCHEDULED))
        dismiss(now, at)
        now.state, now.note, now.updated_at = DRAFT, said, at
        now.save(update_fields=["state", "note", "updated_at"])
        entry("change.returned", now, principal, at, {"reason": said})
    return now


def rollback(
    principal: Principal, revision: int, reason: str = "", *, author: str = ""
) -> ChangeRequest:
    """A new change request whose content is an old bundle, handed in. Raises NotFound, Conflict where nothing would change."""
    access.require_draft(principal, ORGANISATION)
    if at_revision(revision) is None:
        raise NotFound(f"revision {revision} was never published")
    base, old = published_documents(), sources_at(revision)
    put = [s for identity, s in old.items() if _source(base, identity) != s]
    gone = [identity for identity in base.rows if identity not in old]
    if not put and not gone:
        raise Conflict(f"revision {base.revision} has the documents of revision {revision} already")
    wanted = NewChange(
        title=f"Back to revision {revision}",
        reason=reason,
        rollback_of=revision,
        author=author,
        base=base.revision,
    )
    return propose(principal, wanted, put, gone)


def propose(
    principal: Principal, wanted: NewChange, put: Sequence[str], delete: Sequence[Identity]
) -> ChangeRequest:
    """A change request of these texts and deletions, handed in. Raises as `draft`, `put_texts` and `submit`."""
    row = draft(principal, wanted)
    if put:
        put_texts(principal, row.id, "---\n".join(put))
    for identity in delete:
        delete_document(principal, row.id, identity, ANYTHING)
    return submit(principal, row.id)


def roles_of(principal: Principal, base: Published, tenant: str) -> frozenset[str]:
    """The roles that the bundle in force gives a member there; who operates the machine holds all, and counts for one."""
    if principal.kind == "cli":
        return frozenset(ROLES)
    if principal.kind != "member":
        return frozenset()
    return roles_at(base.documents, principal.id, tenant)


def publish_with(
    row: ChangeRequest,
    edits: Sequence[Edit],
    by: Principal,
    consent: AsksConsent,
    *,
    alone: bool = False,
) -> ChangeRequest:
    """Publish a change request with a consent. Raises PublishedAlready when another was first, BaseMoved, InvalidDocuments."""

    def wanted(base: Published) -> Edits:
        require_state(ChangeRequest.objects.get(pk=row.pk), (APPROVAL, SCHEDULED))
        _require_base(base, row, edits)
        refuse_written(base, row, edits)
        return replace(checks.wanted(row, edits, by.actor), alone=alone)

    try:
        done = publish(wanted, consent)
    except InvalidDocuments as error:
        raise checks.seen_in(row, error) from error
    if not done.difference:
        raise Conflict("all of this is published already; withdraw it")
    return ChangeRequest.objects.get(pk=row.pk)


def _publish(row: ChangeRequest, consent: Consent) -> ChangeRequest:
    return publish_with(row, consent.edits, consent.principal, consent)


def _write_approval(
    row: ChangeRequest, approval: Approval, principal: Principal, at: datetime
) -> None:
    given = row.approvals.filter(actor=approval.actor, dismissed_at=None)
    # a yes on an older replay counts no more: the new one takes its place
    given.exclude(replay=approval.replay).update(dismissed_at=at)
    if given.exists():
        raise EditedMeanwhile("you have approved this already")
    # INVARIANT: a review in Git counts once
    if approval.attestation and _counted(approval):
        raise Used("this attestation has counted already")
    approval.given_at = at
    approval.save(force_insert=True)
    data: dict[str, object] = {
        "base": approval.base,
        "digest": approval.digest,
        "replay": approval.replay,
        "roles": approval.roles,
        "flagged": approval.flagged,
    }
    if approval.reason:
        data["reason"] = approval.reason
    if approval.attestation:
        data["attestation"] = approval.attestation
    entry("change.approved", row, principal, at, data)


def _counted(approval: Approval) -> bool:
    before = Approval.objects.filter(attestation=approval.attestation, actor=approval.actor)
    return before.exists()


def _require_base(base: Published, row: ChangeRequest, edits: Sequence[Edit]) -> None:
    refused = moved(base, row, edits)
    if refused:
        raise refused


def _require_replay(base: Published, row: ChangeRequest) -> None:
    """What the bundle in force wants to be seen before a yes."""
    if not replays.required(base.documents):
        return
    found = replays.current(row)
    # INVARIANT: nobody approves on evidence about another draft or another base
    if found is None:
        raise ReplayMissing(
            "nobody has seen yet what this would have changed: its replay has not ended"
        )
    if found.stale:
        raise ReplayStale(
            "the replay is of another text or another base; run it again, then approve"
        )


def _due(row: ChangeRequest) -> bool:
    return row.publish_at is None or row.publish_at <= mandate_now()


def _source(base: Published, identity: Identity) -> str | None:
    row = base.rows.get(identity)
    return row.source if row else None
