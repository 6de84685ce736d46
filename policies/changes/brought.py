"""Which change request brought a revision: that never changes, so it is asked once in a process."""

from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from policies.changes.models import ChangeRequest

_KEPT = 256


@dataclass(frozen=True, slots=True)
class Brought:
    """The change request, for who `access.sees` its tenant ("" is the organisation)."""

    id: UUID
    title: str
    author: str
    tenant: str


@lru_cache(maxsize=_KEPT)
def brought(revision: int, _digest: str) -> Brought | None:
    """What was published as this revision, of this digest; None where no change request was."""
    found = (
        ChangeRequest.objects.filter(published_revision=revision)
        .values_list("id", "title", "author", "tenant")
        .first()
    )
    return Brought(*found) if found else None
