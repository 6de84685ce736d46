"""What to try when there is no headroom: pure. Admission asks at most `MAX_TRIES` times."""

from dataclasses import dataclass
from typing import Literal

from routing.calls.answers import NoHeadroom

MAX_TRIES = 4

Action = Literal["clamp", "downgrade", "deny", "escalate"]


@dataclass(frozen=True, slots=True)
class Next:
    """The strictest thing that the refusing budgets ask for; `target_nano` is what a clamped reservation may cost at most."""

    action: Action
    target_nano: int
    budgets: tuple[str, ...]


def after_refusal(refused: NoHeadroom) -> Next:
    """Any refusing budget that denies, denies; then escalate, then downgrade, then clamp to 1 % below what was left.

    The slack is for the calls that are let in between the look and the next try.
    """
    binding = refused.binding
    wanted = {item.window.on_exhausted for item in binding}
    budgets = tuple(item.window.budget for item in binding)
    left = max(refused.least_nano, 0)
    target = left - -(-left // 100)
    for action in _STRICTEST_FIRST:
        if action in wanted:
            return Next(action, target, budgets)
    return Next("deny", target, budgets)


_STRICTEST_FIRST: tuple[Action, ...] = ("deny", "escalate", "downgrade", "clamp")
