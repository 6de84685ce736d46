"""PURE: answers weighed again under two bundles. Only what they said decides; where that is not enough, nobody knows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from controlplane.kernel.errors import InvalidRequest
from policies.engine.answer import output_of
from policies.engine.bundle import Bundle, key_of
from policies.engine.decision import Checks, Decision
from policies.engine.facts import Facts
from policies.engine.tool_stage import ToolFacts
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
    tools: tuple[str, ...] = ()
    """Each tool that it asks for, as it would be sealed beside a decision about it."""


Asked = tuple[AnswerFacts, str]
"""One tool that an answer asks for: its facts, and what is sealed beside them."""
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

    @property
    def about_tools(self) -> bool:
        """Whether some rule may have a say about the tools that an answer asks for."""
        plan = self.decision.plan
        return plan is not None and plan.checks is not None and bool(plan.checks.tools)

    def whole(self, answer: AnswerFacts, text: str, tools: Sequence[Asked]) -> Action | None:
        """What happens with an answer and the tools that it asks for: one that is forbidden takes the answer with it."""
        action = self.action(answer, text)
        if action not in ("accept", "escalate") or not self.about_tools:
            return action
        # what validators said is no fact of a tool, and the bundle may not have them
        found = {
            weigh(
                self.bundle,
                self.facts,
                msgspec.structs.replace(facts, validators=()),
                output_of(said),
            ).action
            for facts, said in tools
        }
        return "reject" if "reject" in found else "escalate" if "escalate" in found else action


def weigh_again(
    base: Side, draft: Side, recorded: Sequence[Answer], said: Said
) -> tuple[Fate, tuple[str, ...]]:
    """What becomes of the call's answers under the draft, compared with the base; and what is missing, where they are gone."""
    if not recorded:
        return _only(base, draft, said)
    try:
        found = _grouped(recorded)
    except InvalidRequest:
        return GONE, ("facts of the answer",)
    for at, (no, answer, numbers) in enumerate(found):
        spoken = Spoken("") if answer.error_class else said(no)
        asked = _asked(numbers, said)
        if not numbers and at == len(found) - 1 and (base.about_tools or draft.about_tools):
            asked = _delivered(answer, said)
        if spoken is None or asked is None:
            return GONE, (ERASED,)
        was, now = (side.whole(answer, spoken.text, asked) for side in (base, draft))
        fate = _fate(was, now)
        if fate is not None:
            return fate, ()
    return SAME, ()


def _grouped(
    recorded: Sequence[Answer],
) -> list[tuple[int, AnswerFacts, list[tuple[int, AnswerFacts]]]]:
    """Each answer with the tools that it was weighed for. Raises InvalidRequest."""
    found: list[tuple[int, AnswerFacts, list[tuple[int, AnswerFacts]]]] = []
    for one in recorded:
        facts = decode_facts(one.facts)
        if facts.tool is msgspec.UNSET or not found:
            found.append((one.no, facts, []))
        else:
            found[-1][2].append((one.no, facts))
    return found


def _asked(numbers: Sequence[tuple[int, AnswerFacts]], said: Said) -> list[Asked] | None:
    """The tools that were weighed with an answer; None where what they were asked with is gone."""
    texts = [(facts, said(no)) for no, facts in numbers]
    if any(spoken is None for _, spoken in texts):
        return None
    return [(facts, spoken.text) for facts, spoken in texts if spoken is not None]


def _delivered(answer: AnswerFacts, said: Said) -> list[Asked] | None:
    """The tools of an answer that went out before any rule looked at them; None where it is gone."""
    spoken = said(0)
    if spoken is None:
        return None if answer.finish_reason == "tool_calls" else []
    return [
        (msgspec.structs.replace(answer, tool=ToolFacts(number=number, model="")), text)
        for number, text in enumerate(spoken.tools)
    ]


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
    asked = _delivered(answer, said) or []
    was, now = (side.whole(answer, spoken.text, asked) for side in (base, draft))
    return _fate(was, now) or SAME, ()


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


def hangs_on(bundle: Bundle, checks: Checks | None, facts: Facts) -> object:
    """Everything that an answer's fate hangs on."""
    if checks is None:
        return None
    found = bundle.routes.get((facts.tenant, facts.route)) or bundle.routes["", facts.route]
    spec = bundle.documents["Route", *found.key].spec
    tiers = spec["strategy"].get("tiers") if found.tiers else None
    return (
        tiers,
        spec["strategy"].get("otherwise"),
        spec["confidence"],
        checks.hold,
        [bundle.documents["EscalationRule", *key_of(name)].spec for name in checks.escalations],
        [bundle.documents["Validator", *key_of(name)].spec for name in checks.validators],
        _about_tools(bundle, checks, facts.tenant),
    )


def _about_tools(bundle: Bundle, checks: Checks, tenant: str) -> object:
    """What the fate of a tool hangs on: the rules that may have a say, what lifts them, and what is said of tools."""
    if not checks.tools:
        return None
    named = (name.partition(" ") for name in checks.tools)
    rules = [
        bundle.documents[kind, *key_of(name)].spec for kind, _, name in named if kind != "Tool"
    ]
    others = [
        (key, document.spec)
        for key, document in bundle.documents.items()
        if key[0] in ("Tool", "Exception") and key[1] in ("", tenant)
    ]
    return (checks.tools, rules, others)
