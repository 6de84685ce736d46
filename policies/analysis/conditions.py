"""Rules held against each other: which never match, which add nothing, which are always forbidden.

No solver: every value that the constants can tell apart is tried. Where a condition does more than hold variables against
constants, nothing is claimed of it that a situation left out could refute; it is named as undecided instead.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from policies.analysis.finding import Finding, Kind
from policies.analysis.looks import Looks, looks_of
from policies.analysis.situations import Standing, World
from policies.documents.document import Identity
from policies.engine.rules import Environment, Outcome, Rule
from policies.engine.values import Erred

MAX_EXAMINED: Final = 100_000
MAX_OF_ONE: Final = 8192
"""Situations that one rule is tried in; what needs more is undecided."""
_Sample = tuple[Environment, Environment]


def identity_of(rule: Rule) -> Identity:
    """Its document."""
    return rule.kind, rule.tenant, rule.name


@dataclass(eq=False)
class Matching:
    """What rules do in every situation of a bundle. Counts what it examines, and stops at MAX_EXAMINED."""

    world: World
    examined: int = 0
    undecided: list[Identity] = field(default_factory=list)
    _looks: dict[Rule, Looks] = field(default_factory=dict)

    def findings(self) -> Iterator[Finding]:
        """Every rule on calls and models, and every escalation before models, in order."""
        bundle = self.world.bundle
        before = [r for r in bundle.escalations if r.on == "request"]
        rules = [r for r in bundle.rules if r.on in ("call", "model")]
        told: set[Rule] = set()
        for rule in (*rules, *before):
            found = self._of(rule, [r for r in rules if r is not rule and r not in told])
            if found is not None:
                told.add(rule)
                yield found

    def looks(self, rule: Rule) -> Looks:
        """What its condition looks at."""
        if rule not in self._looks:
            self._looks[rule] = looks_of(rule.when.checked) if rule.when else Looks()
        return self._looks[rule]

    def standings(self, tenant: str) -> list[Standing]:
        """Where a rule of a tenant, or of the organisation, applies."""
        return [s for s in self.world.standings if tenant in ("", s.place.tenant)]

    def outcomes(self, rule: Rule, standings: Sequence[Standing]) -> set[object] | None:
        """What a rule comes to in all of them: True, False, Erred; None where that cannot be told."""
        samples = self._samples(rule, [], standings)
        return None if samples is None else {_plainly(rule.holds(*s)) for s in samples}

    def _of(self, rule: Rule, others: list[Rule]) -> Finding | None:
        standings = self.standings(rule.tenant)
        if not standings:
            return None
        near = self._near(rule, others)
        samples = self._samples(rule, near, standings) if near else None
        if samples is None:
            near, samples = [], self._samples(rule, [], standings)
        if samples is None:
            self.undecided.append(identity_of(rule))
            return None
        outcomes = [(sample, rule.holds(*sample)) for sample in samples]
        matching = [sample for sample, outcome in outcomes if _acts(rule, outcome)]
        if not matching:
            return _found("never-matches", rule, _never(rule))
        always = all(outcome is not False for _, outcome in outcomes)
        if rule.blocks and rule.on == "call" and always:
            return _found("always-matches", rule, f'"{rule.name}" forbids every call it can see')
        return self._beaten(rule, near, matching)

    def _near(self, rule: Rule, others: list[Rule]) -> list[Rule]:
        """Rules that see nothing which this one does not, and of which all can be told."""
        names = self.looks(rule).names
        return [
            o
            for o in others
            if _could_beat(o, rule) and self.looks(o).exact and self.looks(o).names <= names
        ]

    def _beaten(self, rule: Rule, near: list[Rule], matching: list[_Sample]) -> Finding | None:
        for other in near:
            if not all(self._counted(other, sample) for sample in matching):
                continue
            if rule.effect == "permit" and other.effect == "forbid":
                words = f'whatever "{rule.name}" permits, "{other.name}" forbids'
                return _found("contradicted", rule, words, other)
            words = f'"{rule.name}" adds nothing: "{other.name}" matches whenever it does'
            return _found("shadowed", rule, words, other)
        return None

    def _counted(self, rule: Rule, sample: _Sample) -> bool:
        self.examined += 1
        return _acts(rule, rule.holds(*sample))

    def _samples(
        self, rule: Rule, near: Sequence[Rule], standings: Sequence[Standing]
    ) -> list[_Sample] | None:
        """All situations that any of these conditions can tell apart; None where there are too many, or others could differ."""
        looks = Looks(exact=self.looks(rule).exact)
        for one in (rule, *near):
            looks.add(self.looks(one))
        found, count, exact = self.world.samples(looks, rule.on, standings)
        if not exact or count > MAX_OF_ONE or self.examined + count > MAX_EXAMINED:
            return None
        self.examined += count
        return list(found)


def _plainly(outcome: Outcome) -> object:
    return Erred if isinstance(outcome, Erred) else outcome


def _acts(rule: Rule, outcome: Outcome) -> bool:
    """Whether it does what it is there for: an error never opens a door, and holds or closes one."""
    if isinstance(outcome, Erred):
        return rule.effect != "permit"
    return outcome


def _could_beat(other: Rule, rule: Rule) -> bool:
    """Whether the other binds wherever the rule does, and matching whenever it does would make it useless."""
    if other.on != rule.on or other.tenant not in ("", rule.tenant):
        return False
    if rule.effect == "permit" and other.effect == "forbid":
        return other.blocks and other.level == "hard"
    if rule.effect != other.effect:
        return False
    if rule.effect == "permit":
        # on models each level needs a match of its own
        same = rule.on == "call" or rule.tenant == other.tenant
        return same and rule.obligations in (None, other.obligations)
    return rule.blocks and other.blocks and other.level in ("hard", rule.level)


def _never(rule: Rule) -> str:
    what = "no model and no call" if rule.on == "model" else "no call"
    return f'"{rule.name}" can never match: there is {what} for which its condition holds'


def _found(kind: Kind, rule: Rule, words: str, other: Rule | None = None) -> Finding:
    line = rule.when.form.line if rule.when else rule.line
    others = (identity_of(other),) if other else ()
    return Finding(kind=kind, document=identity_of(rule), message=words, line=line, others=others)
