"""What another saved while one was writing, beside one's own text."""

from collections.abc import Sequence
from dataclasses import dataclass

from policies.changes import compare
from policies.changes.seen import Overtaken
from policies.ui.people import names, person


@dataclass(frozen=True, slots=True)
class Other:
    """Another's newer text: who saved it, and how one's own differs from it, line by line."""

    who: str
    deletes: bool
    source: str
    lines: Sequence[compare.Line]


def other(error: Overtaken, mine: str) -> Other:
    """For the page that keeps one's own text in its form."""
    theirs = error.theirs
    return Other(
        who=person(theirs.by, names()) if theirs.by else "Somebody",
        deletes=theirs.deletes,
        source=theirs.source or "",
        lines=compare.lines(theirs.source, mine),
    )
