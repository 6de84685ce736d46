"""The plan of a call whose answer is checked: tiers, what they must pass, and what leaves a plan as it always was."""

import pytest

from policies.engine.checking import NO_ANSWER
from policies.engine.decide import decide
from policies.engine.decision import Checks, Tier, encode
from policies.engine.explain import trace
from tests.policies.engine.cascades import cascade, escalation, validator, world
from tests.policies.engine.small import (
    EVERYONE,
    bundle,
    call,
    document,
    model,
    names,
    permission,
    refused,
    route,
    steps,
)


def checks(*documents: str, **changes: object) -> Checks | None:
    decision = decide(world(*documents), call(**changes))  # type: ignore[arg-type]  # facts by name
    assert decision.plan is not None, decision.denial
    return decision.plan.checks


def test_the_tiers_of_a_cascade() -> None:
    decision = decide(world(cascade(validators=["v"]), validator("v", "next")), call())
    assert decision.effect == "permit"
    assert decision.plan is not None
    assert decision.plan.strategy == "cascade"
    assert [s.model for s in steps(decision)] == ["s1", "s2", "l"]
    assert decision.plan.checks == Checks(
        tiers=(Tier(steps=(0, 1), conditional=True), Tier(steps=(2,))),
        method="agreement",
        samples=3,
        validators=("v",),
        otherwise="desk",
    )
    assert decision.plan.fallback_on == (
        "timeout", "rate_limited", "overloaded", "server_error", "worker_lost", "refused_account",
    )  # fmt: skip


def test_samples_count_where_they_are_compared() -> None:
    found = checks(cascade(confidence={"method": "logprob", "samples": 5}))
    assert found is not None
    assert (found.method, found.samples) == ("logprob", 1)


def test_a_tier_without_a_model_stays_empty_in_its_place() -> None:
    found = checks(cascade(), exclude=("s1", "s2"))
    assert found is not None
    assert found.tiers == (Tier(steps=(), conditional=True), Tier(steps=(0,)))
    assert refused(world(cascade()), call(exclude=("s1", "s2", "l"))).startswith("excluded: ")


def test_a_model_whose_place_another_took_stands_in_both_tiers() -> None:
    gone = model("s2", lifecycle={"state": "retired", "replacement": "l"})
    of = bundle(EVERYONE, document("ReviewQueue", "desk", {"reviewers": ["role:reviewer"]}),
                model("s1"), gone, model("l"), cascade())  # fmt: skip
    plan = decide(of, call()).plan
    assert plan is not None
    assert plan.checks is not None
    assert [s.model for s in plan.steps] == ["s1", "l"]
    assert [t.steps for t in plan.checks.tiers] == [(0, 1), (1,)]
    assert [m.tiers for m in trace(of, call()).models] == [(1,), (1, 2)]


def test_a_plan_whose_answer_needs_no_check_has_the_bytes_it_always_had() -> None:
    decision = decide(world(route("r", "s1", "l")), call())
    assert decision.plan is not None
    assert (decision.plan.checks, decision.hold, decision.lifted) == (None, None, ())
    text = encode(decision)
    assert not any(word in text for word in (b"checks", b'hold":{', b"lifted"))


def test_elsewhere_each_model_is_a_tier_of_its_own() -> None:
    found = checks(route("r", "s1", "l", validators=["v"]), validator("v", "next"))
    assert found is not None
    assert found.tiers == (Tier(steps=(0,)), Tier(steps=(1,)))


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ('route.name == "r" && output.tokens > 5', True),
        ('route.name == "other" && output.tokens > 5', False),
        ("output.tokens > 5", True),
        ('output.text == "x" || route.name == "other"', True),
        ("route.name == 'r'", True),
        ("false", False),
        ("confidence.score < 0.5 && team.name == 'else'", False),
    ],
)
def test_a_response_rule_checks_the_calls_it_could_hold_and_no_others(
    when: str, *, holds: bool
) -> None:
    found = checks(route("r", "s1"), escalation("rule", when))
    assert (found is not None) is holds
    if found is not None:
        assert found.escalations == ("rule",)


def test_a_rule_of_another_tenant_holds_nothing() -> None:
    assert checks(route("r", "s1"), escalation("rule", "true", tenant="b")) is None
    own = checks(route("r", "s1"), escalation("rule", "true", tenant="a"))
    assert own is not None
    assert own.escalations == ("a/rule",)


def test_a_hold_that_a_permission_asks_for() -> None:
    asks = permission("held", effect="permit", obligations={"hold": "desk"})
    found = checks(route("r", "s1"), asks)
    assert found is not None
    assert found.hold == "desk"


def test_nothing_of_an_answer_is_known_before_there_is_one() -> None:
    with pytest.raises(Exception, match=r"output\.text is not known"):
        NO_ANSWER[3]


# before any model


def test_a_request_rule_sends_the_call_to_a_person_and_keeps_its_plan() -> None:
    of = world(route("r", "s1"), escalation("big", "request.inputTokensMax > 50", "request"))
    decision = decide(of, call())
    assert decision.effect == "escalate"
    assert [s.model for s in steps(decision)] == ["s1"]
    assert decision.hold is not None
    assert (decision.hold.queue, decision.hold.queue_tenant) == ("desk", "")
    assert decision.hold.message == "the rule big asks for a person; it waits at desk"
    assert [(r.kind, r.name, r.line, r.error) for r in decision.hold.rules] == [
        ("EscalationRule", "big", 25, "")
    ]
    assert names(decision.determining) == ["big", "everyone"]
    assert b'"hold":{"message"' in encode(decision)
    assert decide(of, call({"input_tokens_max": 50})).effect == "permit"


def test_a_request_rule_that_errs_sends_the_call_to_a_person() -> None:
    of = world(route("r", "s1"), escalation("odd", "request.labels.missing == ''", "request"))
    decision = decide(of, call())
    assert decision.effect == "escalate"
    assert names(decision.errors) == ["odd"]


def test_deny_beats_escalate() -> None:
    of = world(route("r", "s1"), escalation("all", "true", "request"),
               permission("no", effect="forbid"))  # fmt: skip
    decision = decide(of, call())
    assert (decision.effect, decision.plan, decision.hold) == ("deny", None, None)


def test_the_first_rule_names_the_queue_and_all_that_hold_are_told() -> None:
    of = world(
        route("r", "s1"),
        escalation("a-rule", "true", "request", queue="other"),
        escalation("b-rule", "true", "request"),
        escalation("c-rule", "false", "request"),
    )
    hold = decide(of, call()).hold
    assert hold is not None
    assert hold.queue == "other"
    assert names(hold.rules) == ["a-rule", "b-rule"]


def test_the_trace_tells_of_rules_that_escalate() -> None:
    of = world(route("r", "s1"), escalation("big", "request.inputTokensMax > 50", "request"))
    (rule,) = [r for r in trace(of, call()).rules if r.kind == "EscalationRule"]
    assert (rule.name, rule.effect, rule.outcome, rule.counted) == ("big", "escalate", "true", True)
    assert [(a.text, a.inputs) for a in rule.atoms] == [
        ("request.inputTokensMax > 50", {"request.inputTokensMax": 100})
    ]


# streams


def test_a_route_that_refuses_streams_refuses_those_it_would_have_to_check() -> None:
    of = world(cascade(stream="refuse"))
    assert decide(of, call()).effect == "permit"
    assert refused(of, call({"stream": True})) == (
        'stream: answers of the route "r" are checked before they are seen, and it refuses streams; ask without stream'
    )
    assert decide(world(cascade()), call({"stream": True})).effect == "permit"
    assert (
        decide(world(route("r", "s1", stream="refuse")), call({"stream": True})).effect == "permit"
    )
