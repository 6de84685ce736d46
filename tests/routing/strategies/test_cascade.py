"""Checked answers, walked by the real worker half over the simulator: which model answers, what is weighed, what is shown."""

import json
from typing import Any

import pytest

from policies.engine.bundle import Bundle
from tests.policies.engine.cascades import DESK, cascade, escalation, validator
from tests.policies.engine.small import EVERYONE, bundle, document, model, route
from tests.routing.walking import Walked, request, text_of, walk, weighed_facts

SCHEMA = {"type": "object", "required": ["label"], "properties": {"label": {"type": "string"}}}
MODELS = tuple(
    model(name, capabilities=["chat", "logprobs", "tools"], tier=tier)
    for name, tier in (("s1", "small"), ("s2", "small"), ("l", "large"))
)


def world(*documents: str) -> Bundle:
    return bundle(EVERYONE, DESK, *MODELS, *documents)


def say(name: str, text: str, **more: Any) -> str:
    """A directive for one model."""
    told = " ".join(f"{k}={v}" for k, v in more.items())
    return f"[[sandbox model={name} say='{text}' {told}]]"


async def walked(of: Bundle, *directives: str, **more: Any) -> Walked:
    return await walk(of, request("Sort this. " + " ".join(directives), **more))


# agreement


async def test_three_samples_that_agree_are_accepted_in_the_first_tier() -> None:
    found = await walked(world(cascade()), say("s1", "Motor"), say("s2", "motor."))
    assert found.story == [
        "start s1", "succeeded", "start s2", "succeeded", "start s1", "weigh response permit",
        "finish completed",
    ]  # fmt: skip
    assert text_of(found) == "Motor"
    assert found.outcome.headers["x-mandate-model"] == "s1"
    assert found.outcome.headers["x-mandate-reason"] == "accepted"
    facts = weighed_facts(found)
    assert (facts["method"], facts["confidence"], facts["tier"], facts["last"]) == (
        "agreement", "1", 0, False,
    )  # fmt: skip


async def test_samples_that_disagree_go_to_the_next_tier() -> None:
    found = await walked(
        world(cascade()), say("s1", "Motor"), say("s2", "Household"), say("l", "Travel")
    )
    assert found.story == [
        "start s1", "succeeded", "start s2", "succeeded", "start s1",
        "weigh response deny", "succeeded",
        "start l", "succeeded", "start l", "succeeded", "start l", "weigh response permit",
        "finish completed",
    ]  # fmt: skip
    assert weighed_facts(found, 0)["confidence"] == "0.666667"
    assert text_of(found) == "Travel"


async def test_what_most_say_is_the_answer_even_where_it_was_not_the_first() -> None:
    tiers = [{"models": ["s1", "s2", "l"], "accept": "confidence.score > 0.6"}]
    found = await walked(
        world(cascade(tiers)), say("s1", "Odd"), say("s2", '{"b": 1, "a": 2}'), say("l", '{"a":2,"b":1.0}'),
    )  # fmt: skip
    assert text_of(found) == '{"b": 1, "a": 2}'
    assert found.outcome.headers["x-mandate-model"] == "s2"
    assert found.finish is not None
    assert found.finish.attempt is not None
    assert found.finish.attempt.no == 3


async def test_a_model_that_fails_is_left_out_of_the_samples() -> None:
    found = await walked(
        world(cascade(retry={"attempts": 1})),
        "[[sandbox model=s1 fail=overloaded]]",
        say("s2", "Motor"),
    )
    assert found.story == [
        "start s1", "failed", "start s2", "succeeded", "start s2", "succeeded", "start s2",
        "weigh response permit", "finish completed",
    ]  # fmt: skip


async def test_a_tier_that_fails_goes_to_the_next_and_the_last_to_a_person() -> None:
    of = world(cascade(retry={"attempts": 1}))
    small = "[[sandbox model=s1 fail=overloaded]] [[sandbox model=s2 fail=server_error]]"
    found = await walked(of, small, say("l", "Travel"))
    assert found.story[:5] == ["start s1", "failed", "start s2", "failed", "start l"]
    assert text_of(found) == "Travel"
    every = await walked(of, small, "[[sandbox model=l fail=overloaded]]")
    assert every.story[-2:] == ["weigh failure escalate", "hold failure desk"]
    assert every.draft.status == 502


async def test_a_refused_request_ends_the_call() -> None:
    found = await walked(world(cascade()), "[[sandbox model=s1 fail=refused_request]]")
    assert found.story == ["start s1", "finish failed refused_request"]


async def test_without_otherwise_a_failed_last_tier_is_the_models_failure() -> None:
    of = world(
        cascade(otherwise="", retry={"attempts": 1}),
    )
    found = await walked(of, "[[sandbox fail=overloaded]]")
    assert found.story[-1] == "finish failed overloaded"
    assert not found.weighings


# logprobs


@pytest.mark.parametrize("stream", [False, True])
async def test_a_sure_answer_is_accepted_and_its_caller_sees_no_logprobs(*, stream: bool) -> None:
    of = world(cascade(confidence={"method": "logprob"}))
    found = await walked(of, say("s1", "Motor claim", confidence=0.95), stream=stream)
    assert found.story == ["start s1", "weigh response permit", "finish completed"]
    assert weighed_facts(found)["confidence"].startswith("0.9")
    assert b"Motor" in found.seen
    assert b'"logprob":' not in found.seen


async def test_a_caller_who_asks_for_logprobs_gets_them() -> None:
    of = world(cascade(confidence={"method": "logprob"}))
    found = await walked(of, say("s1", "Motor", confidence=0.95), logprobs=True)
    assert b'"logprob":' in found.seen


async def test_an_unsure_answer_goes_on() -> None:
    of = world(cascade(confidence={"method": "logprob"}))
    found = await walked(of, say("s1", "Motor", confidence=0.4), say("l", "Travel"))
    assert [line for line in found.story if line.startswith("start")] == ["start s1", "start l"]
    assert text_of(found) == "Travel"


async def test_a_model_that_cannot_tell_how_sure_it_is_is_not_believed() -> None:
    plain = model("s1", capabilities=["chat"])
    of = bundle(EVERYONE, DESK, plain, *MODELS[1:], cascade(confidence={"method": "logprob"}))
    found = await walked(of, say("s1", "Motor"), say("l", "Travel"))
    assert weighed_facts(found, 0)["confidence"] == ""
    assert text_of(found) == "Travel"


async def test_anthropic_callers_may_be_measured_too() -> None:
    of = world(cascade(confidence={"method": "logprob"}))
    found = await walked(of, say("s1", "Motor", confidence=0.95), dialect_name="anthropic.messages")
    assert json.loads(found.outcome.body)["content"][0]["text"] == "Motor"


# validators


def checked(on_failure: str, **more: Any) -> Bundle:
    schema = document(
        "Validator", "v", {"type": "json_schema", "schema": SCHEMA, "onFailure": on_failure, **more}
    )
    return world(route("r", "s1", "l", validators=["v"]), schema)  # fmt: skip


async def test_an_answer_that_follows_the_schema_is_shown() -> None:
    found = await walked(checked("reject"), say("s1", '{"label": "motor"}'))
    assert found.story == ["start s1", "weigh response permit", "finish completed"]
    assert text_of(found) == '{"label": "motor"}'


async def test_an_answer_that_does_not_is_shown_to_nobody() -> None:
    found = await walked(checked("reject"), say("s1", "the secret words"))
    assert found.story == ["start s1", "weigh response deny", "finish failed not_accepted"]
    assert found.outcome.status == 502
    assert b"secret words" not in found.seen
    assert found.finish is not None
    assert found.finish.answer is not None
    assert "weighed" in json.loads(found.finish.entry.body)["data"]


async def test_the_next_model_gets_its_turn() -> None:
    found = await walked(checked("next"), say("s1", "no"), say("l", '{"label": "x"}'))
    assert found.story == [
        "start s1", "weigh response deny", "succeeded", "start l", "weigh response permit", "finish completed",
    ]  # fmt: skip
    assert found.outcome.headers["x-mandate-model"] == "l"


@pytest.mark.parametrize("name", ["openai.chat", "openai.responses", "anthropic.messages"])
async def test_a_repair_is_one_more_attempt_at_the_same_model(name: str) -> None:
    # the simulator answers the last thing the user said: the repair asks without the directive, for JSON
    found = await walked(checked("repair", message="[[sandbox say='{\"label\":\"put right\"}']]"),
                         say("s1", "not JSON"), dialect_name=name)  # fmt: skip
    assert found.story == [
        "start s1", "weigh response deny", "succeeded", "start s1", "weigh response permit", "finish completed",
    ]  # fmt: skip
    assert b"put right" in found.seen
    assert weighed_facts(found)["repairs"] == 1
    first, again = (start.reservation for start in found.starts)
    assert first is not None
    assert again is not None
    assert again.amount_nano > first.amount_nano


async def test_what_could_not_be_repaired_goes_on() -> None:
    found = await walked(checked("repair"), "[[sandbox say='never JSON']]")
    assert found.story == [
        "start s1", "weigh response deny", "succeeded", "start s1", "weigh response deny", "succeeded",
        "start l", "weigh response deny", "succeeded", "start l", "weigh response deny",
        "finish failed not_accepted",
    ]  # fmt: skip


async def test_a_cel_validator_reads_the_answer() -> None:
    of = world(route("r", "s1", validators=["v"]), validator("v", "reject"))
    assert text_of(await walked(of, say("s1", "good"))) == "good"
    assert (await walked(of, say("s1", "bad"))).outcome.status == 502


async def test_tools_may_be_called_before_the_answer() -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    found = await walked(checked("reject"), "[[sandbox tool=look]]", tools=[tool])
    assert found.story[-1] == "finish completed"


# rules of stage response


async def test_a_large_payout_is_not_shown() -> None:
    of = world(route("r", "s1"), escalation("large-payout", "output.json.payout > 10000.0"))
    small = await walked(of, say("s1", '{"payout": 900.5}'))
    assert text_of(small) == '{"payout": 900.5}'
    large = await walked(of, say("s1", '{"payout": 20000}'))
    assert large.story == ["start s1", "weigh response escalate", "hold response desk"]
    assert b"20000" not in large.seen
    assert (large.outcome.status, large.outcome.headers["x-should-retry"]) == (409, "false")
    assert json.loads(large.outcome.body)["error"]["code"] == "held_for_review"
    assert (large.draft.status, b"20000" in large.draft.body) == (200, True)
    assert large.opening is not None
    assert [rule.name for rule in large.opening.rules] == ["large-payout"]


async def test_what_was_weighed_lies_sealed_and_its_record_is_content_free() -> None:
    found = await walked(world(cascade()), say("s1", "Motor"), say("s2", "Motor"))
    (one,) = found.weighings
    assert one.decision.no == 2
    assert b"Motor" not in one.decision.facts
    assert one.said is not None
    assert (one.said.field, one.said.no) == ("weighed", 2)
    assert b"Motor" not in one.said.ciphertext
    assert weighed_facts(found)["output"] == found.keys.commit("output", b"Motor")


# a person after a failure, by a rule

OUTAGE = escalation("outage", 'error.class == "overloaded"', "failure")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_whose_plan_failed_waits_for_a_person(*, stream: bool) -> None:
    of = world(route("r", "s1", retry={"attempts": 1}), OUTAGE)
    found = await walked(of, "[[sandbox fail=overloaded]]", stream=stream)
    assert found.story == ["start s1", "weigh failure escalate", "hold failure desk"]
    assert weighed_facts(found)["errorClass"] == "overloaded"
    assert found.finish is not None
    assert found.finish.state == "held"
    assert found.draft.status != 200


async def test_a_single_model_that_fails_otherwise_is_the_models_failure() -> None:
    strategy = {"type": "single", "model": "s1"}
    of = world(route("r", "s1", strategy=strategy, retry={"attempts": 1}), OUTAGE)
    found = await walked(of, "[[sandbox fail=server_error]]")
    assert found.story == ["start s1", "weigh failure deny", "finish failed server_error"]
    held = await walked(of, "[[sandbox fail=overloaded]]")
    assert held.story == ["start s1", "weigh failure escalate", "hold failure desk"]


async def test_an_answer_is_not_held_by_a_rule_about_failures() -> None:
    of = world(route("r", "s1"), OUTAGE)
    found = await walked(of, say("s1", "Motor"))
    assert found.story == ["start s1", "weigh response permit", "finish completed"]
    assert text_of(found) == "Motor"
