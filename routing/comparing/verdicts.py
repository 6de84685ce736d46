"""PURE: whether the answer of a shadow run is the one that the caller got, and passes what the route asks of answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from routing.beside.models import Word
from routing.dialects.tool_calls import Wanted
from routing.validation.confidence import normal
from routing.validation.registry import Result
from routing.validation.said import Said, said


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer: what it says, and the tools that it asks for."""

    said: Said
    tools: tuple[Wanted, ...]

    def form(self) -> tuple[str, ...]:
        """What is compared: the words as samples of one call are compared, tools by name and arguments."""
        return normal(self.said), *(
            f"{one.name} {normal(said(one.arguments))}" for one in self.tools
        )


def verdict(given: Whole, beside: Whole, checked: Sequence[Result]) -> Word:
    """`checked` are the words of the route's validators on the shadow run's answer."""
    if any(one.problem for one in checked):
        return "failed"
    return "agreed" if given.form() == beside.form() else "differed"
