"""PolicyTests: what a decision misses of what was expected, in words."""

from typing import Any

from policies.engine.expectations import broken, given, policy_tests
from tests.policies.engine.small import EVERYONE, bundle, document, model, permission, route

NOW = "2026-11-24T12:00:00.000Z"
WORLD = (EVERYONE, model("m1"), model("m2"), route("r", "m1", "m2"),
         permission("no-m1", effect="forbid", on="model", when='model.name == "m1"'))  # fmt: skip


def misses(expect: dict[str, Any], **said: Any) -> list[str]:
    base = {"tenant": "a", "team": "t", "route": "r", "request": {"dataClasses": ["public"]}}
    spec = {"given": base | said, "expect": expect}
    of = bundle(*WORLD, document("PolicyTest", "test", spec))
    (test,) = policy_tests(of)
    return broken(of, test, NOW)


def test_a_test_that_passes_misses_nothing() -> None:
    expect = {
        "effect": "permit", "models": ["m2"], "modelsNever": ["m1"], "determiningRules": ["everyone", "no-m1"],
    }  # fmt: skip
    assert misses(expect) == []


def test_every_miss_is_told() -> None:
    expect = {
        "effect": "deny", "models": ["m1"], "modelsNever": ["m2"], "determiningRules": ["other"],
    }  # fmt: skip
    assert misses(expect) == [
        "expected deny, the decision is permit",
        'expected "m1" in the plan, which has: m2',
        '"m2" must never be in the plan, and is',
        'expected the rule "other" to determine it; these do: everyone, no-m1',
    ]


def test_a_denial_says_why() -> None:
    assert misses({"effect": "permit", "models": ["m2"]}, route="none") == [
        'expected permit, the decision is deny: there is no route "none"',
        'expected "m2" in the plan, which has: nothing',
    ]


def test_what_is_given_becomes_facts() -> None:
    said = {
        "tenant": "a", "route": "r", "user": "u1", "key": "k9", "now": "2026-12-01",
        "request": {"dataClasses": ["public"], "tools": ["send"], "inputTokensMax": 7, "outputTokensMax": 9,
                    "stream": True, "language": "de"},
    }  # fmt: skip
    of = bundle(*WORLD, document("PolicyTest", "test", {"given": said, "expect": {}}))
    found = given(of, policy_tests(of)[0], NOW)
    assert (found.now, found.team, found.key.id, found.user.ref) == (
        "2026-12-01T12:00:00.000Z", "t", "k9", "u1",
    )  # fmt: skip
    request = found.request
    assert (request.data_classes, request.tools, request.stream) == (("public",), ("send",), True)
    assert (request.input_tokens_max, request.output_tokens_asked, request.language) == (7, 9, "de")
