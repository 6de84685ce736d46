"""Why: every rule that was considered with its outcome, the atoms of its condition, and each model's fate.

A decision is deterministic, so its explanation is made again from the bundle and the facts, only when somebody asks.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from policies.engine.bundle import Bundle, label
from policies.engine.decide import decide, deliberate
from policies.engine.decision import ENGINE, Decision, Dropped
from policies.engine.deliberation import CallView, Considered, Deliberation
from policies.engine.facts import Facts
from policies.engine.lifting import lifts
from policies.engine.older import OLDER
from policies.engine.rules import NOTHING, VARIABLES, Environment, Expression, Outcome, Rule
from policies.engine.schema import ANSWER, EVERYWHERE, INPUT, MODEL
from policies.engine.values import Erred, Moment, moment_text
from policies.engine.wire import Node, walk

_ORDER = {
    d.name: (which, i)
    for which, declared in ((0, EVERYWHERE), (1, MODEL), (1, ANSWER), (1, INPUT))
    for i, d in enumerate(declared)
}


class Atom(msgspec.Struct, frozen=True, rename="camel"):
    """A part of a condition without `&&`, `||`, `!` around it. `outcome` is true, false, skipped or error."""

    text: str
    line: int
    outcome: str
    inputs: dict[str, Any]


class Considering(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One rule. `model` is empty for a rule on the call. `counted` says whether the outcome bound the call or the model."""

    kind: str
    tenant: str
    name: str
    effect: str
    level: str
    on: str
    model: str
    outcome: str
    counted: bool
    message: str
    owner: str
    file: str
    line: int
    atoms: tuple[Atom, ...]
    lifted: str = ""
    """The Exception that lifted it; empty where it binds."""


class Choosing(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One model of the route, in order: in the plan, dropped with the reasons, or never reached because the call was denied.

    `tiers` has the tiers of a cascade it stands in, counted from 1.
    """

    model: str
    fate: str
    reasons: tuple[Dropped, ...]
    max_output_tokens: int
    amount_nano: str
    tiers: tuple[int, ...] = ()


class Trace(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A decision with everything that was considered on the way."""

    decision: Decision
    rules: tuple[Considering, ...]
    models: tuple[Choosing, ...]


def trace(bundle: Bundle, facts: Facts) -> Trace:
    """The explanation of the decision that these facts have."""
    if bundle.engine != ENGINE:
        older: Trace = OLDER[bundle.engine].trace(bundle, facts)
        return older
    decision = decide(bundle, facts)
    to = deliberate(bundle, facts)
    return Trace(
        decision=decision,
        rules=tuple(_rules(to)),
        models=tuple(_choosing(c, decision, to) for c in to.considered),
    )


def _choosing(considered: Considered, decision: Decision, to: Deliberation) -> Choosing:
    candidate = considered.candidate
    planned = "planned" if decision.plan else "not reached"
    return Choosing(
        model=considered.model.label,
        fate=planned if candidate else "dropped",
        reasons=tuple(considered.reasons),
        max_output_tokens=candidate.max_output_tokens if candidate else 0,
        amount_nano=str(candidate.amount_nano) if candidate else "0",
        tiers=tuple(
            number
            for number, tier in enumerate(to.view.route.tiers if to.view else (), 1)
            if set(tier.models) & set(considered.named)
        ),
    )


def _rules(to: Deliberation) -> Iterator[Considering]:
    if to.view is None:
        return
    for rule, outcome in (*to.outcomes, *to.escalations):
        yield _considering(rule, outcome, to.view, None)
    for considered in to.considered:
        for rule, outcome in considered.outcomes:
            yield _considering(rule, outcome, to.view, considered)


def _considering(
    rule: Rule, outcome: Outcome, view: CallView, of: Considered | None
) -> Considering:
    call, item = view.environment, of.model.environment if of else NOTHING
    lifted = lifts(view.exceptions, rule, outcome, of.model if of else None)
    binds_erring = isinstance(outcome, Erred) and (rule.blocks or rule.effect == "escalate")
    holds = (outcome is True or binds_erring) and lifted is None
    ref = rule.ref(outcome, call, item)
    return Considering(
        kind=rule.kind,
        tenant=rule.tenant,
        name=rule.name,
        effect=rule.effect,
        level=rule.level,
        on=rule.on,
        model=of.model.label if of else "",
        outcome=_outcome(outcome),
        counted=holds and rule.level != "advisory",
        message=rule.says(outcome, call, item) if holds and rule.effect == "forbid" else ref.error,
        owner=rule.owner,
        file=rule.file,
        line=ref.line,
        atoms=tuple(_atoms(rule.when, (call, item))) if rule.when else (),
        lifted=label(lifted.key) if lifted else "",
    )


def _outcome(value: object) -> str:
    return "error" if isinstance(value, Erred) else "true" if value is True else "false"


def _atoms(of: Expression, environments: tuple[Environment, Environment]) -> Iterator[Atom]:
    yield from _parts(of, of.checked.root, environments, reached=True)


def _parts(
    of: Expression, node: Node, environments: tuple[Environment, Environment], *, reached: bool
) -> Iterator[Atom]:
    if node.kind == "call" and node.name in ("_&&_", "_||_"):
        left, right = node.parts
        yield from _parts(of, left, environments, reached=reached)
        settled = of.part(left, *environments) is (node.name == "_||_")
        yield from _parts(of, right, environments, reached=reached and not settled)
        return
    if node.kind == "call" and node.name == "!_" and node.parts[0].kind == "call":
        inner = node.parts[0]
        if inner.name in ("_&&_", "_||_"):
            yield from _parts(of, inner, environments, reached=reached)
            return
    outcome = _outcome(of.part(node, *environments)) if reached else "skipped"
    yield Atom(text_of(of, node), of.line_of(node), outcome, dict(_inputs(node, environments)))


def _inputs(node: Node, environments: tuple[Environment, Environment]) -> Iterator[tuple[str, Any]]:
    for part in walk(node):
        if part.kind == "ident" and part.name in VARIABLES:
            which, index = _ORDER[part.name]
            value = environments[which][index]
            yield part.name, moment_text(value) if isinstance(value, Moment) else value


def text_of(of: Expression, node: Node) -> str:
    """The text of a part: from its first token to where its brackets close or the next `&&`, `||`, `?` or `:` stands."""
    text = of.form.text
    offsets = [of.checked.positions[n.id] for n in walk(node) if n.id in of.checked.positions]
    start = min(offsets, default=0)
    while start and (text[start - 1].isalnum() or text[start - 1] in "._"):
        start -= 1
    choice = any(n.kind == "call" and n.name == "_?_:_" for n in walk(node))
    end = _end(text, start, "" if choice else "?:")
    return " ".join(text[start:end].split())


def _end(text: str, start: int, stops: str) -> int:
    depth, at, quote = 0, start, ""
    while at < len(text):
        c = text[at]
        if quote:
            at += c == "\\"
            quote = "" if c == quote else quote
        elif c in "\"'":
            quote = c
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        if depth < 0 or (
            depth == 0 and not quote and (text[at : at + 2] in ("&&", "||") or c in stops)
        ):
            return at
        at += 1
    return len(text)
