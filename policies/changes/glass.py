"""Breaking the glass: in an emergency one person publishes alone what only tightens, says why, and another reviews it afterwards.

It is no way round four-eyes: nothing is permitted that was not, and grants, the Organisation and hard forbids are out of reach.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.db import transaction

from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, MandateError, NotFound
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.bundles.publish import Candidate
from policies.bundles.read import Published, published_documents
from policies.bundles.rules import single_operator
from policies.changes import access
from policies.changes.bound import UNSEEN, Seen, replay_digest, require_seen, require_whole
from policies.changes.commands import NewChange, entry, locked, require_state
from policies.changes.models import APPROVAL, PUBLISHED, ChangeRequest, Edit, Glass
from policies.changes.publishing import approve, propose, publish_with, roles_of
from policies.changes.read import edits_of, moved, standing, touched
from policies.changes.refusals import EditedMeanwhile, WrongState
from policies.changes.tightening import loosens
from policies.order.ids import new_id
from policies.order.lock import mandate_now

Verdict = Literal["confirmed", "taken back"]
_LONGEST = 2000
RESTORER = Principal(
    kind="job", id="changes", name="the system", roles={ORGANISATION: frozenset({"author"})}
)
"""Who brings back what stood there before: it writes nothing that was not approved once."""


@dataclass(frozen=True, slots=True)
class Alone:
    """What is judged and written under the order lock when one person publishes alone."""

    change: ChangeRequest
    edits: Sequence[Edit]
    principal: Principal
    reason: str

    def __call__(self, candidate: Candidate, revision: int, at: datetime) -> None:
        """Judge by what is in force now, and write who did it and why. Raises Conflict, Forbidden."""
        row = locked(self.change, (APPROVAL,))
        if (row.digest, row.base) != (self.change.digest, self.change.base):
            raise EditedMeanwhile("somebody edited this meanwhile; look at it again")
        # INVARIANT: nobody publishes alone what needs two: alone one may only tighten
        roles = _require(self.principal, candidate.base, row, edits_of(row))
        row.state, row.published_revision, row.flagged = PUBLISHED, revision, True
        row.updated_at = at
        row.save(update_fields=["state", "published_revision", "flagged", "updated_at"])
        Glass.objects.create(
            id=new_id(),
            change=row,
            tenant=row.tenant,
            actor=self.principal.actor,
            roles=sorted(roles),
            reason=self.reason,
            revision=revision,
            broken_at=at,
        )
        data: dict[str, object] = {
            "revision": revision,
            "base": row.base,
            "digest": row.digest,
            "bundle": candidate.digest.hex(),
            "reason": self.reason,
            "roles": sorted(roles),
            "flagged": True,
        }
        entry("change.glass-broken", row, self.principal, at, data)


def refusal(
    principal: Principal, base: Published, row: ChangeRequest, edits: Sequence[Edit]
) -> str:
    """Why this principal may not publish it alone; nothing when it may."""
    if single_operator(base.documents):
        return "in single-operator mode there is no glass to break"
    found = access.refused_glass(principal, base, row.tenant)
    if found:
        return found
    reasons = loosens(touched(base.documents, edits))
    return f"one person alone may only tighten: {'; '.join(reasons)}" if reasons else ""


def break_glass(
    principal: Principal, change: UUID, reason: str, seen: Seen = UNSEEN
) -> ChangeRequest:
    """Publish alone what passed its checks, with a reason that is kept. Another member reviews it afterwards.

    Raises NotFound; NotForGlass for who may not, and for what does not only tighten; InvalidRequest without reason; SeenMissing;
    Conflict.
    """
    row = access.get(principal, change)
    require_state(row, (APPROVAL,))
    require_seen(row, seen)
    if not reason.strip():
        raise InvalidRequest("say why this cannot wait for another person: it is kept in the log")
    base, edits = published_documents(), edits_of(row)
    if single_operator(base.documents):
        raise Conflict("in single-operator mode there is no glass to break: approve it")
    refused = moved(base, row, edits)
    if refused:
        raise refused
    _require(principal, base, row, edits)
    require_whole(seen)
    consent = Alone(row, edits, principal, reason.strip()[:_LONGEST])
    return publish_with(row, edits, principal, consent, alone=True)


def revert(
    principal: Principal, change: UUID, note: str
) -> tuple[Glass, ChangeRequest, MandateError | None]:
    """Take back at once what another published alone: a new revision with the content before, by one click of a reviewer.

    The change request that does so is the system's, since nobody writes anything new; the click is its approval and counts as
    any other. Where more is needed (a second person, a replay) it waits with the reason, which is returned.

    Raises as `review`, InvalidRequest without a note, Conflict where the documents were published again since.
    """
    if not note.strip():
        raise InvalidRequest("say why it is taken back: it is kept in the log")
    row = access.get(principal, change)
    _require_untouched(published_documents(), edits_of(row))
    found, back = review(principal, change, "taken back", note, by=RESTORER)
    assert back is not None  # noqa: S101 - what is taken back has its change request
    if back.state != APPROVAL:
        return found, back, None
    try:
        # INVARIANT: taking back is judged like any other: a click is one approval, of these texts over this base
        done = approve(
            principal, back.id, reason=note, seen=Seen(back.base, back.digest, replay_digest(back))
        )
    except (Forbidden, Conflict) as error:
        return found, back, error
    return found, done, None


def review(
    principal: Principal,
    change: UUID,
    verdict: Verdict,
    note: str = "",
    *,
    by: Principal | None = None,
) -> tuple[Glass, ChangeRequest | None]:
    """Look at what another published alone: confirm it, or open the change request that takes it back, written `by`.

    Raises NotFound, OwnGlass for who did it, Forbidden for who could not have approved it, Conflict when it was reviewed.
    """
    row = access.get(principal, change)
    found = Glass.objects.filter(change=row).first()
    if found is None:
        raise NotFound("this change request was not published by one person alone")
    base, edits = published_documents(), edits_of(row)
    needs = standing(base, row, edits)
    access.require_glass_review(principal, found, needs, roles_of(principal, base, row.tenant))
    if found.verdict:
        raise WrongState(f"this was reviewed already: {found.verdict}")
    opened = _take_back(by or principal, row, edits, note) if verdict == "taken back" else None
    at = mandate_now()
    with transaction.atomic():
        # INVARIANT: one review, by another
        done = Glass.objects.filter(pk=found.pk, verdict="").update(
            verdict=verdict,
            note=note.strip()[:_LONGEST],
            reviewed_by=principal.actor,
            reviewed_at=at,
            undone_by=opened.id if opened else None,
        )
        if not done:
            raise WrongState("somebody else reviewed this meanwhile")
        data: dict[str, object] = {
            "verdict": verdict,
            "by": found.actor,
            "revision": found.revision,
        }
        if note.strip():
            data["reason"] = note.strip()[:_LONGEST]
        if opened:
            data["undoneBy"] = opened.id.hex
        entry("change.glass-reviewed", row, principal, at, data)
    found.refresh_from_db()
    return found, opened


def _require(
    principal: Principal, base: Published, row: ChangeRequest, edits: Sequence[Edit]
) -> frozenset[str]:
    roles = access.require_glass(principal, base, row.tenant)
    access.require_tightening(loosens(touched(base.documents, edits)))
    return roles


def _require_untouched(base: Published, edits: Sequence[Edit]) -> None:
    """Raises Conflict where what was published alone is not what stands there now."""
    for edit in edits:
        stands = base.rows.get(edit.identity)
        if (stands.source if stands else "") != edit.source:
            raise Conflict(
                f"{' '.join(filter(None, edit.identity))} was published again since; take it back by a change request"
            )


def _take_back(
    principal: Principal, row: ChangeRequest, edits: Sequence[Edit], note: str
) -> ChangeRequest:
    put = [edit.before for edit in edits if edit.before is not None]
    gone = [edit.identity for edit in edits if edit.before is None]
    title = f"Take back: {row.title}"[:200]
    return propose(principal, NewChange(title=title, reason=note, tenant=row.tenant), put, gone)
