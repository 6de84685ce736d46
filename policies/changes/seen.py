"""Two people in one draft: a save names the text that it began from, and is refused where another stands there by then."""

from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar, Final

from controlplane.kernel.errors import Conflict, InvalidRequest
from policies.bundles.models import Document
from policies.bundles.past import some_at
from policies.changes.models import ChangeRequest
from policies.changes.texts import named
from policies.documents.document import Identity

NOTHING: Final = "none"
"""The digest of a document that is not there."""
DELETED: Final = "deleted"
"""The digest of a document that the change request takes away."""
ANYTHING: Final = "*"
"""Said by who goes over whatever stands there, knowingly."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a document is at a place now: its text (None: there is none), and who wrote it last."""

    source: str | None
    by: str
    deletes: bool = False

    @property
    def digest(self) -> str:
        """What a form carries, and `If-Match`."""
        return DELETED if self.deletes else digest(self.source)


class Overtaken(Conflict):
    """Another saved the document since this text was begun. Nothing was saved; `theirs` is what stands there now."""

    code: ClassVar[str] = "edited_meanwhile"
    status: ClassVar[int] = 412

    def __init__(self, message: str, theirs: Standing) -> None:
        super().__init__(message, theirs=_told(theirs))
        self.theirs = theirs


class Unseen(InvalidRequest):
    """A save over what stands there that does not say what it began from. Nothing was saved; `theirs` is what stands there."""

    code: ClassVar[str] = "if_match_missing"
    status: ClassVar[int] = 428

    def __init__(self, identity: Identity, now: Standing) -> None:
        super().__init__(
            f"{named(identity)} stands there already: say what your text began from, by its digest"
            f' (If-Match), or "{ANYTHING}" to go over whatever stands there',
            theirs=_told(now),
        )


def digest(source: str | None) -> str:
    """Of one document's text."""
    return NOTHING if source is None else sha256(source.encode()).hexdigest()


def in_change(row: ChangeRequest, identity: Identity) -> Standing:
    """The document as a change request has it: edited there, else as its base has it."""
    kind, tenant, name = identity
    edit = row.edits.filter(kind=kind, tenant=tenant, name=name).first()
    if edit is not None:
        return Standing(None if edit.deletes else edit.source, edit.edited_by, edit.deletes)
    return Standing(some_at(row.base, [identity]).get(identity), "")


def in_force(identity: Identity) -> Standing:
    """The document as it is published now."""
    kind, tenant, name = identity
    head = Document.objects.filter(kind=kind, tenant=tenant, name=name).first()
    return Standing(head.source, head.actor) if head else Standing(None, "")


def require_seen(row: ChangeRequest, identity: Identity, seen: str, wanted: str | None) -> None:
    """Raises Overtaken unless the text that `seen` is the digest of stands there still, or what is wanted does already.

    Raises Unseen where something stands there and nothing is said to have been seen.

    INVARIANT: asked under the row's lock, so of two saves that began from one text the second is always refused.
    """
    now = in_change(row, identity)
    if seen in (ANYTHING, now.digest) or (not now.deletes and now.source == wanted):
        return
    if not seen:
        _require_empty(identity, now)
        return
    # a form may also begin with what is published, where the base is older: a rebase names what differs then
    if not now.by and seen == in_force(identity).digest:
        return
    raise overtaken(identity, now)


def require_published(identity: Identity, seen: str) -> None:
    """The same for a change request that is not begun yet: its base will be what is in force."""
    now = in_force(identity)
    if seen and seen != now.digest:
        raise overtaken(identity, now)


def require_new(row: ChangeRequest, identity: Identity, seen: str, wanted: str) -> None:
    """Raises where a text would replace what is written into the change request: `seen` is the digest of all that it has."""
    now = in_change(row, identity)
    if not now.by or now.source == wanted or seen in (ANYTHING, row.digest):
        return
    if not seen:
        _require_empty(identity, now)
    raise overtaken(identity, now)


def _require_empty(identity: Identity, now: Standing) -> None:
    """INVARIANT: who does not say what they read goes over nothing that stands there."""
    if now.deletes or now.source is not None:
        raise Unseen(identity, now)


def overtaken(identity: Identity, now: Standing) -> Overtaken:
    """The refusal, in words that do not say who: a page names the person, the API the actor."""
    what = "took away" if now.deletes else "saved"
    return Overtaken(
        f"somebody {what} {named(identity)} since you opened it; nothing of yours is saved yet", now
    )


def _told(theirs: Standing) -> dict[str, object]:
    told = {"source": theirs.source, "deletes": theirs.deletes, "editedBy": theirs.by}
    return {**told, "digest": theirs.digest}
