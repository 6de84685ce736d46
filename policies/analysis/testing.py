"""PolicyTests run over a bundle: what each decided, and which rules no test decides."""

from collections.abc import Iterable, Iterator

import msgspec

from policies.documents.document import Identity
from policies.engine.bundle import Bundle, Governed, label
from policies.engine.decide import decide
from policies.engine.decision import BUILT_IN, Decision
from policies.engine.expectations import given, misses, policy_tests
from policies.engine.rules import Rule


class TestResult(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One test: what it missed (empty where it passes), and what the decision was. `rules` are what it decided by."""

    test: Identity
    passed: bool
    misses: tuple[str, ...]
    effect: str
    models: tuple[str, ...]
    rules: tuple[Identity, ...]


class Covered(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One rule, and the tests whose decision it determined; none: no test decides it."""

    rule: Identity
    tests: tuple[Identity, ...]


class TestRun(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """All tests, and all rules that a test can decide. `beyond`: rules that look at an answer, which no test has."""

    results: tuple[TestResult, ...]
    coverage: tuple[Covered, ...]
    beyond: tuple[Identity, ...] = ()

    @property
    def failed(self) -> tuple[TestResult, ...]:
        """Those that do not pass."""
        return tuple(result for result in self.results if not result.passed)

    @property
    def uncovered(self) -> tuple[Identity, ...]:
        """Rules that no test decides."""
        return tuple(one.rule for one in self.coverage if not one.tests)


def run_tests(bundle: Bundle, now: str, tests: Iterable[Governed] | None = None) -> TestRun:
    """Run a bundle's own tests, or others over it. `now` is for tests that name no day."""
    chosen = policy_tests(bundle) if tests is None else list(tests)
    results = [_run(bundle, test, now) for test in sorted(chosen, key=lambda t: (t.tenant, t.name))]
    rules = [*bundle.rules, *bundle.escalations]
    return TestRun(
        results=tuple(results),
        coverage=tuple(_covered(rule, results) for rule in rules if _decidable(rule)),
        beyond=tuple(_identity(rule) for rule in rules if not _decidable(rule)),
    )


def _run(bundle: Bundle, test: Governed, now: str) -> TestResult:
    decision = decide(bundle, given(bundle, test, now))
    missed = tuple(misses(test, decision))
    steps = decision.plan.steps if decision.plan else ()
    return TestResult(
        test=(test.kind, test.tenant, test.name),
        passed=not missed,
        misses=missed,
        effect=decision.effect,
        models=tuple(label((s.model_tenant, s.model)) for s in steps),
        rules=tuple(dict.fromkeys(_decided_by(decision))),
    )


def _decided_by(decision: Decision) -> Iterator[Identity]:
    """Every document that counted: also a forbid that was lifted, and one that is only recorded."""
    held = decision.hold.rules if decision.hold else ()
    lifted = [one.rule for one in decision.lifted]
    for ref in (*decision.determining, *held, *lifted, *decision.advisories):
        if ref.kind != BUILT_IN:
            yield ref.kind, ref.tenant, ref.name


def _covered(rule: Rule, results: Iterable[TestResult]) -> Covered:
    identity = _identity(rule)
    return Covered(rule=identity, tests=tuple(r.test for r in results if identity in r.rules))


def _decidable(rule: Rule) -> bool:
    """A test has a call, and no answer, tool or failure."""
    return rule.on in ("call", "model", "request")


def _identity(rule: Rule) -> Identity:
    return rule.kind, rule.tenant, rule.name
