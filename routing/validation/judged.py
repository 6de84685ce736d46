"""What a judgement is about and what it comes to, as strategies see it."""

from dataclasses import dataclass, field
from typing import Protocol

from policies.engine.decision import Candidate
from policies.engine.weigh import Action, Weighed
from routing.exchange import Usage


class Answer(Protocol):
    """What a judgement needs to know of an attempt that a model answered."""

    candidate: Candidate
    body: bytes
    usage: Usage | None
    logprobs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the plan an answer stands: its tier from 0, whether any later tier has a model, and how often it was repaired."""

    tier: int
    last: bool
    repairs: int = 0


@dataclass(frozen=True, slots=True)
class Judged:
    """What was weighed: the answer (its place among those given), what it says, and what its validators miss."""

    weighed: Weighed
    chosen: int = -1
    text: str = ""
    problems: tuple[str, ...] = field(default=(), repr=False)

    @property
    def action(self) -> Action:
        """What is to be done."""
        return self.weighed.action
