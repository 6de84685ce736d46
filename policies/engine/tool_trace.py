"""Why a tool that an answer asks for was allowed, forbidden or held: every rule that has a say, with its atoms. Pure.

Arguments are content: what an atom read of them decides, and is not told.
"""

from policies.engine import tool_stage
from policies.engine.answer import Output
from policies.engine.bundle import Bundle, label
from policies.engine.decide import deliberate
from policies.engine.decision import ENGINE
from policies.engine.deliberation import CallView
from policies.engine.explain import Atoms, Considering, outcome_word
from policies.engine.facts import Facts
from policies.engine.rules import Environment
from policies.engine.tool_stage import Held, ToolFacts, Wanted
from policies.engine.values import Erred


def trace_tool(
    bundle: Bundle, facts: Facts, tool: ToolFacts, output: Output
) -> tuple[Considering, ...]:
    """The rules held against one tool; none where an engine decided that had no such stage, or the call has no plan."""
    view = deliberate(bundle, facts).view if bundle.engine == ENGINE else None
    if view is None:
        return ()
    wanted = tool_stage.wanted_of(output.json)
    rules = (
        _line(one, view.environment, tool) for one in tool_stage.held_against(view, tool, wanted)
    )
    approved = wanted.name in view.scope.approvals
    return (*rules, *([_approval(view, wanted, tool)] if approved else []))


def _line(one: Held, call: Environment, tool: ToolFacts) -> Considering:
    rule, outcome = one.rule, one.outcome
    erring = isinstance(outcome, Erred) and (rule.blocks or rule.effect == "escalate")
    holds = (outcome is True or erring) and one.lifted is None
    atoms = Atoms(shown=(call, one.shown))
    return Considering(
        kind=rule.kind,
        tenant=rule.tenant,
        name=rule.name,
        effect=rule.effect,
        level=rule.level,
        on=rule.on,
        model=tool.model,
        outcome=outcome_word(outcome),
        counted=holds and rule.level != "advisory",
        message=one.message,
        owner=rule.owner,
        file=rule.file,
        line=rule.ref(outcome, call, one.seen).line,
        atoms=atoms.of(rule.when, (call, one.seen)) if rule.when else (),
        lifted=label((one.lifted.exception_tenant, one.lifted.exception)) if one.lifted else "",
    )


def _approval(view: CallView, wanted: Wanted, tool: ToolFacts) -> Considering:
    """The Tool itself, which is never without a person."""
    ref = tool_stage.approval(view, wanted)
    return Considering(
        kind=ref.kind,
        tenant=ref.tenant,
        name=ref.name,
        effect="escalate",
        level="",
        on="tool",
        model=tool.model,
        outcome="true",
        counted=True,
        message="",
        owner="",
        file="",
        line=0,
        atoms=(),
    )
