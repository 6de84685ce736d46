"""The rules and the models that a decision considered, as lines that say what became of each. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from policies.engine.decision import BUILT_IN, Decision, RuleRef
from policies.engine.deliberation import Considered, Deliberation
from policies.engine.rules import Outcome, Rule
from policies.engine.values import Erred

NO_MATCH = "no match"


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule. `line` is that of the deciding part, else of its condition; 0 for a built-in rule."""

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
    """One model of the route: `result` is planned or dropped; `why` in words; its rules by name."""

    model: str
    result: str
    why: str
    rules: tuple[str, ...] = ()


def rules_of(found: Deliberation, decision: Decision) -> list[RuleLine]:
    """Every rule that was held against the call: those that determine the result first, in each group."""
    lines = [_built_in(ref, words, decision) for ref, words in found.refusals]
    lines += [_of_call(rule, outcome, decision) for rule, outcome in found.outcomes]
    lines += _of_models(found.considered, decision)
    lines += [
        _built_in(ref, "no permission matches", decision)
        for ref in decision.determining
        if ref.kind == BUILT_IN and ref.name == "no-permit"
    ]
    return sorted(lines, key=lambda line: (not line.determining, line.outcome == NO_MATCH))


def candidates_of(found: Deliberation) -> list[CandidateLine]:
    """Every model of the route in the order in which it would be tried."""
    return [_candidate(number, one) for number, one in enumerate(_ranked(found.considered), 1)]


def _ranked(considered: Sequence[Considered]) -> list[Considered]:
    return [one for one in considered if not one.reasons] + [
        one for one in considered if one.reasons
    ]


def _candidate(number: int, one: Considered) -> CandidateLine:
    if one.reasons:
        return CandidateLine(
            model=one.model.label,
            result="dropped",
            why="; ".join(f"{_named(reason.rule)}: {reason.message}" for reason in one.reasons),
            rules=tuple(reason.rule.name for reason in one.reasons),
        )
    words = f"number {number} of the plan" if one.candidate else "no candidate was made of it"
    return CandidateLine(one.model.label, "planned", words)


def _named(ref: RuleRef) -> str:
    if ref.kind == BUILT_IN:
        return f"{ref.name} (built in)"
    return f"{ref.name}, line {ref.line}" if ref.line else ref.name


def _built_in(ref: RuleRef, words: str, decision: Decision) -> RuleLine:
    return RuleLine(
        "denies", ref.kind, ref.tenant, ref.name, 0, "built in", "", words, _counts(ref, decision)
    )


def _of_call(rule: Rule, outcome: Outcome, decision: Decision) -> RuleLine:
    ref = RuleRef(kind="Permission", tenant=rule.tenant, name=rule.name)
    return _line(
        rule,
        _word(rule, outcome),
        _error(outcome),
        _line_of(ref, rule, decision),
        _counts(ref, decision),
    )


def _of_models(considered: Sequence[Considered], decision: Decision) -> list[RuleLine]:
    """A rule on models is one line, which names the models it dropped."""
    held: dict[tuple[str, str], tuple[Rule, list[tuple[str, Outcome]]]] = {}
    for one in considered:
        for rule, outcome in one.outcomes:
            held.setdefault((rule.tenant, rule.name), (rule, []))[1].append(
                (one.model.label, outcome)
            )
    lines = []
    for rule, outcomes in held.values():
        ref = RuleRef(kind="Permission", tenant=rule.tenant, name=rule.name)
        matched = [
            label for label, outcome in outcomes if outcome is True or isinstance(outcome, Erred)
        ]
        word = _model_word(rule, matched)
        error = next((_error(outcome) for _, outcome in outcomes if isinstance(outcome, Erred)), "")
        lines.append(
            _line(rule, word, error, _line_of(ref, rule, decision), _counts(ref, decision))
        )
    return lines


def _model_word(rule: Rule, matched: Sequence[str]) -> str:
    if not matched:
        return NO_MATCH
    if rule.effect == "permit":
        return "permit"
    return "recorded" if rule.level == "advisory" else f"drops {', '.join(matched)}"


def _word(rule: Rule, outcome: Outcome) -> str:
    if isinstance(outcome, Erred):
        return "error" if rule.effect == "permit" else "forbids"
    if not outcome:
        return NO_MATCH
    if rule.effect == "permit":
        return "permit"
    return "recorded" if rule.level == "advisory" else "forbids"


def _error(outcome: Outcome) -> str:
    return f"the condition failed: {outcome}" if isinstance(outcome, Erred) else ""


def _line(rule: Rule, outcome: str, note: str, line: int, counts: bool) -> RuleLine:  # noqa: FBT001 - one of five parts of a row
    text = rule.when.form.text if rule.when else "always"
    level = rule.level if rule.effect == "forbid" else ""
    return RuleLine(outcome, "Permission", rule.tenant, rule.name, line, level, text, note, counts)


def _counts(ref: RuleRef, decision: Decision) -> bool:
    return any(_same(ref, other) for other in decision.determining)


def _line_of(ref: RuleRef, rule: Rule, decision: Decision) -> int:
    for other in (*decision.determining, *decision.advisories):
        if _same(ref, other) and other.line:
            return other.line
    return rule.line


def _same(one: RuleRef, other: RuleRef) -> bool:
    return (one.kind, one.tenant, one.name) == (other.kind, other.tenant, other.name)
