"""How the log stands, in one word and one moment: for the top of every page, the overview, and the log's own page."""

from dataclasses import dataclass
from datetime import datetime

from audit.log import read


@dataclass(frozen=True, slots=True)
class Standing:
    """`Log verified 40 s ago`: the word, its tone, and when. `wrong` is what the log's own checks found."""

    word: str
    tone: str
    at: datetime | None
    whole_at: datetime | None = None
    wrong: tuple[str, ...] = ()
    acknowledged: tuple[str, ...] = ()

    @property
    def banner(self) -> str:
        """What every page says while the log does not hold; else nothing."""
        if not self.wrong:
            return ""
        things = len(self.wrong)
        return (
            f"The audit log does not hold: {things} thing{'s are' if things > 1 else ' is'} wrong"
        )


def standing(now: datetime) -> Standing | None:
    """Return how the log stands by its own checks, before the first by its newest signature; None before that."""
    found, signed_at = read.checked()
    if found is None:
        return Standing("signed", "ok", signed_at) if signed_at else None
    if not found.ok:
        return Standing(
            *("does not hold", "bad", found.checked_at, found.whole_held_at),
            wrong=found.findings,
            acknowledged=found.acknowledged,
        )
    if found.stale(now):
        return Standing("last verified", "warn", found.checked_at, found.whole_held_at)
    if found.acknowledged:
        word = f"verified, but for {len(found.acknowledged)} acknowledged,"
        return Standing(
            *(word, "warn", found.checked_at, found.whole_held_at),
            acknowledged=found.acknowledged,
        )
    return Standing("verified", "ok", found.checked_at, found.whole_held_at)
