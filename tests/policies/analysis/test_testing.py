"""PolicyTests run, and what they cover."""

from typing import Any

from policies.analysis.testing import run_tests
from policies.engine.bundle import Bundle
from tests.policies.engine.small import EVERYONE, bundle, document, model, permission, route

NOW = "2026-11-28T12:00:00.000Z"
RULES = (
    EVERYONE,
    permission("no-health", effect="forbid", when='"health" in request.dataClasses'),
    permission("no-m1", effect="forbid", on="model", when='model.name == "m1"'),
    permission("told", "b", effect="forbid", level="advisory", when="user.known"),
)
WORLD = (*RULES, model("m1"), model("m2"), route("r", "m1", "m2"))


def case(name: str, expect: dict[str, Any], of: str = "", **given: Any) -> str:
    base = {"tenant": of or "a", "route": "r"}
    return document("PolicyTest", name, {"given": base | given, "expect": expect}, of)


def world(*tests: str) -> Bundle:
    return bundle(*WORLD, *tests)


def rule(name: str, tenant: str = "") -> tuple[str, str, str]:
    return "Permission", tenant, name


def test_without_tests_nothing_is_covered() -> None:
    found = run_tests(world(), NOW)
    assert found.results == ()
    assert found.uncovered == (
        rule("everyone"),
        rule("no-health"),
        rule("no-m1"),
        rule("told", "b"),
    )


def test_a_denial_covers_the_forbid_and_no_permit() -> None:
    asked = {"dataClasses": ["health"]}
    found = run_tests(world(case("health", {"effect": "deny"}, request=asked)), NOW)
    (result,) = found.results
    assert (result.passed, result.effect, result.models) == (True, "deny", ())
    assert result.rules == (rule("no-health"),)
    assert found.uncovered == (rule("everyone"), rule("no-m1"), rule("told", "b"))


def test_a_permit_covers_what_permitted_dropped_and_was_recorded() -> None:
    found = run_tests(world(case("known", {"effect": "permit"}, "b", user="u")), NOW)
    (result,) = found.results
    assert (result.test, result.passed) == (("PolicyTest", "b", "known"), True)
    assert result.models == ("m2",)
    assert [c.rule for c in found.coverage if c.tests] == [
        rule("everyone"),
        rule("no-m1"),
        rule("told", "b"),
    ]
    assert found.uncovered == (rule("no-health"),)


def test_a_failing_test_says_what_it_missed_and_still_covers() -> None:
    found = run_tests(
        world(case("wrong", {"effect": "deny"}), case("right", {"effect": "permit"})), NOW
    )
    assert [r.test[2] for r in found.results] == ["right", "wrong"]
    assert [r.test[2] for r in found.failed] == ["wrong"]
    assert found.failed[0].misses == ("expected deny, the decision is permit",)


def test_tests_of_another_bundle_over_this_one() -> None:
    old = world(case("old", {"effect": "permit", "models": ["m1"]}))
    tests = [d for d in old.documents.values() if d.kind == "PolicyTest"]
    found = run_tests(world(), NOW, tests)
    assert [r.misses for r in found.failed] == [('expected "m1" in the plan, which has: m2',)]


def test_rules_that_look_at_an_answer_are_beyond_tests() -> None:
    queue = document("ReviewQueue", "desk", {"reviewers": ["role:reviewer"]})
    rules = [
        document("EscalationRule", stage, {"stage": stage, "when": "user.known", "queue": "desk"})
        for stage in ("request", "response")
    ]
    found = run_tests(
        bundle(*WORLD, queue, *rules, case("held", {"effect": "escalate"}, user="u")), NOW
    )
    assert found.beyond == (("EscalationRule", "", "response"),)
    assert found.results[0].passed is True
    held = next(c for c in found.coverage if c.rule[0] == "EscalationRule")
    assert [t[2] for t in held.tests] == ["held"]
