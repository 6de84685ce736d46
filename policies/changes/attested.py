"""A review in Git counts as approval: each attested person is asked what everybody who approves is asked."""

from collections.abc import Sequence
from uuid import UUID

from django.conf import settings

from controlplane.kernel.errors import NotFound
from controlplane.kernel.principal import Principal
from policies.bundles.principals import principal_for
from policies.bundles.published import published
from policies.bundles.read import published_documents
from policies.changes import access, publishing
from policies.changes.attestation import Checked, Used, checked, listed_keys, require_of
from policies.changes.bound import Seen, replay_digest
from policies.changes.models import APPROVAL, Approval, ChangeRequest
from policies.changes.read import edits_of, standing
from policies.identity.models import User
from policies.order.lock import mandate_now


def read(text: str, content: str, base: int) -> Checked:
    """An attestation of exactly this content over this base, not used yet. Raises InvalidRequest, AttestationRefused."""
    found = checked(text, listed_keys(settings.MANDATE_KEYS_DIR), mandate_now())
    require_of(found, content, base)
    if Approval.objects.filter(attestation=found.digest).exists():
        raise Used("this attestation has counted already")
    return found


def people_of(found: Checked) -> list[Principal]:
    """The members that approved, with the roles they hold now. Raises NotFound for who is none."""
    people = []
    for email in found.attestation.approvers:
        user = User.objects.filter(email=email.lower(), is_active=True).first()
        if user is None:
            raise NotFound(f'there is no member "{email[:254]}" who could have approved this')
        people.append(principal_for(user, published()))
    return people


def approve_attested(by: Principal, change: UUID, text: str) -> ChangeRequest:
    """Approve as those whom a signed review names, all or none. Raises as `read`, `people_of` and `publishing.approve`."""
    row = access.get(by, change)
    access.require_draft(by, row.tenant)
    base = published_documents()
    found = read(text, row.digest, base.revision)
    people = people_of(found)
    _require_all(people, row)
    said = found.attestation
    reason = f"reviewed in Git: {said.repository} at {said.commit}"
    for person in people:
        if row.state == APPROVAL:
            # in Git the text is read; the replay is what stands beside it here
            seen = Seen(said.base, said.content, replay_digest(row))
            row = publishing.approve(
                person, row.id, reason=reason, seen=seen, attestation=found.digest
            )
    return row


def _require_all(people: Sequence[Principal], row: ChangeRequest) -> None:
    """One who may not approve spoils it before anything is written."""
    base = published_documents()
    found = standing(base, row, edits_of(row))
    for person in people:
        access.require_approve(person, found, publishing.roles_of(person, base, row.tenant))
