"""A budget without money that asks for a person: the call is held before any model, at the budget's queue."""

import msgspec
import pytest

from policies.engine.bundle import Bundle
from policies.engine.decide import decide
from policies.engine.decision import Decision, RuleRef
from policies.engine.facts import decode, encode
from tests.policies.engine.small import EVERYONE, budget, bundle, call, document, model, route


def queue(name: str, tenant: str = "") -> str:
    return document("ReviewQueue", name, {"reviewers": ["role:finance"]}, tenant)


def world(*more: str) -> Bundle:
    return bundle(
        EVERYONE, model("m"), route("r", "m"), queue("desk"), queue("own", "a"),
        budget("whole", onExhausted="escalate", escalateTo="desk"),
        budget("ours", "a", onExhausted="escalate", escalateTo="own", scope={"team": "t"}),
        budget("plain"), *more,
    )  # fmt: skip


def decided(bundle: Bundle, *exhausted: str) -> Decision:
    facts = call()
    if exhausted:
        facts = msgspec.structs.replace(facts, exhausted=exhausted)
    assert decode(encode(facts)) == facts
    return decide(bundle, facts)


def test_nothing_is_held_while_there_is_money() -> None:
    decision = decided(world())
    assert (decision.effect, decision.hold) == ("permit", None)
    assert b"exhausted" not in encode(call())


def test_the_call_waits_at_the_queue_of_the_narrowest() -> None:
    decision = decided(world(), "whole", "a/ours")
    assert decision.effect == "escalate"
    assert decision.hold is not None
    assert (decision.hold.queue_tenant, decision.hold.queue) == ("a", "own")
    poor = [
        RuleRef(kind="Budget", tenant="a", name="ours"),
        RuleRef(kind="Budget", tenant="", name="whole"),
    ]
    assert list(decision.hold.rules) == poor
    assert list(decision.determining[:2]) == poor
    assert (
        decision.hold.message == "no money is left for this call in ours, whole; it waits at a/own"
    )
    assert decision.plan is not None
    assert [step.model for step in decision.plan.steps] == ["m"]


@pytest.mark.parametrize("named", ["plain", "b/ours", "nowhere"])
def test_a_budget_that_asks_for_nobody_or_binds_nothing_holds_nothing(named: str) -> None:
    assert decided(world(), named).effect == "permit"


def test_a_rule_that_asks_for_a_person_names_the_queue() -> None:
    rule = {"stage": "request", "when": "true", "queue": "own"}
    decision = decided(world(document("EscalationRule", "always", rule, "a")), "whole")
    assert decision.hold is not None
    assert decision.hold.queue == "own"
    assert [ref.name for ref in decision.hold.rules] == ["always", "whole"]
    assert decision.hold.message == "the rule always, whole asks for a person; it waits at a/own"


def test_what_denies_the_call_denies_it_whatever_is_left() -> None:
    bad = document("Permission", "no", {"on": "call", "effect": "forbid"})
    decision = decided(world(bad), "whole")
    assert (decision.effect, decision.hold) == ("deny", None)
