"""The replay of a change request: begin it, whether the bundle in force asks for it, whether what it found still stands."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.principal import Principal
from policies.bundles.publish import prepare
from policies.bundles.published import at_revision
from policies.bundles.read import Published, published_documents
from policies.bundles.rules import asks_replay, may_help, organisation, roles_at
from policies.changes import access, checks
from policies.changes.models import ChangeRequest
from policies.changes.read import Standing, edits_of, standing
from policies.documents.document import Document
from policies.documents.problems import InvalidDocuments
from policies.order.lock import control
from policies.replay import commands
from policies.replay.models import DONE, Replay

DAYS = 7


@dataclass(frozen=True, slots=True)
class Current:
    """The newest finished replay of a change request. `stale`: the draft or the bundle in force has moved since."""

    replay: Replay
    stale: bool

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of its result."""
        return self.replay.digest


def current(row: ChangeRequest) -> Current | None:
    """What was found last, and whether it still is about this draft over this base; nothing is stored to say so."""
    found = of(row).filter(state=DONE).order_by("-id").first()
    return Current(found, stale(row, found)) if found is not None else None


def stale(row: ChangeRequest, replay: Replay, in_force: int | None = None) -> bool:
    """Whether draft or base moved since. What ended is compared with the base that it was published over."""
    if replay.content != row.digest:
        return True
    if row.open:
        return replay.base != (control().revision if in_force is None else in_force)
    return row.published_revision is not None and replay.base != row.published_revision - 1


def newest(row: ChangeRequest) -> Replay | None:
    """The newest one, however it stands."""
    found: Replay | None = of(row).order_by("-id").first()
    return found


def of(row: ChangeRequest) -> Any:  # noqa: ANN401 - a queryset
    """Every replay of a change request."""
    return Replay.objects.filter(change=row.id).defer("draft", "draft_checked", "partial")


def required(documents: Iterable[Document]) -> bool:
    """Whether nobody may approve without a current replay."""
    return asks_replay(documents)


def days_of(documents: Iterable[Document]) -> int:
    """Over how many days the base bundle wants it; a week where it says none."""
    return int(organisation(documents).get("replay", {}).get("days") or DAYS)


def begin(principal: Principal, change: UUID, days: int = 0) -> Replay:
    """Replay what stands there now. For who could write or approve it.

    Raises NotFound, Forbidden, Conflict at its end, InvalidRequest for a draft that cannot be put into force.
    """
    row = access.get(principal, change)
    base = published_documents()
    _require_part(principal, row, base)
    if not row.open:
        raise Conflict(f"this change request is {row.state}")
    return _begin(principal, row, base, days)


def begin_if_required(by: Principal, row: ChangeRequest) -> Replay | None:
    """The same by itself, where the base bundle asks for it, once the checks have passed."""
    base = published_documents()
    if not required(base.documents):
        return None
    if not any(need.count for need in standing(base, row, edits_of(row)).needs):
        return None
    found = current(row)
    if found is not None and not found.stale:
        return found.replay
    try:
        return _begin(by, row, base, 0)
    except (Conflict, InvalidRequest):
        # somebody published just now: what was checked stands, and its replay is begun by hand
        return None


def cancel(principal: Principal, change: UUID) -> Replay:
    """End the one that runs. For who could write or approve it. Raises NotFound, Forbidden, Conflict."""
    row = access.get(principal, change)
    _require_part(principal, row, published_documents())
    replay = newest(row)
    if replay is None:
        raise NotFound("this change request was never replayed")
    return commands.cancel(principal, replay)


def may_begin(principal: Principal, row: ChangeRequest, found: Standing, base: Published) -> bool:
    """Whether one could write or approve it, and it is open."""
    writes = access.may_draft(principal, row.tenant)
    return row.open and (writes or may_help(found.needs, _roles(principal, row, base)))


def _require_part(principal: Principal, row: ChangeRequest, base: Published) -> None:
    found = standing(base, row, edits_of(row))
    access.require_part(principal, row, found, _roles(principal, row, base))


def _roles(principal: Principal, row: ChangeRequest, base: Published) -> frozenset[str]:
    if principal.kind != "member":
        return frozenset()
    return frozenset(roles_at(base.documents, principal.id, row.tenant))


def _begin(by: Principal, row: ChangeRequest, base: Published, days: int) -> Replay:
    edits = edits_of(row)
    if not edits:
        raise InvalidRequest("nothing is edited yet; put a document first")
    try:
        candidate = prepare(base, checks.wanted(row, edits, row.author))
    except InvalidDocuments as error:
        raise InvalidRequest("it does not pass its checks: put that right first") from error
    in_force = at_revision(base.revision)
    if in_force is None:
        raise Conflict("somebody published meanwhile; try again")
    wanted = commands.Wanted(
        base=base.revision,
        base_digest=in_force.digest,
        days=days or days_of(base.documents),
        tenant=row.tenant,
        title=row.title,
        change=row.id,
        content=row.digest,
        draft=candidate.bundle.text,
        draft_checked=candidate.forms.encode(),
    )
    return commands.begin(by, wanted)
