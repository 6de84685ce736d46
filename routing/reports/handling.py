"""PURE: how long people had a review case, from its entries: from each claim to the decision, or to what ended the claim.

A claim that lapses counts up to its end, and one that is given back up to that moment: somebody had the case, whatever
came of it. Claiming one's own case again prolongs the claim; nothing is counted twice.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

DECIDED: Final = ("review.approved", "review.edited", "review.redacted", "review.rejected")
CLAIMED, RETURNED, MOVED = "review.claimed", "review.returned", "review.escalated"
KINDS: Final = (CLAIMED, RETURNED, MOVED, "review.overdue", *DECIDED)
"""The entries of a case that begin or end somebody's time with it."""
_NOTHING: Final = timedelta()


@dataclass(frozen=True, slots=True)
class Act:
    """One entry of a case."""

    kind: str
    actor: str
    at: datetime


@dataclass(slots=True)
class Handled:
    """`time` is all of it; `returned_time` and `lapsed_time` are the parts of it that led to no decision, in so many claims.

    `worked` has each stretch of it, with when it began.
    """

    time: timedelta = _NOTHING
    returned: int = 0
    returned_time: timedelta = _NOTHING
    lapsed: int = 0
    lapsed_time: timedelta = _NOTHING
    worked: list[tuple[datetime, timedelta]] = field(default_factory=list, compare=False)

    def add(self, since: datetime, spent: timedelta) -> None:
        """One stretch more."""
        self.time += spent
        self.worked.append((since, spent))


@dataclass(slots=True)
class _Claim:
    actor: str
    since: datetime
    until: datetime


def handled(acts: Iterable[Act], closed: datetime, claim: timedelta) -> Handled:
    """The time of one case, whose acts come in their order; `claim` is how long a claim stands."""
    told, open_claim = Handled(), None
    for act in acts:
        if act.kind == CLAIMED:
            if open_claim is not None:
                if act.actor == open_claim.actor and act.at < open_claim.until:
                    open_claim.until = act.at + claim
                    continue
                _lapse(told, open_claim, act.at)
            open_claim = _Claim(act.actor, act.at, act.at + claim)
        elif open_claim is not None:
            _end(told, open_claim, act)
            open_claim = None
    if open_claim is not None:
        _lapse(told, open_claim, closed)
    return told


def _end(told: Handled, open_claim: _Claim, act: Act) -> None:
    if act.kind in DECIDED and act.actor == open_claim.actor:
        told.add(open_claim.since, act.at - open_claim.since)
    elif act.kind == RETURNED and act.actor == open_claim.actor:
        spent = act.at - open_claim.since
        told.add(open_claim.since, spent)
        told.returned += 1
        told.returned_time += spent
    else:
        _lapse(told, open_claim, act.at)


def _lapse(told: Handled, open_claim: _Claim, at: datetime) -> None:
    spent = max(_NOTHING, min(at, open_claim.until) - open_claim.since)
    told.add(open_claim.since, spent)
    told.lapsed += 1
    told.lapsed_time += spent


def cost_nano(time: timedelta, hourly_nano: int) -> int:
    """What so much time costs, rounded up to the next nano unit."""
    return -(-(time // timedelta(microseconds=1)) * hourly_nano // 3_600_000_000)


def ranked(times: Iterable[timedelta], percent: int) -> timedelta:
    """The nearest-rank percentile: the least of them that so many percent do not exceed; nothing of none."""
    found = sorted(times)
    return found[-(-len(found) * percent // 100) - 1] if found else _NOTHING
