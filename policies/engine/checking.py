"""What stands between a model's answer and the caller, as a plan says it, and what sends a call to a person beforehand."""

from collections.abc import Iterator
from typing import Any, ClassVar

from policies.engine.bundle import BudgetView, TierView, label
from policies.engine.decision import Checks, Hold, RuleRef, Tier
from policies.engine.deliberation import CallView, Considered, Deliberation
from policies.engine.rules import Rule
from policies.engine.schema import ANSWER, TOOL, Declared
from policies.engine.values import CelError, Value

UNKNOWN: Any = object()
"""The value of a variable that nobody knows: a condition that needs it is an error."""


class Answered(tuple[Any, ...]):
    """The variables of an answer by their place; reading one that is not known raises CelError."""

    __slots__ = ()
    declared: ClassVar[tuple[Declared, ...]] = ANSWER

    def __getitem__(self, index: Any) -> Value:  # noqa: ANN401  # as tuple's own
        value = super().__getitem__(index)
        if value is UNKNOWN:
            raise CelError(f"{self.declared[index].name} is not known")
        return value


class Asking(Answered):
    """The variables of a tool that an answer asks for."""

    __slots__ = ()
    declared = TOOL


NO_ANSWER = Answered(UNKNOWN for _ in ANSWER)
NO_TOOL = Asking(UNKNOWN for _ in TOOL)


def may_hold(view: CallView) -> tuple[Rule, ...]:
    """The rules of stage `response` that could hold this call's answer.

    A rule that is false whatever the answer says is left out: its call need not be buffered for it.
    """
    return _possible(view, "response")


def may_hold_failure(view: CallView) -> tuple[Rule, ...]:
    """The rules of stage `failure` that could hold this call where no model answers it."""
    return _possible(view, "failure")


def may_ask(view: CallView) -> tuple[str, ...]:
    """The documents that may have a say about a tool that this call's answer asks for; none where it offers no tool.

    A model asks for nothing that it was not offered: a call without tools is not held back for them.
    """
    asked, scope = view.facts.request, view.scope
    if not (asked.tools or asked.tools_committed or "tools" in asked.needs):
        return ()
    call = view.environment
    rules = [
        rule
        for rule in (*scope.tool_rules, *(r for r in scope.escalations if r.on == "tool"))
        # once there is a permit, what it does not match is denied
        if rule.effect == "permit" or rule.holds(call, NO_TOOL) is not False
    ]
    approved = [f"Tool {name}" for name in sorted(scope.approvals) if name in asked.tools]
    return (*(f"{rule.kind} {label(rule.key)}" for rule in rules), *approved)


def _possible(view: CallView, stage: str) -> tuple[Rule, ...]:
    call = view.environment
    return tuple(
        rule
        for rule in view.scope.escalations
        if rule.on == stage and rule.holds(call, NO_ANSWER) is not False
    )


def checks_of(to: Deliberation, view: CallView) -> Checks | None:
    """What the answers of this call must pass; None for nothing."""
    route, rules = view.route, (*may_hold(view), *may_hold_failure(view))
    owed, tools = to.obligations, may_ask(view)
    checked = route.tiers or route.validators or rules or owed.hold or owed.redact_answers or tools
    if not checked:
        return None
    return Checks(
        tiers=tuple(_tiers(to, view)),
        method=route.method,
        samples=route.samples,
        validators=tuple(label(key) for key in route.validators),
        escalations=tuple(label(rule.key) for rule in rules),
        otherwise=label(route.otherwise),
        hold=owed.hold,
        tools=tools,
    )


def _tiers(to: Deliberation, view: CallView) -> Iterator[Tier]:
    """The tiers of a cascade; elsewhere each model is one, so that `next` means the next model."""
    planned = [found for found in to.considered if found.candidate]
    if not view.route.tiers:
        yield from (Tier(steps=(number,)) for number in range(len(planned)))
        return
    for tier in view.route.tiers:
        steps = tuple(n for n, found in enumerate(planned) if _stands_in(found, tier))
        yield Tier(steps=steps, conditional=tier.accept is not None)


def _stands_in(found: Considered, tier: TierView) -> bool:
    return any(key in tier.models for key in found.named)


def before_models(to: Deliberation, view: CallView) -> Hold | None:
    """Who must look before any model is asked; a rule that errs sends the call to a person."""
    call = view.environment
    found = [(r, o) for r, o in to.escalations if o is not False]
    refs = tuple(rule.ref(outcome, call) for rule, outcome in found)
    short = _exhausted(view)
    if not found and not short:
        return None
    poor = tuple(RuleRef(kind="Budget", tenant=b.key[0], name=b.key[1]) for b in short)
    if found:
        return held(found[0][0].queue, (*refs, *poor))
    names = ", ".join(budget.key[1] for budget in short)
    queue = short[0].queue or ("", "")
    return held(queue, poor, f"no money is left for this call in {names}")


def _exhausted(view: CallView) -> list[BudgetView]:
    """The budgets that bind the call, have no money for it, and ask for a person; narrow to wide."""
    named = view.facts.exhausted
    if not isinstance(named, tuple) or not named:
        return []
    return [b for b, _ in view.budgets if b.queue is not None and label(b.key) in named]


def held(queue: tuple[str, str], rules: tuple[RuleRef, ...], why: str = "") -> Hold:
    """A hold in words."""
    names = ", ".join(dict.fromkeys(rule.name for rule in rules))
    words = why or f"the rule {names} asks for a person"
    return Hold(
        queue=queue[1],
        queue_tenant=queue[0],
        rules=rules,
        message=f"{words}; it waits at {label(queue)}",
    )
