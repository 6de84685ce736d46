"""What happens with an answer: a pure function of bundle, facts and answer, as `decide` is of bundle and facts.

What was measured (confidence, what validators said) is a fact; what the answer says enters as a value that no record
holds: its text lies in the vault, the facts have its commitment.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Final, Literal

import msgspec

from controlplane.kernel.errors import InvalidRequest
from policies.engine import tool_stage
from policies.engine.answer import Output
from policies.engine.bundle import Bundle, Key, TierView, ValidatorView, key_of
from policies.engine.checking import UNKNOWN, Answered, held, may_hold, may_hold_failure
from policies.engine.decide import deliberate
from policies.engine.decision import ENGINE, Effect, Hold, Lifted, Part, RuleRef
from policies.engine.deliberation import CallView, Deliberation, built_in
from policies.engine.facts import Count, Fact, Facts
from policies.engine.older import OLDER
from policies.engine.rules import Outcome, Rule
from policies.engine.tool_stage import ToolFacts
from policies.engine.values import Erred

Action = Literal["accept", "next", "repair", "reject", "escalate"]
_EFFECTS: Final[dict[Action, Effect]] = {
    "accept": "permit", "next": "deny", "repair": "deny", "reject": "deny", "escalate": "escalate",
}  # fmt: skip
_STRICTEST: Final = ("reject", "escalate", "repair", "next")


Confidence = Annotated[str, msgspec.Meta(pattern=r"^([0-9]{1,3}(\.[0-9]{1,20})?(e-[0-9]{1,3})?)?$")]


class Checked(Fact, frozen=True, kw_only=True):
    """What one validator said; `validator` is `name` or `tenant/name`."""

    validator: str
    passed: bool


class AnswerFacts(Fact, frozen=True, kw_only=True):
    """What is known of one answer, content-free. `of` is the digest of the `request` decision it is weighed under.

    `tier` counts from 0; `last`: no later tier has a model. `error_class` is that of a tier none of whose models
    answered. `confidence` is a decimal, empty where it could not be measured. `output` commits to the text; at stage
    `tool` these are the facts of the answer that asks for `tool`, and `output` commits to what it asks.
    """

    of: str
    tier: Count
    last: bool
    attempts: Count
    repairs: Count = 0
    error_class: str = ""
    finish_reason: str = ""
    tokens: Count = 0
    method: str = ""
    confidence: Confidence = ""
    validators: tuple[Checked, ...] = ()
    output: str = ""
    tool: ToolFacts | msgspec.UnsetType = msgspec.UNSET


class Weighed(Part, frozen=True, kw_only=True):
    """What happens with an answer, and the rules that made it so; `effect` is the action's in the words of a decision.

    At stage `tool` it is what happens with one tool that it asks for; `owner`, `advisories` and `lifted` are of that stage.
    """

    stage: Literal["response", "failure", "tool"]
    action: Action
    effect: Effect
    determining: tuple[RuleRef, ...]
    hold: Hold | None = None
    errors: tuple[RuleRef, ...] = ()
    message: str = ""
    owner: str = ""
    advisories: tuple[RuleRef, ...] = ()
    lifted: tuple[Lifted, ...] = ()
    revision: int
    bundle: str
    digest: bytes = b""


def weigh(bundle: Bundle, facts: Facts, answer: AnswerFacts, output: Output) -> Weighed:
    """Weigh one answer, or the failure of a tier. Raises InvalidRequest where the call has no plan.

    1. A tier that failed: the next one; after the last a rule of stage `failure`, else `otherwise`.
    2. Validators: the strictest wish of those that failed.
    3. The tier's condition: what is not accepted goes to the next tier, else to `otherwise`.
    4. Rules of stage `response`, and a hold that a permission asks for.

    With `answer.tool` it weighs one tool that the answer asks for instead: see `tool_stage`.
    """
    if bundle.engine != ENGINE:
        older: Weighed = OLDER[bundle.engine].weigh(bundle, facts, answer, output)
        return older
    to = deliberate(bundle, facts)
    if to.view is None or to.checks is None:
        raise InvalidRequest("this call has no answer that could be weighed")
    _must_know(to.view, answer)
    if answer.tool is not msgspec.UNSET:
        return _digested(_tool(bundle, to.view, answer.tool, output))
    weighing = _Weighing(to, to.view, answer, environment_of(answer, output))
    found = weighing.weigh()
    return _digested(_answer(bundle, answer, found))


def _answer(bundle: Bundle, answer: AnswerFacts, found: "_Found") -> Weighed:
    return Weighed(
        stage="failure" if answer.error_class else "response",
        action=found.action,
        effect=_EFFECTS[found.action],
        determining=found.rules,
        hold=found.hold,
        errors=tuple(r for r in found.rules if r.error),
        message=found.message,
        revision=bundle.revision,
        bundle=bundle.digest,
    )


def _tool(bundle: Bundle, view: CallView, tool: ToolFacts, output: Output) -> Weighed:
    found = tool_stage.weigh(view, tool, tool_stage.wanted_of(output.json))
    action: Action = "reject" if found.forbidden else "escalate" if found.hold else "accept"
    return Weighed(
        stage="tool",
        action=action,
        effect=_EFFECTS[action],
        determining=found.rules,
        hold=found.hold,
        errors=found.errors,
        message=found.forbidden,
        owner=found.owner,
        advisories=found.advisories,
        lifted=found.lifted,
        revision=bundle.revision,
        bundle=bundle.digest,
    )


def _digested(weighed: Weighed) -> Weighed:
    return msgspec.structs.replace(weighed, digest=sha256(encode(weighed)).digest())


def _must_know(view: CallView, answer: AnswerFacts) -> None:
    """What an answer names is there. Raises InvalidRequest."""
    unknown = [
        c.validator for c in answer.validators if key_of(c.validator) not in view.bundle.validators
    ]
    if unknown:
        raise InvalidRequest(f"there is no validator {unknown[0]!r}")
    if view.route.tiers and answer.tier >= len(view.route.tiers):
        raise InvalidRequest(f"the route has no tier {answer.tier + 1}")


def environment_of(answer: AnswerFacts, output: Output) -> Answered:
    """The variables of an answer, in the order of schema.ANSWER."""
    known = not answer.error_class
    return Answered(
        (
            float(answer.confidence) if answer.confidence else UNKNOWN,
            answer.method,
            output.json if known else UNKNOWN,
            output.text if known else UNKNOWN,
            answer.finish_reason,
            answer.tokens,
            answer.attempts,
            answer.error_class,
        )
    )


@dataclass(frozen=True, slots=True)
class _Found:
    action: Action
    rules: tuple[RuleRef, ...]
    message: str = ""
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class _Weighing:
    to: Deliberation
    view: CallView
    answer: AnswerFacts
    environment: Answered

    def weigh(self) -> _Found:
        if self.answer.error_class:
            return self._by_failure()
        return self._by_validators() or self._by_acceptance() or self._by_rules()

    def _by_failure(self) -> _Found:
        """A person by a rule, where the plan ends here; what a model refused as it stands has no other way."""
        ref, words = (
            built_in("failed"),
            f"no model of the last tier answered ({self.answer.error_class})",
        )
        holding = self._holding(may_hold_failure(self.view)) if self.answer.last else []
        if holding:
            return self._held(holding)
        if self.answer.error_class == "refused_request":
            return _Found("reject", (ref,), words)
        return self._on(ref, words)

    def _by_validators(self) -> _Found | None:
        """What the strictest of the failed validators wants; what was repaired once is not repaired again."""
        views = self.view.bundle.validators
        failed = [views[key_of(c.validator)] for c in self.answer.validators if not c.passed]
        if not failed:
            return None
        wishes = {v.on_failure for v in failed}
        if self.answer.repairs:
            wishes = {"next" if wish == "repair" else wish for wish in wishes}
        wish = next(w for w in _STRICTEST if w in wishes)
        refs = tuple(_ref("Validator", v.key) for v in failed)
        words = f"the answer fails {', '.join(v.key[1] for v in failed)}"
        queue = self._queue(failed)
        if wish == "escalate" and queue:
            return _Found("escalate", refs, words, held(queue, refs, words))
        if wish == "next":
            return self._on(refs[0], words, refs)
        return _Found("repair" if wish == "repair" else "reject", refs, words)

    def _queue(self, failed: list[ValidatorView]) -> Key | None:
        return next((v.queue for v in failed if v.on_failure == "escalate"), None)

    def _by_acceptance(self) -> _Found | None:
        tier = self._tier()
        if tier is None or tier.accept is None:
            return None
        call, item = self.view.environment, self.environment
        outcome = tier.accept.evaluate(call, item)
        if outcome is True:
            return None
        line = tier.accept.deciding_line(call, item)
        error = outcome.message if isinstance(outcome, Erred) else ""
        ref = _ref("Route", self.view.route.key, line, error)
        return self._on(ref, f"tier {self.answer.tier + 1} was not accepted")

    def _tier(self) -> TierView | None:
        tiers = self.view.route.tiers
        return tiers[self.answer.tier] if tiers else None

    def _on(self, ref: RuleRef, words: str, refs: tuple[RuleRef, ...] = ()) -> _Found:
        """To the next tier; after the last one to `otherwise`, else the answer is refused."""
        rules = refs or (ref,)
        if not self.answer.last:
            return _Found("next", rules, words)
        otherwise = self.view.route.otherwise
        if otherwise is None:
            return _Found("reject", rules, words)
        rules = (*rules, _ref("Route", self.view.route.key))
        return _Found("escalate", rules, words, held(otherwise, rules, words))

    def _holding(self, rules: tuple[Rule, ...]) -> list[tuple[Rule, Outcome]]:
        """Those that hold, or cannot be evaluated: a person decides then."""
        call, item = self.view.environment, self.environment
        outcomes = [(rule, rule.holds(call, item)) for rule in rules]
        return [(rule, outcome) for rule, outcome in outcomes if outcome is not False]

    def _held(self, holding: list[tuple[Rule, Outcome]]) -> _Found:
        call, item = self.view.environment, self.environment
        refs = tuple(rule.ref(outcome, call, item) for rule, outcome in holding)
        return _Found("escalate", refs, hold=held(holding[0][0].queue, refs))

    def _by_rules(self) -> _Found:
        call, item = self.view.environment, self.environment
        holding = self._holding(may_hold(self.view))
        if holding:
            return self._held(holding)
        if self.to.obligations.hold:
            refs = tuple(_holding(self.to))
            return _Found("escalate", refs, hold=held(key_of(self.to.obligations.hold), refs))
        tier = self._tier()
        if tier is None or tier.accept is None:
            return _Found("accept", ())
        line = tier.accept.deciding_line(call, item)
        return _Found("accept", (_ref("Route", self.view.route.key, line),))


def _holding(to: Deliberation) -> Iterator[RuleRef]:
    """The permits that ask for a hold."""
    call = to.view.environment if to.view else ()
    for rule, outcome in to.held:
        if _asks_for_hold(rule, outcome):
            yield rule.ref(outcome, call)
    for found in to.considered:
        for rule, outcome in found.held:
            if found.candidate and _asks_for_hold(rule, outcome):
                yield rule.ref(outcome, call, found.model.environment)


def _asks_for_hold(rule: Rule, outcome: Outcome) -> bool:
    return outcome is True and rule.obligations is not None and bool(rule.obligations.hold)


def _ref(kind: str, key: Key, line: int = 0, error: str = "") -> RuleRef:
    return RuleRef(kind=kind, tenant=key[0], name=key[1], line=line, error=error)


_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(AnswerFacts)


def encode(weighed: Weighed) -> bytes:
    """Canonical JSON (RFC 8785) without `revision` and the digest itself."""
    # INVARIANT: every key is ASCII and no value is a float, so that sorting by code points is RFC 8785's order
    tool: dict[str, object] = {}
    if weighed.stage == "tool":
        tool = {"advisories": weighed.advisories, "lifted": weighed.lifted, "owner": weighed.owner}
    return _encoder.encode(
        tool
        | {
            "action": weighed.action,
            "bundle": weighed.bundle,
            "determining": weighed.determining,
            "effect": weighed.effect,
            "engine": ENGINE,
            "errors": weighed.errors,
            "hold": weighed.hold,
            "message": weighed.message,
            "stage": weighed.stage,
        }
    )


def encode_facts(answer: AnswerFacts) -> bytes:
    """Canonical JSON of the facts: what the record holds."""
    return _encoder.encode(answer)


def decode_facts(text: bytes) -> AnswerFacts:
    """The reverse of `encode_facts`. Raises InvalidRequest."""
    try:
        return _decoder.decode(text)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"these are not facts of an answer: {error}") from error
