"""Review cases as console and API tell them: the queue in the order of need, what was decided, how many wait for whom."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db.models import Count, Q, QuerySet

from controlplane.kernel.principal import Principal
from policies.bundles.published import Published
from routing.reviews import access
from routing.reviews.models import ReviewCase, ReviewDecision

STAGES = {
    "request": "held before any model",
    "response": "held before the caller sees it",
    "tool": "held before a tool runs",
    "failure": "no answer was accepted",
    "sample": "sampled after delivery",
}
"""Why a person looks."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many open cases this person may decide, and how many of them are overdue."""

    open: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of words in a comparison: in both texts, only in the model's, or only in the person's."""

    change: Literal["same", "out", "new"]
    text: str


def waiting(principal: Principal, found: Published, now: datetime) -> Waiting:
    """What the menu and the overview count, in one query over the open cases."""
    rows = access.mine(principal, found).filter(closed_at=None)
    told = rows.aggregate(open=Count("pk"), overdue=Count("pk", filter=Q(due_at__lte=now)))
    return Waiting(told["open"], told["overdue"])


def queue(principal: Principal, found: Published) -> QuerySet[ReviewCase]:
    """The open cases that this person may decide, what is due first first."""
    return access.mine(principal, found).filter(closed_at=None).order_by("due_at", "id")


def decisions(case: ReviewCase) -> list[ReviewDecision]:
    """What people decided about it so far, in order."""
    return list(ReviewDecision.objects.filter(review=case.pk).order_by("no"))


def counted(case: ReviewCase, found: list[ReviewDecision]) -> int:
    """How many people stand behind the draft in force."""
    return len({d.actor for d in found if (d.round, d.version) == (case.round, case.version)})


def compared(before: str, after: str) -> Iterator[Piece]:
    """The edit, word by word."""
    old, new = _words(before), _words(after)
    for change, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if change == "equal":
            yield Piece("same", "".join(old[i:j]))
            continue
        if i < j:
            yield Piece("out", "".join(old[i:j]))
        if k < m:
            yield Piece("new", "".join(new[k:m]))


def _words(text: str) -> list[str]:
    """Words and the spaces between them; a long text line by line, so that comparing it stays cheap."""
    if len(text) > 20_000:
        return text.splitlines(keepends=True)
    words, at = [], 0
    for place, sign in enumerate(text):
        if sign.isspace():
            words += [text[at:place], sign] if at < place else [sign]
            at = place + 1
    return [*words, text[at:]] if at < len(text) else words
