"""What happens with one tool that an answer asks for, before the caller sees the answer. Part of `weigh`; pure.

What it is asked with is content: it enters as a value that no record holds. Its risk is what the published Tool says.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from policies.engine.answer import output_of
from policies.engine.bundle import Key, key_of
from policies.engine.checking import UNKNOWN, Asking, held
from policies.engine.decision import NO_PERMIT, Hold, Lifted, RuleRef
from policies.engine.deliberation import CallView, built_in
from policies.engine.facts import Count, Fact
from policies.engine.lifting import lifts, of_rule
from policies.engine.rules import Outcome, Rule
from policies.engine.schema import TOOL
from policies.engine.values import Erred, Value

_FORBIDDEN: Final = "the answer asks for a tool that it may not have: {}"
_FAILED: Final = 'the rule "{}" could not be evaluated{}, so it forbids'
_TELLING: Final = {f"{declared.name} is not known" for declared in TOOL}
"""What may be said of an error: the words of any other may quote arguments."""


class ToolFacts(Fact, frozen=True, kw_only=True):
    """Which of an answer's tool calls, from 0, and which model asks. `name` is empty where no Tool document has it.

    The facts around it commit to its name and arguments.
    """

    number: Count
    model: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of it. `owner` is who a denial names, `forbidden` why not: no word of content, empty for no reason."""

    rules: tuple[RuleRef, ...]
    forbidden: str = ""
    hold: Hold | None = None
    owner: str = ""
    advisories: tuple[RuleRef, ...] = ()
    errors: tuple[RuleRef, ...] = ()
    lifted: tuple[Lifted, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A tool call as its answer has it: content. `arguments` are unknown where they are no JSON that reads one way only."""

    name: str
    arguments: Value = field(default=UNKNOWN, repr=False)


def wanted_of(said: Value) -> Wanted:
    """From the value of what is sealed beside the record: `{"arguments": …, "json": …, "name": …}`."""
    found: Any = said
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        return Wanted("")
    text = found.get("arguments")
    if not isinstance(text, str):
        return Wanted(found["name"])
    return Wanted(found["name"], _arguments(text) if found.get("json") is True else text)


def _arguments(text: str) -> Value:
    """The value of what a model wrote; no arguments at all are an empty object."""
    written = text.strip() or "{}"
    value = output_of(written).json
    known = (value is not None or written == "null") and not _twice(written)
    return value if known else UNKNOWN


def _twice(text: str) -> bool:
    """Whether some member stands twice: whoever runs the tool might read the other one."""
    seen: list[bool] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        seen.append(len(made) < len(found))
        return made

    json.loads(text, object_pairs_hook=pairs)
    return any(seen)


def weigh(view: CallView, tool: ToolFacts, wanted: Wanted) -> Verdict:
    """Whether the answer may ask for it.

    1. Permissions that forbid it, and each level that permits tools and not this one: then nobody sees the answer.
    2. A person, by a rule of stage `tool`, by a permit that asks for a hold, or since the tool is never without one.
    """
    stage, scope = _Stage(view, tool, wanted), view.scope
    found = list(stage.outcomes(scope.tool_rules))
    asking = list(stage.outcomes(rule for rule in scope.escalations if rule.on == "tool"))
    lifted = {id(rule): one for rule, outcome in found for one in stage.lifted(rule, outcome)}
    against = [(r, o) for r, o in found if r.blocks and id(r) not in lifted]
    refs = tuple(stage.ref(*one) for one in against)
    reasons = [stage.says(*one) for one in against]
    missing = list(stage.missing(found))
    if missing:
        refs, reasons = (*refs, built_in(NO_PERMIT)), reasons + missing
    hold = None if refs else stage.hold(found, asking)
    owner = next((rule.owner for rule, _ in against if rule.owner), "")
    permits = tuple(stage.ref(r, o) for r, o in found if r.effect == "permit" and o is True)
    return Verdict(
        rules=refs or (hold.rules if hold else permits),
        forbidden=_FORBIDDEN.format("; ".join(reasons)) if refs else "",
        hold=hold,
        owner=(owner or str(view.use_case.spec["owner"])) if refs else "",
        advisories=tuple(stage.ref(r, o) for r, o in found if r.level == "advisory" and o is True),
        errors=tuple(stage.ref(r, o) for r, o in (*found, *asking) if isinstance(o, Erred)),
        lifted=tuple(lifted.values()),
    )


@dataclass(frozen=True, slots=True)
class Held:
    """One rule held against a tool: what it came to, and what it saw. `shown` has no word of content."""

    rule: Rule
    outcome: Outcome
    seen: Asking
    shown: Asking
    lifted: Lifted | None = None
    message: str = ""


def held_against(view: CallView, tool: ToolFacts, wanted: Wanted) -> Iterator[Held]:
    """Every rule that has a say about tools in this scope, matching or not; Permissions first."""
    stage, scope = _Stage(view, tool, wanted), view.scope
    for rule in (*scope.tool_rules, *(r for r in scope.escalations if r.on == "tool")):
        seen = stage.seen(rule)
        outcome = rule.holds(view.environment, seen)
        lifted = next(stage.lifted(rule, outcome), None)
        says = rule.effect == "forbid" and outcome is not False and lifted is None
        message = stage.says(rule, outcome) if says else stage.why(outcome)
        yield Held(rule, outcome, seen, stage.shown(rule), lifted, message)


@dataclass(frozen=True, slots=True)
class _Stage:
    view: CallView
    tool: ToolFacts
    wanted: Wanted

    def outcomes(self, rules: Iterable[Rule]) -> Iterator[tuple[Rule, Outcome]]:
        """The rules that hold or cannot be evaluated."""
        for rule in rules:
            outcome = rule.holds(self.view.environment, self.seen(rule))
            if outcome is not False:
                yield rule, outcome

    def seen(self, rule: Rule) -> Asking:
        """What a rule decides on."""
        return Asking((self.wanted.name, self._risk(rule), self.wanted.arguments))

    def _risk(self, rule: Rule) -> Any:  # noqa: ANN401  # a text, or UNKNOWN
        """What a rule's own level says of it first: a tenant's Tool hides none of the organisation from its rules."""
        tenant, documents = self.view.facts.tenant, self.view.bundle.documents
        for level in (tenant, "") if rule.tenant else ("", tenant):
            document = documents.get(("Tool", level, self.wanted.name))
            if document is not None:
                return document.spec["risk"]
        return UNKNOWN

    def ref(self, rule: Rule, outcome: Outcome) -> RuleRef:
        """The rule with the line that decided."""
        return rule.ref(outcome, self.view.environment, self.seen(rule))

    def says(self, rule: Rule, outcome: Outcome) -> str:
        """The rule in words. One that would say what the tool is asked with says its name alone."""
        if isinstance(outcome, Erred):
            why = self.why(outcome)
            return _FAILED.format(rule.name, f" ({why})" if why else "")
        return rule.says(outcome, self.view.environment, self.shown(rule))

    def shown(self, rule: Rule) -> Asking:
        """What may be told of it: no argument, and no name that only the caller has."""
        return Asking((self.tool.name or UNKNOWN, self._risk(rule), UNKNOWN))

    def why(self, outcome: Outcome) -> str:
        """What may be told of an error; nothing of what is none."""
        known = isinstance(outcome, Erred) and outcome.message in _TELLING
        return outcome.message if known and isinstance(outcome, Erred) else ""

    def lifted(self, rule: Rule, outcome: Outcome) -> Iterator[Lifted]:
        """The exception that lifts it, for the model that asks."""
        model = self.view.bundle.models.get(key_of(self.tool.model))
        one = lifts(self.view.exceptions, rule, outcome, model) if rule.blocks else None
        if one is not None:
            yield of_rule(one, rule, (self.view.environment, self.seen(rule)), self.tool.model)

    def missing(self, found: Iterable[tuple[Rule, Outcome]]) -> Iterator[str]:
        """Each level that permits some tools, and not this one, in words."""
        permitted = {r.tenant for r, o in found if r.effect == "permit" and o is True}
        levels = {r.tenant for r in self.view.scope.tool_rules if r.effect == "permit"}
        for level in sorted(levels - permitted):
            whose = f'tenant "{level}"' if level else "the organisation"
            yield f"no permission of {whose} permits it"

    def hold(
        self, found: Iterable[tuple[Rule, Outcome]], asking: Iterable[tuple[Rule, Outcome]]
    ) -> Hold | None:
        """The first queue that is asked, and everything that asks for a person."""
        desks: list[tuple[Key, RuleRef]] = [(r.queue, self.ref(r, o)) for r, o in asking]
        for rule, outcome in found:
            if outcome is True and rule.obligations is not None and rule.obligations.hold:
                desks.append((key_of(rule.obligations.hold), self.ref(rule, outcome)))
        queue = self.view.scope.approvals.get(self.wanted.name)
        if queue is not None:
            desks.append((queue, approval(self.view, self.wanted)))
        return held(desks[0][0], tuple(ref for _, ref in desks)) if desks else None


def approval(view: CallView, wanted: Wanted) -> RuleRef:
    """The Tool document that sends it to a person each time."""
    whole = wanted.name in view.bundle.approvals.get("", {})
    tenant = "" if whole else view.facts.tenant
    return RuleRef(kind="Tool", tenant=tenant, name=wanted.name)
