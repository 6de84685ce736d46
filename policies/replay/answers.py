"""PURE: answers weighed again under two bundles. Only what they said decides; where that is not enough, nobody knows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from controlplane.kernel.errors import InvalidRequest
from policies.engine.answer import output_of
from policies.engine.bundle import Bundle
from policies.engine.decision import Decision
from policies.engine.facts import Facts
from policies.engine.weigh import Action, AnswerFacts, decode_facts, weigh
from policies.replay.values import Answer

Fate = Literal["same", "unknown", "gone", "denied", "held", "permitted", "rerouted"]
SAME: Final = "same"
UNKNOWN: Final = "unknown"
GONE: Final = "gone"
ERASED: Final = "output (erased)"
_LAST: Final[frozenset[Action]] = frozenset({"accept", "reject", "escalate"})


@dataclass(frozen=True, slots=True)
class Spoken:
    """What an answer said, and how it ended; never written anywhere."""

    text: str
    finish_reason: str = ""
    tokens: int = 0


Said = Callable[[int], Spoken | None]
"""The answer weighed under a number, 0: the one the caller got; None where nobody can read it any more."""


@dataclass(frozen=True, slots=True)
class Side:
    """One bundle and what it decides about the call."""

    bundle: Bundle
    facts: Facts
    decision: Decision

    def action(self, answer: AnswerFacts, text: str) -> Action | None:
        """What happens with an answer; None where that hangs on what was never measured."""
        plan = self.decision.plan
        if plan is None or plan.checks is None:
            return "next" if answer.error_class else "accept"
        checks = plan.checks
        said = {one.validator for one in answer.validators}
        if not answer.error_class and set(checks.validators) - said:
            return None
        if answer.tier >= len(checks.tiers):
            return None
        if checks.method not in ("", answer.method):
            return None
        kept = tuple(one for one in answer.validators if one.validator in checks.validators)
        asked = msgspec.structs.replace(answer, validators=kept)
        return weigh(self.bundle, self.facts, asked, output_of(text)).action


def weigh_again(
    base: Side, draft: Side, recorded: Sequence[Answer], said: Said
) -> tuple[Fate, tuple[str, ...]]:
    """What becomes of the call's answers under the draft, compared with the base; and what is missing, where they are gone."""
    if not recorded:
        return _only(base, draft, said)
    for one in recorded:
        try:
            answer = decode_facts(one.facts)
        except InvalidRequest:
            return GONE, ("facts of the answer",)
        spoken = Spoken("") if answer.error_class else said(one.no)
        if spoken is None:
            return GONE, (ERASED,)
        fate = _fate(base.action(answer, spoken.text), draft.action(answer, spoken.text))
        if fate is not None:
            return fate, ()
    return SAME, ()


def _only(base: Side, draft: Side, said: Said) -> tuple[Fate, tuple[str, ...]]:
    """An answer that nobody weighed: it went to the caller as it came."""
    spoken = said(0)
    if spoken is None:
        return GONE, (ERASED,)
    plan = draft.decision.plan
    tiers = plan.checks.tiers if plan and plan.checks else ()
    answer = AnswerFacts(
        of="",
        tier=0,
        last=len(tiers) < 2,
        attempts=1,
        finish_reason=spoken.finish_reason,
        tokens=spoken.tokens,
    )
    fate = _fate(base.action(answer, spoken.text), draft.action(answer, spoken.text))
    return fate or SAME, ()


def _fate(was: Action | None, now: Action | None) -> Fate | None:
    """What the two actions come to; None: both go on to the next answer."""
    if was is None or now is None:
        return UNKNOWN
    if was == now:
        return SAME if now in _LAST else None
    if now in ("next", "repair"):
        return UNKNOWN
    if now == "accept":
        return "permitted" if was in ("escalate", "reject") else "rerouted"
    return "held" if now == "escalate" else "denied"
