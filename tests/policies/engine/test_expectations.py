"""PolicyTests: what a decision misses of what was expected, in words."""

from typing import Any

import pytest

from policies.documents.parse import parse_text
from policies.documents.problems import InvalidDocuments
from policies.engine.expectations import broken, given, policy_tests
from policies.engine.facts import BudgetFacts, RunFacts, StopFact
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


def test_labels_runs_budgets_and_stops_become_facts_and_decide() -> None:
    said = {
        "keyLabels": {"env": "prod"}, "request": {"dataClasses": ["public"], "labels": {"case": "4"}, "needs": ["chat"]},
        "run": {"calls": 3, "cost": "1.50", "seconds": 9}, "budget": {"shareUsed": "0.95"},
        "stops": [{"kind": "model", "name": "m2"}, {"kind": "key", "tenant": "b", "name": "k7"}],
    }  # fmt: skip
    base = {"tenant": "a", "team": "t", "route": "r"}
    of = bundle(*WORLD, document("PolicyTest", "test", {"given": base | said, "expect": {}}))
    found = given(of, policy_tests(of)[0], NOW)
    asked = found.request
    assert (found.key.labels, asked.labels, asked.needs) == ({"env": "prod"}, {"case": "4"}, ("chat",))  # fmt: skip
    assert found.run == RunFacts(calls=3, cost="1.50", seconds=9)
    assert found.budgets == (BudgetFacts(name="test", share_used_permille=950),)
    assert found.stops == (
        StopFact(kind="model", name="m2"), StopFact(kind="key", tenant="b", name="k7"),
    )  # fmt: skip
    refused = {"effect": "deny", "determiningRules": ["stop"]}
    assert misses(refused, stops=[{"kind": "model", "name": "m2"}]) == []
    assert misses(refused, stops=[{"kind": "everything"}]) == []
    assert misses({"effect": "permit"}, stops=[{"kind": "model", "name": "m1"}]) == []


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("budget.shareUsed >= 0.95", {"budget": {"shareUsed": "0.95"}}),
        ("run.cost > 1.0 && run.calls == 3 && run.seconds < 10", {"run": {"calls": 3, "cost": "1.50", "seconds": 9}}),
        ('key.labels.env == "prod"', {"keyLabels": {"env": "prod"}}),
        ('request.labels.case == "4"', {"request": {"dataClasses": ["public"], "labels": {"case": "4"}}}),
    ],
)  # fmt: skip
def test_a_condition_on_them_is_decided_by_a_test(when: str, said: dict[str, Any]) -> None:
    base = {"tenant": "a", "team": "t", "route": "r", "request": {"dataClasses": ["public"]}}
    rule = permission("no", effect="forbid", when=f"!({when})")
    of = bundle(*WORLD, rule, document("PolicyTest", "test", {"given": base | said, "expect": {"effect": "permit"}}))  # fmt: skip
    assert broken(of, policy_tests(of)[0], NOW) == []


@pytest.mark.parametrize("stop", [{"kind": "everything", "name": "m1"}, {"kind": "model"}])
def test_a_stop_names_what_it_stops_or_everything(stop: dict[str, str]) -> None:
    given = {"tenant": "a", "route": "r", "stops": [stop]}
    with pytest.raises(
        InvalidDocuments, match="a stop names what it stops; one of everything names nothing"
    ):
        parse_text(document("PolicyTest", "test", {"given": given, "expect": {}}))
