"""The rules and the models that a decision considered, as lines that say what became of each. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from policies.engine.decision import BUILT_IN, Decision, RuleRef
from policies.engine.explain import Atom, Choosing, Considering, Trace

NO_MATCH = "no match"
_ATOMS_SHOWN = 4
_VALUE_SHOWN = 60


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule. `line` is that of the deciding part, 0 for a built-in rule; `saw` what it looked at, with the values."""

    outcome: str
    kind: str
    tenant: str
    name: str
    line: int
    level: str
    saw: str
    note: str
    determining: bool


@dataclass(frozen=True, slots=True)
class CandidateLine:
    """One model of the route: `result` is planned, dropped or not reached; `why` in words."""

    model: str
    result: str
    why: str


def rules_of(found: Trace) -> list[RuleLine]:
    """Every rule that was held against the call: those that determine the result first, those without a match last."""
    lines = [*_built_in(found.decision), *_permissions(found.rules, found.decision.determining)]
    return _sorted(lines)


def of_tool(rules: Sequence[Considering], determining: Sequence[RuleRef]) -> list[RuleLine]:
    """The same of a tool that an answer asks for."""
    built_in = (
        RuleLine("forbids", r.kind, r.tenant, r.name, 0, "built in", "", "", determining=True)
        for r in determining
        if r.kind == BUILT_IN
    )
    return _sorted([*built_in, *_permissions(rules, determining)])


def _sorted(lines: Sequence[RuleLine]) -> list[RuleLine]:
    return sorted(lines, key=lambda line: (not line.determining, line.outcome == NO_MATCH))


def candidates_of(found: Trace) -> list[CandidateLine]:
    """Every model of the route: the plan in its order, then those that were dropped."""
    planned = [one for one in found.models if not one.reasons]
    dropped = [one for one in found.models if one.reasons]
    return [
        *(_planned(number, one) for number, one in enumerate(planned, 1)),
        *(_dropped(one) for one in dropped),
    ]


def _planned(number: int, one: Choosing) -> CandidateLine:
    place = f"tier {one.tiers[0]}, number {number}" if one.tiers else f"number {number}"
    words = f"{place} of the plan" if one.fate == "planned" else "the call was denied before"
    return CandidateLine(one.model, one.fate, words)


def _dropped(one: Choosing) -> CandidateLine:
    reasons = (f"{_named(reason.rule)}: {reason.message}" for reason in one.reasons)
    return CandidateLine(one.model, "dropped", "; ".join(reasons))


def _named(ref: RuleRef) -> str:
    if ref.kind == BUILT_IN:
        return f"{ref.name} (built in)"
    return f"{ref.name}, line {ref.line}" if ref.line else ref.name


def _built_in(decision: Decision) -> Iterator[RuleLine]:
    """Built-in rules that determined the result; those that removed a model say which."""
    for ref in decision.determining:
        if ref.kind != BUILT_IN:
            continue
        removed = [
            d for d in decision.dropped if d.rule.kind == BUILT_IN and d.rule.name == ref.name
        ]
        names = dict.fromkeys(d.model for d in removed)
        outcome = f"drops {', '.join(names)}" if names else "denies"
        words = "; ".join(dict.fromkeys(d.message for d in removed))
        if not words and decision.denial:
            words = decision.denial.message
        yield RuleLine(
            outcome, ref.kind, ref.tenant, ref.name, 0, "built in", "", words, determining=True
        )


def _permissions(
    found: Sequence[Considering], determining: Sequence[RuleRef]
) -> Iterator[RuleLine]:
    """A rule on models is one line, which names the models it dropped."""
    held: dict[tuple[str, str, str], list[Considering]] = {}
    for rule in found:
        held.setdefault((rule.kind, rule.tenant, rule.name), []).append(rule)
    for rules in held.values():
        matched = [rule for rule in rules if rule.outcome != "false"]
        shown = matched[0] if matched else rules[0]
        yield RuleLine(
            outcome=_word(shown, matched),
            kind=shown.kind,
            tenant=shown.tenant,
            name=shown.name,
            line=shown.line,
            level=shown.level if shown.effect == "forbid" else "",
            saw=_saw(shown),
            note=shown.message,
            determining=_determines(shown, determining),
        )


def _word(rule: Considering, matched: Sequence[Considering]) -> str:
    if not matched:
        return NO_MATCH
    if rule.outcome == "error" and not rule.counted:
        return "error"
    if rule.lifted:
        return f"lifted by {rule.lifted}"
    told = {"permit": "permit", "escalate": "asks for a person"}.get(rule.effect, "")
    if told or rule.level == "advisory":
        return told or "recorded"
    models = [one.model for one in matched if one.model and one.on == "model"]
    return f"drops {', '.join(models)}" if models else "forbids"


def _saw(rule: Considering) -> str:
    """The parts that decided, with what they looked at: `team.name is "claims"`."""
    wanted = "true" if rule.outcome == "true" else "false"
    atoms = [atom for atom in rule.atoms if atom.outcome == wanted]
    if rule.outcome == "false":
        atoms = atoms[:1]
    values: dict[str, str] = {}
    for atom in atoms[:_ATOMS_SHOWN]:
        values.update(_values(atom))
    return ", ".join(f"{name} is {value}" for name, value in values.items()) or (
        "always" if not rule.atoms else rule.atoms[0].text
    )


def _values(atom: Atom) -> Iterator[tuple[str, str]]:
    for name, value in atom.inputs.items():
        text = json.dumps(value, ensure_ascii=False, default=str)
        yield name, text if len(text) <= _VALUE_SHOWN else f"{text[:_VALUE_SHOWN]}…"


def _determines(rule: Considering, determining: Sequence[RuleRef]) -> bool:
    return any(
        (ref.kind, ref.tenant, ref.name) == (rule.kind, rule.tenant, rule.name)
        for ref in determining
    )
