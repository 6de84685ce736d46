"""PURE: what of a split of hours is another by now, and what of that is still to be proposed as adjustments."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from controlplane.kernel.money import NANO, format_nano
from routing.closing.adjusting import HOURS, Proposal, told_hours
from routing.closing.hours import Part

LEAST_NANO: Final = NANO // 100
"""Use that comes late moves the share of everybody: where the cost stays, it is proposed once it moves one share by this."""
Whose = tuple[str, str, str]
"""A model, a tenant and a team."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """One adjustment that was proposed for a share before, oldest first; a rejected one counts nowhere."""

    occurrence: str
    amount_nano: int
    microhours: int
    rejected: bool

    @property
    def aimed_nano(self) -> int:
        """The share that it was proposed for."""
        return int(self.occurrence.rpartition(":")[2])


@dataclass(frozen=True, slots=True)
class Line:
    """One team's share of one model: as it was split, as it would be now, and what was proposed between. None: it has none."""

    whose: Whose
    was: Part | None
    now: Part | None
    earlier: Sequence[Earlier]

    @property
    def now_nano(self) -> int:
        """What falls to the team by now."""
        return self.now.cost_nano if self.now else 0

    @property
    def aimed_nano(self) -> int:
        """What was last proposed to fall to it, whatever was decided; else what was split."""
        if self.earlier:
            return self.earlier[-1].aimed_nano
        return self.was.cost_nano if self.was else 0

    def standing(self) -> tuple[int, int]:
        """What falls to it with all that was proposed and not rejected: nano units and microhours."""
        counted = [one for one in self.earlier if not one.rejected]
        cost, time = (self.was.cost_nano, self.was.microhours) if self.was else (0, 0)
        return (
            cost + sum(one.amount_nano for one in counted),
            time + sum(one.microhours for one in counted),
        )


def lines(
    was: Iterable[Part], now: Iterable[Part], earlier: Mapping[Whose, Sequence[Earlier]]
) -> list[Line]:
    """A line for each team that has a share, had one, or was proposed one; of the models that `now` tells of, in order.

    A model that it does not tell of is left: the documents say nothing of its hours, so nothing of them was corrected.
    """
    now = list(now)
    models = {part.model for part in now}
    old, new = _by_team(was), _by_team(now)
    every = sorted(key for key in {*old, *new, *earlier} if key[0] in models)
    return [Line(key, old.get(key), new.get(key), earlier.get(key, ())) for key in every]


def proposals(
    found: Iterable[Line], month: str, providers: Mapping[str, str]
) -> Iterator[Proposal]:
    """What is to be proposed: of a model whose shares have moved, each that is another than what was proposed last."""
    for model, group in groupby(found, key=lambda line: line.whose[0]):
        own = list(group)
        if _moved(own):
            for line in own:
                made = _proposal(line, month, providers.get(model, ""))
                if made is not None:
                    yield made


def _by_team(parts: Iterable[Part]) -> dict[Whose, Part]:
    """Without hours that nobody used: nobody pays them."""
    return {(part.model, part.tenant, part.team): part for part in parts if part.tenant}


def _moved(own: Sequence[Line]) -> bool:
    """Whether what falls to all together is another, or one share moved by enough."""
    moves = [line.now_nano - line.aimed_nano for line in own]
    return bool(sum(moves)) or any(abs(move) >= LEAST_NANO for move in moves)


def _proposal(line: Line, month: str, provider: str) -> Proposal | None:
    model, tenant, team = line.whose
    standing_nano, standing_time = line.standing()
    time = line.now.microhours if line.now else 0
    # INVARIANT: the same share is proposed once, whatever was decided on it; another again from what stands
    if line.now_nano in {line.aimed_nano, standing_nano}:
        return None
    return Proposal(
        tenant=tenant,
        corrects=month,
        kind=HOURS,
        amount_nano=line.now_nano - standing_nano,
        occurrence=f"hours:{month}:{model}:{team}:{len(line.earlier)}:{line.now_nano}",
        microhours=time - standing_time,
        team=team,
        model=model,
        provider=provider,
        note=f"{_words(time, line.now_nano)} instead of {_words(standing_time, standing_nano)}",
    )


def _words(microhours: int, cost_nano: int) -> str:
    """`8 hours at 0.08`."""
    return f"{told_hours(microhours)} hours at {format_nano(cost_nano)}" if cost_nano else "none"
