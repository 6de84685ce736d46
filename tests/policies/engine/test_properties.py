"""What no set of documents may break: a forbid never opens, a tenant's document never lifts, errors never open a door."""

# ruff: noqa: E501  # tables

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from policies.engine.bundle import Bundle
from policies.engine.decide import decide
from policies.engine.decision import Decision
from policies.engine.facts import Facts, RunFacts
from tests.policies.engine.world import facts, world

CONDITIONS = [
    "true", "team.name == 'claims'", "request.stream", "request.labels.missing == 'x'", "1 / run.calls == 1", "'personal' in request.dataClasses",
]  # fmt: skip
ON_MODEL = [
    *CONDITIONS,
    "model.tier == 'small'",
    "'eu' in model.regions",
    "model.name == 'llama-small' && 1 / run.calls == 0",
]
RULES = st.one_of(
    st.tuples(st.just("call"), st.sampled_from(CONDITIONS)),
    st.tuples(st.just("model"), st.sampled_from(ON_MODEL)),
)
CALLS = st.builds(
    lambda stream, calls, team, route: facts(
        {"stream": stream}, run=RunFacts(id="r", calls=calls), team=team, route=route
    ),
    st.booleans(),
    st.integers(0, 2),
    st.sampled_from(["claims", "underwriting"]),
    st.sampled_from(["claims-triage", "writing", "single"]),
)


@cache
def with_rule(effect: str, on: str, when: str, tenant: str) -> Bundle:
    whose = f", tenant: {tenant}" if tenant else ""
    return world(
        f"apiVersion: mandate/v1\nkind: Permission\nmetadata: {{name: added{whose}}}\n"
        f'spec: {{effect: {effect}, on: {on}, when: "{when}"}}\n'
    )


def models(decision: Decision) -> set[str]:
    return {step.model for step in decision.plan.steps} if decision.plan else set()


@settings(deadline=None, max_examples=150)
@given(RULES, CALLS, st.sampled_from(["", "insurance"]))
def test_one_more_forbid_never_opens_anything(
    rule: tuple[str, str], call: Facts, tenant: str
) -> None:
    before, after = decide(world(), call), decide(with_rule("forbid", *rule, tenant), call)
    assert models(after) <= models(before)
    assert before.effect == "permit" or after.effect == "deny"


@settings(deadline=None, max_examples=150)
@given(RULES, CALLS)
def test_a_tenants_own_permit_never_lets_in_a_model_that_was_dropped(
    rule: tuple[str, str], call: Facts
) -> None:
    before, after = decide(world(), call), decide(with_rule("permit", *rule, "insurance"), call)
    dropped = {d.model for d in before.dropped}
    assert not models(after) & dropped
    if before.denial and before.denial.code != "no-permit":
        assert after.effect == "deny"


@settings(deadline=None, max_examples=150)
@given(RULES, CALLS, st.sampled_from(["permit", "forbid"]))
def test_another_tenants_rules_change_nothing(
    rule: tuple[str, str], call: Facts, effect: str
) -> None:
    before, after = decide(world(), call), decide(with_rule(effect, *rule, "retail"), call)
    assert after.determining == before.determining
    assert after.plan == before.plan
    assert after.denial == before.denial


def test_a_rule_that_always_fails_forbids_as_forbid_and_permits_nothing_as_permit() -> None:
    broken = "request.labels.missing == 'x'"
    forbidding = decide(with_rule("forbid", "call", broken, ""), facts())
    assert forbidding.denial is not None
    assert forbidding.denial.rules == ("added",)
    nobody = decide(with_rule("permit", "model", broken, "insurance"), facts())
    assert nobody.denial is not None
    assert "no-permit" in nobody.denial.rules
    assert ("added", 'no such key: "missing"') in [(e.name, e.error) for e in nobody.errors]
