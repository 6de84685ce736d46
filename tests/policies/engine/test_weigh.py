"""What happens with an answer: accepted, next tier, repaired, refused, or a person; never by an error, always the same bytes."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.kernel.errors import InvalidRequest
from policies.engine.answer import Output
from policies.engine.decide import decide
from policies.engine.weigh import (
    AnswerFacts,
    Checked,
    Weighed,
    decode_facts,
    encode,
    encode_facts,
    weigh,
)
from tests.policies.engine.cascades import cascade, escalation, validator, weighed, world
from tests.policies.engine.small import call, names, permission, route


def told(found: Weighed) -> tuple[str, str, list[tuple[str, str, int]]]:
    rules = [(r.kind, r.name, r.line) for r in found.determining]
    return found.action, found.effect, rules


def test_a_sure_answer_is_accepted_and_the_line_says_why() -> None:
    found = weighed(world(cascade()), confidence="0.85")
    assert told(found) == ("accept", "permit", [("Route", "r", 23)])
    assert (found.stage, found.hold, found.errors) == ("response", None, ())


def test_an_unsure_answer_goes_to_the_next_tier() -> None:
    found = weighed(world(cascade()), confidence="0.849999")
    assert told(found) == ("next", "deny", [("Route", "r", 23)])
    assert found.message == "tier 1 was not accepted"


def test_a_confidence_that_nobody_measured_accepts_nothing() -> None:
    found = weighed(world(cascade()), confidence="")
    assert found.action == "next"
    assert [r.error for r in found.errors] == ["confidence.score is not known"]


def test_the_last_tier_without_a_condition_is_final() -> None:
    assert told(weighed(world(cascade()), tier=1, last=True, confidence="0")) == (
        "accept", "permit", [],
    )  # fmt: skip


def test_the_last_tier_with_a_condition_leads_to_otherwise() -> None:
    tiers = [{"models": ["s1"], "accept": 'output.text == "good"'}]
    found = weighed(world(cascade(tiers)), "bad", last=True)
    assert told(found) == ("escalate", "escalate", [("Route", "r", 23), ("Route", "r", 0)])
    assert found.hold is not None
    assert (found.hold.queue, found.hold.message) == (
        "desk", "tier 1 was not accepted; it waits at desk",
    )  # fmt: skip
    assert weighed(world(cascade(tiers)), "good", last=True).action == "accept"
    alone = weighed(world(cascade(tiers, otherwise="")), "bad", last=True)
    assert told(alone) == ("reject", "deny", [("Route", "r", 23)])


def test_a_last_tier_that_failed_leads_to_otherwise() -> None:
    found = weighed(world(cascade()), tier=1, last=True, error_class="timeout")
    assert (found.stage, found.action) == ("failure", "escalate")
    assert found.message == "no model of the last tier answered (timeout)"
    alone = weighed(world(cascade(otherwise="")), tier=1, last=True, error_class="timeout")
    assert (alone.stage, alone.action, alone.hold) == ("failure", "reject", None)


# validators


@pytest.mark.parametrize(
    ("wish", "action", "last", "repairs"),
    [
        ("repair", "repair", False, 0),
        ("repair", "next", False, 1),
        ("repair", "escalate", True, 1),
        ("next", "next", False, 0),
        ("next", "escalate", True, 0),
        ("reject", "reject", False, 0),
    ],
)
def test_a_validator_that_fails(wish: str, action: str, repairs: int, *, last: bool) -> None:
    of = world(cascade(validators=["v"]), validator("v", wish))
    found = weighed(of, failed=["v"], last=last, repairs=repairs)
    assert found.action == action
    assert found.message == "the answer fails v"
    assert found.determining[0].kind == "Validator"


def test_a_validator_may_escalate_to_its_own_queue() -> None:
    of = world(cascade(validators=["v"]), validator("v", "escalate", queue="other"))
    found = weighed(of, failed=["v"])
    assert found.action == "escalate"
    assert found.hold is not None
    assert (found.hold.queue, names(found.hold.rules)) == ("other", ["v"])


def test_the_strictest_wish_wins() -> None:
    of = world(
        cascade(validators=["a", "b", "c", "d"]),
        validator("a", "next"), validator("b", "repair"),
        validator("c", "escalate", queue="desk"), validator("d", "reject"),
    )  # fmt: skip
    for failed, action in (
        (["a"], "next"), (["a", "b"], "repair"), (["b", "c"], "escalate"), (["a", "b", "c", "d"], "reject"),
    ):  # fmt: skip
        found = weighed(of, failed=failed)
        assert (found.action, [r.name for r in found.determining]) == (action, failed)


def test_validators_come_before_acceptance_and_rules() -> None:
    of = world(cascade(validators=["v"]), validator("v", "reject"), escalation("all", "true"))
    assert weighed(of, failed=["v"]).action == "reject"


# rules of stage response


def test_a_large_payout_goes_to_a_person() -> None:
    rule = 'route.name == "r" && output.json.payout > 10000.0'
    of = world(cascade(), escalation("large-payout", rule))
    assert weighed(of, json={"payout": 10000.0}).action == "accept"
    found = weighed(of, json={"payout": 10000.5})
    assert told(found) == ("escalate", "escalate", [("EscalationRule", "large-payout", 25)])
    assert found.hold is not None
    assert found.hold.message == "the rule large-payout asks for a person; it waits at desk"
    assert weighed(of, json={"payout": 20000}).action == "escalate"


@pytest.mark.parametrize("json", [None, {}, {"payout": "much"}, (1, 2)])
def test_a_rule_that_errs_holds_the_answer(json: object) -> None:
    of = world(cascade(), escalation("large-payout", "output.json.payout > 10000.0"))
    found = weighed(of, json=json)
    assert found.action == "escalate"
    assert [r.name for r in found.errors] == ["large-payout"]


def test_an_answer_that_is_not_accepted_is_not_held() -> None:
    of = world(cascade(), escalation("all", "true"))
    assert weighed(of, confidence="0.1").action == "next"


def test_a_hold_of_a_permission_names_the_permission() -> None:
    asks = permission("held", effect="permit", obligations={"hold": "other"})
    found = weighed(world(route("r", "s1"), asks))
    assert found.action == "escalate"
    assert found.hold is not None
    assert (found.hold.queue, [(r.kind, r.name) for r in found.hold.rules]) == (
        "other", [("Permission", "held")],
    )  # fmt: skip


def test_a_call_without_checks_has_nothing_to_weigh() -> None:
    with pytest.raises(InvalidRequest):
        weighed(world(route("r", "s1")))
    with pytest.raises(InvalidRequest):
        weighed(world(cascade()), facts=call(route="none"))


# bytes

answers = st.builds(
    AnswerFacts,
    of=st.just("cd" * 32),
    tier=st.integers(0, 1),
    last=st.booleans(),
    attempts=st.integers(1, 20),
    repairs=st.integers(0, 1),
    error_class=st.sampled_from(["", "timeout"]),
    confidence=st.sampled_from(["", "0", "0.85", "1"]),
    method=st.sampled_from(["", "agreement"]),
    validators=st.lists(st.builds(Checked, validator=st.just("v"), passed=st.booleans()), max_size=1).map(tuple),
    output=st.sampled_from(["", "ab" * 32]),
)  # fmt: skip
OF = world(
    cascade(validators=["v"]), validator("v", "repair"), escalation("p", "output.json.payout > 5.0")
)


@given(answers, st.sampled_from(["good", "bad"]), st.sampled_from([None, {"payout": 9}, {}]))
def test_the_same_answer_gives_the_same_bytes_and_only_acceptance_opens(
    answer: AnswerFacts, text: str, json: object
) -> None:
    found = weigh(OF, call(), answer, Output(text, json))
    again = weigh(OF, call(), decode_facts(encode_facts(answer)), Output(text, json))
    assert (found.digest, encode(found)) == (again.digest, encode(again))
    assert (found.hold is not None) is (found.action == "escalate")
    if found.action == "accept":
        assert not answer.error_class
        assert all(check.passed for check in answer.validators)
        assert json is not None
        if answer.tier == 0:
            assert answer.confidence in {"0.85", "1"}


def test_no_record_holds_what_the_answer_says() -> None:
    found = weighed(world(cascade(), escalation("p", "output.text.contains('Ada')")), "Ada is ill")
    assert found.action == "escalate"
    assert b"Ada is" not in encode(found) + msgspec.json.encode(found.errors)


def test_what_are_no_facts_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        decode_facts(b'{"of":"1"}')


# rules of stage failure


def failing(*rules: str, error: str = "timeout", last: bool = True, **route_spec: Any) -> Weighed:
    of = world(cascade(**route_spec), *rules)
    facts = AnswerFacts(of="00", tier=1, last=last, attempts=2, error_class=error)
    return weigh(of, call(), facts, Output())


def test_a_plan_that_failed_goes_to_a_person_by_a_rule() -> None:
    rule = escalation("outage", 'error.class == "timeout" && attempts >= 2', "failure")
    found = failing(rule, otherwise="")
    assert told(found) == ("escalate", "escalate", [("EscalationRule", "outage", 25)])
    assert (found.stage, found.hold and found.hold.queue) == ("failure", "desk")


def test_another_failure_is_not_its_business() -> None:
    rule = escalation("outage", 'error.class == "timeout"', "failure")
    assert told(failing(rule, error="overloaded", otherwise="")) == (
        "reject", "deny", [("builtIn", "failed", 0)],
    )  # fmt: skip
    by_route = failing(rule, error="overloaded")
    assert (by_route.action, [r.kind for r in by_route.determining]) == (
        "escalate", ["builtIn", "Route"],
    )  # fmt: skip


def test_only_the_end_of_a_plan_is_a_failure() -> None:
    rule = escalation("outage", "true", "failure")
    assert failing(rule, last=False).action == "next"


def test_a_rule_about_failures_that_reads_an_answer_holds_for_a_person() -> None:
    found = failing(escalation("odd", 'output.text == ""', "failure"), otherwise="")
    assert (found.action, [r.error for r in found.errors]) == (
        "escalate", ["output.text is not known"],
    )  # fmt: skip


def test_what_a_model_refused_never_goes_to_otherwise() -> None:
    assert failing(error="refused_request").action == "reject"
    rule = escalation("refused", 'error.class == "refused_request"', "failure")
    assert failing(rule, error="refused_request").action == "escalate"


def test_a_rule_about_failures_makes_the_answer_a_checked_one() -> None:
    plain = route("r", "s1")
    for when, kept in (('error.class == "timeout"', True), ('route.name == "other"', False)):
        of = world(plain, escalation("outage", when, "failure"))
        plan = decide(of, call()).plan
        assert plan is not None
        assert (plan.checks is not None) is kept


def test_a_rule_about_failures_holds_no_answer() -> None:
    of = world(route("r", "s1"), escalation("outage", "true", "failure"))
    facts = AnswerFacts(of="00", tier=0, last=True, attempts=1)
    assert weigh(of, call(), facts, Output("good")).action == "accept"
