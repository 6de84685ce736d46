"""Why: every rule that was considered with its outcome, the atoms of its condition, and each model's fate.

A decision is deterministic, so its explanation is made again from the bundle and the facts, only when somebody asks.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from policies.engine.bundle import Bundle, label
from policies.engine.cel import Program
from policies.engine.decide import decided, deliberate
from policies.engine.decision import ENGINE, Decision, Dropped
from policies.engine.deliberation import CallView, Considered, Deliberation
from policies.engine.facts import Facts
from policies.engine.lifting import lifts
from policies.engine.older import OLDER
from policies.engine.rules import NOTHING, VARIABLES, Environment, Expression, Outcome, Rule
from policies.engine.schema import ANSWER, EVERYWHERE, INPUT, MODEL, TOOL
from policies.engine.values import CelError, Erred, Moment, Value, moment_text
from policies.engine.wire import Node, walk

Environments = tuple[Environment, Environment]
_MOST_KEPT: Final = 2_000
_ORDER = {
    d.name: (which, i)
    for which, declared in ((0, EVERYWHERE), (1, MODEL), (1, ANSWER), (1, INPUT), (1, TOOL))
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
    to = deliberate(bundle, facts)
    decision = decided(bundle, facts, to)
    return Trace(
        decision=decision,
        rules=tuple(_rules(to)),
        models=tuple(_choosing(c, decision, to) for c in to.considered),
    )


def _choosing(considered: Considered, decision: Decision, to: Deliberation) -> Choosing:
    candidate, named = considered.candidate, frozenset(considered.named)
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
            if not named.isdisjoint(tier.models)
        ),
    )


def _rules(to: Deliberation) -> Iterator[Considering]:
    """The rules on the call, those that ask for a person, then those on each model."""
    if to.view is None:
        return
    made = _Made(to.view)
    outcomes = {id(rule): outcome for rule, outcome in (*to.held, *to.escalations)}
    for rule in (*to.view.scope.call_rules, *(rule for rule, _ in to.escalations)):
        yield made.of(rule, made.kept(rule), None, outcomes)
    on_models = [(rule, made.kept(rule)) for rule in to.view.scope.model_rules]
    for considered in to.considered:
        name = considered.model.label
        known = [one for _, kept in on_models if (one := kept.get(name))]
        if len(known) < len(on_models):
            outcomes = {id(rule): outcome for rule, outcome in considered.held}
            known = [made.of(rule, kept, considered, outcomes) for rule, kept in on_models]
        yield from known


class _Made:
    """What rules came to in one trace.

    What follows from a rule, a model and what the rule read of the call is kept with the bundle: atoms have no other inputs,
    and an exception is the only thing else that counts.
    """

    def __init__(self, view: CallView) -> None:
        self._view = view
        self._atoms = Atoms()
        self._known = view.bundle.traced
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()

    def kept(self, rule: Rule) -> dict[str, Considering]:
        """By the name of the model; empty for a rule on the call."""
        call = self._view.environment
        if rule.reads is None:
            rule.reads = _reads(rule)
        key = (id(rule), *[call[place] for place in rule.reads])
        try:
            known = self._known.get(key)
        except TypeError:  # labels
            return {}
        if self._view.exceptions:
            return {}
        if known is None:
            known = self._known[key] = {}
        return known

    def of(
        self,
        rule: Rule,
        kept: dict[str, Considering],
        of: Considered | None,
        outcomes: Mapping[int, Outcome],
    ) -> Considering:
        """One rule in words."""
        name = of.model.label if of else ""
        found = kept.get(name)
        if found is None:
            outcome = outcomes.get(id(rule), False)
            found = kept[name] = _considering(rule, outcome, self._view, of, self._atoms)
        return found


def _reads(rule: Rule) -> tuple[int, ...]:
    """The places of what a rule reads of a call, in its condition and in its message."""
    roots = [e.checked.root for e in (rule.when, rule.message) if e is not None]
    names = {part.name for root in roots for part in walk(root) if part.kind == "ident"}
    return tuple(sorted(_ORDER[n][1] for n in names if n in _ORDER and _ORDER[n][0] == 0))


def _considering(
    rule: Rule, outcome: Outcome, view: CallView, of: Considered | None, atoms: "Atoms"
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
        outcome=outcome_word(outcome),
        counted=holds and rule.level != "advisory",
        message=rule.says(outcome, call, item) if holds and rule.effect == "forbid" else ref.error,
        owner=rule.owner,
        file=rule.file,
        line=ref.line,
        atoms=atoms.of(rule.when, (call, item)) if rule.when else (),
        lifted=label(lifted.key) if lifted else "",
    )


def outcome_word(value: object) -> str:
    """true, false or error."""
    return "error" if isinstance(value, Erred) else "true" if value is True else "false"


@dataclass(frozen=True, slots=True, eq=False)
class _Leaf:
    """One atom of a condition: where it stands, what it reads, and how it is evaluated."""

    text: str
    line: int
    reads: tuple[tuple[str, int, int], ...]
    """Name, environment, place in it."""
    program: Program
    of_call: bool
    """Reads nothing of a model or an answer: it is the same for all of them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Branch:
    """`&&` or `||` (`wins` is the value that decides it), or the opposite of one (`right` is None)."""

    wins: bool
    left: "_Leaf | _Branch"
    right: "_Leaf | _Branch | None"


_Shown = _Leaf | _Branch


def _shown(of: Expression, node: Node) -> _Shown:
    """A condition as its atoms, made once for each condition."""
    if node.kind == "call" and node.name in ("_&&_", "_||_"):
        left, right = node.parts
        return _Branch(node.name == "_||_", _shown(of, left), _shown(of, right))
    inner = node.parts[0] if node.kind == "call" and node.name == "!_" else None
    if inner is not None and inner.kind == "call" and inner.name in ("_&&_", "_||_"):
        return _Branch(wins=False, left=_shown(of, inner), right=None)
    reads = tuple(
        (part.name, *_ORDER[part.name])
        for part in walk(node)
        if part.kind == "ident" and part.name in VARIABLES
    )
    of_call = all(which == 0 for _, which, _ in reads)
    return _Leaf(text_of(of, node), of.line_of(node), reads, of.program_of(node), of_call)


@dataclass(frozen=True, slots=True)
class Atoms:
    """The atoms of the rules of one trace; what reads nothing of a model is evaluated once for all of them."""

    known: dict[tuple[int, bool], tuple[Value, Atom]] = field(default_factory=dict)
    shown: Environments | None = None
    """What may be told of the inputs, where that is less than what is decided on."""

    def of(self, expression: Expression, environments: Environments) -> tuple[Atom, ...]:
        """Those of one condition, in their order."""
        if expression.shown is None:
            expression.shown = _shown(expression, expression.checked.root)
        found: list[Atom] = []
        self._walk(expression.shown, environments, found, reached=True)
        return tuple(found)

    def _walk(
        self, part: _Shown, environments: Environments, to: list[Atom], *, reached: bool
    ) -> Value:
        """Append the atoms of a part; its value, which is of no use where it is not reached."""
        if isinstance(part, _Leaf):
            value, atom = self._atom(part, environments, reached=reached)
            to.append(atom)
            return value
        left = self._walk(part.left, environments, to, reached=reached)
        if part.right is None:
            return (not left) if isinstance(left, bool) else left
        settled = left is part.wins
        right = self._walk(part.right, environments, to, reached=reached and not settled)
        return left if settled or (isinstance(left, Erred) and right is not part.wins) else right

    def _atom(
        self, leaf: _Leaf, environments: Environments, *, reached: bool
    ) -> tuple[Value, Atom]:
        if leaf.of_call:
            known = self.known.get((id(leaf), reached))
            if known is not None:
                return known
        value = leaf.program.evaluate(*environments) if reached else None
        if self.shown is None:
            inputs = {name: _plain(environments[which][place]) for name, which, place in leaf.reads}
        else:
            inputs = dict(_known_inputs(leaf, self.shown))
        outcome = outcome_word(value) if reached else "skipped"
        made = value, Atom(leaf.text, leaf.line, outcome, inputs)
        if leaf.of_call:
            self.known[id(leaf), reached] = made
        return made


def _known_inputs(leaf: _Leaf, shown: Environments) -> Iterator[tuple[str, Value]]:
    """Those of an atom that may be told."""
    for name, which, place in leaf.reads:
        with contextlib.suppress(CelError):
            yield name, _plain(shown[which][place])


def _plain(value: Value) -> Value:
    return moment_text(value) if isinstance(value, Moment) else value


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
