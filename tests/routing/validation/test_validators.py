"""What an answer says, read back from its caller's bytes, and what validators find in it."""

import json

import pytest

from policies.engine.answer import Output
from policies.engine.decide import decide
from routing.dialects import dialect
from routing.exchange import UnreadableAnswer
from routing.validation.registry import VALIDATORS, Result, failures, results
from routing.validation.repair import repaired
from routing.validation.said import Said, read, said
from tests.policies.engine.cascades import cascade, validator, world
from tests.policies.engine.small import call, document, route
from tests.routing.walking import request

CHAT, MESSAGES = dialect("openai.chat"), dialect("anthropic.messages")


def completion(*messages: dict[str, object]) -> bytes:
    choices = [{"index": i, "message": m, "finish_reason": "stop"} for i, m in enumerate(messages)]
    return json.dumps({"id": "x", "model": "m", "choices": choices}).encode()


def test_words_json_tools_and_a_refusal() -> None:
    found = read(CHAT, completion({"content": '{"a": [1, 2.5, null]}'}), stream=False)
    assert found == Said('{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}, True, False, "stop")
    assert found.output() == Output('{"a": [1, 2.5, null]}', {"a": (1, 2.5, None)})
    tools = [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    called = read(CHAT, completion({"content": None, "tool_calls": tools}), stream=False)
    assert (called.text, called.calls_tools, called.is_json) == ("", True, False)
    refused = read(CHAT, completion({"content": None, "refusal": "I may not"}), stream=False)
    assert refused.text == "I may not"


def test_more_choices_than_one_are_not_read() -> None:
    with pytest.raises(UnreadableAnswer):
        read(CHAT, completion({"content": "a"}, {"content": "b"}), stream=False)
    chunk = {"choices": [{"index": 1, "delta": {"content": "b"}, "finish_reason": None}]}
    with pytest.raises(UnreadableAnswer):
        read(CHAT, b"data: " + json.dumps(chunk).encode() + b"\n\n", stream=True)


def test_a_stream_says_what_a_plain_answer_says() -> None:
    parts = [('{"a"', None), (": 1}", None), ("", "stop")]
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}
        for text, finish in parts
    ]
    body = (
        b"".join(b"data: " + json.dumps(c).encode() + b"\n\n" for c in chunks) + b"data: [DONE]\n\n"
    )
    plain = read(CHAT, completion({"content": '{"a": 1}'}), stream=False)
    assert read(CHAT, body, stream=True) == plain


@pytest.mark.parametrize(
    "text", ["", "NaN", "Infinity", "{", "[" * 65 + "]" * 65, "1 2", "```json\n{}\n```"]
)
def test_what_is_no_json(text: str) -> None:
    assert said(text).is_json is False
    assert said(text).output().json is None


def test_numbers_beyond_64_bits_are_doubles() -> None:
    assert said(str(2**63)).output().json == float(2**63)
    assert said(str(2**63 - 1)).output().json == 2**63 - 1
    assert said("true").output().json is True


SCHEMA = {
    "type": "object",
    "required": ["label"],
    "properties": {"label": {"type": "string", "pattern": "^[a-z]+$"}, "lines": {"items": {"type": "integer"}}},
}  # fmt: skip
OF = world(
    cascade(validators=["v", "c"]),
    document("Validator", "v", {"type": "json_schema", "schema": SCHEMA}),
    document("Validator", "c", {"type": "cel", "when": 'output.json.label != "other" && route.name == "r"',
                                "message": "the label must not be other"}),
)  # fmt: skip


def problems(text: str) -> list[str]:
    return [one.problem for one in failures(OF, call(), text)]


def test_every_type_has_a_validator() -> None:
    assert set(VALIDATORS) == {"json_schema", "cel"}


def test_what_follows_passes() -> None:
    assert problems('{"label": "motor"}') == []


def test_problems_are_told_in_words_for_the_model() -> None:
    assert (
        problems("words")[0]
        == "the answer is not JSON; answer with one JSON value and nothing else"
    )
    assert problems('{"lines": [1, "x"]}')[0] == (
        'the answer: "label" is a required property; .lines[1]: "x" is not of type "integer"'
    )
    assert problems('{"label": "other"}') == ["the label must not be other"]


def test_a_condition_that_errs_does_not_pass() -> None:
    assert "the label must not be other" in problems("[]")


def test_an_answer_that_only_calls_tools_is_no_answer_yet() -> None:
    decision = decide(OF, call())
    assert decision.plan is not None
    assert decision.plan.checks is not None
    calls = Said("", None, is_json=False, calls_tools=True, finish="tool_calls")
    assert results(OF, decision.plan.checks.validators, calls, ()) == [
        Result("v", ""),
        Result("c", ""),
    ]


def test_a_route_without_validators_fails_nothing() -> None:
    assert failures(world(route("r", "s1")), call(), "anything") == []
    held = world(route("r", "s1", validators=["v"]), validator("v", "reject"))
    assert [one.validator for one in failures(held, call(), "bad")] == ["v"]


AGAIN = (
    "Your answer was not accepted: not JSON; too long. Answer again, in full, with this put right."
)


def test_a_repair_appends_the_answer_and_what_is_wrong_with_it() -> None:
    for name, speaks in (("openai.chat", CHAT), ("anthropic.messages", MESSAGES)):
        asked = request("Sort this", dialect_name=name, temperature=0.2, unknown={"kept": [1.5]})
        again = repaired(speaks, asked, "Motor!", ["not JSON", "too long"])
        body = json.loads(again.raw)
        assert body["messages"] == [
            {"role": "user", "content": "Sort this"},
            {"role": "assistant", "content": "Motor!"},
            {"role": "user", "content": AGAIN},
        ]  # fmt: skip
        assert (body["temperature"], body["unknown"]) == (0.2, {"kept": [1.5]})
        assert again.route == "r"
    empty = json.loads(repaired(CHAT, request("x"), "", ["no"]).raw)
    assert [turn["role"] for turn in empty["messages"]] == ["user", "user"]


def test_a_responses_caller_is_asked_again_in_its_own_shape() -> None:
    speaks = dialect("openai.responses")
    asked = speaks.parse_request(b'{"model":"r","input":"Sort this"}', {}, "")
    assert [turn["role"] for turn in json.loads(repaired(speaks, asked, "a", ["b"]).raw)["input"]] == [
        "user", "assistant", "user",
    ]  # fmt: skip
