"""What an approval binds: the base, the text and the replay, each as somebody read it."""

from dataclasses import dataclass

from policies.changes import replays
from policies.changes.models import ChangeRequest
from policies.changes.refusals import SeenMissing, StaleApproval


@dataclass(frozen=True, slots=True)
class Seen:
    """What an approver had on the screen: it is this that is approved, or nothing. `replay` is "" where there was none."""

    base: int | None = None
    digest: str = ""
    replay: str | None = None

    @property
    def whole(self) -> bool:
        """Whether it says all that an approval binds."""
        return self.base is not None and bool(self.digest) and self.replay is not None


UNSEEN = Seen()
"""Nothing is said of it: a yes to what stands there at that moment, as a script gives it."""


def replay_digest(row: ChangeRequest) -> str:
    """What an approval binds of the newest replay; empty where there is none."""
    found = replays.current(row)
    return found.digest if found else ""


def require_whole(seen: Seen) -> None:
    """Raises SeenMissing for a yes that names what it is to by halves."""
    # INVARIANT: who names what was read names all that an approval binds
    if seen is not UNSEEN and not seen.whole:
        raise SeenMissing(
            "say what you read: `base` and `digest` of the change request, and `replay`, the digest of its replay "
            '("" where it has none)'
        )


def require_seen(row: ChangeRequest, seen: Seen) -> None:
    """Raises StaleApproval unless what was read is what stands there."""
    # INVARIANT: what the approver saw is what is approved
    if seen.digest and seen.digest != row.digest:
        raise StaleApproval("somebody edited this since you read it; look at it again")
    if seen.base is not None and seen.base != row.base:
        raise StaleApproval(
            f"you read it over revision {seen.base}, and it is over {row.base} now; look at it again"
        )
    if seen.replay is not None and seen.replay != replay_digest(row):
        raise StaleApproval("another replay stands there than the one you read; look at it again")
