"""Plain answers: passed on with only id and model replaced, read, and written."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.exchange import (
    Answer,
    Choice,
    Finish,
    Text,
    ToolCall,
    UnreadableAnswer,
    Usage,
)
from tests.routing.dialects.material import CALL, CHAT, CHAT_ID, MESSAGES, MSG_ID

COMPLETION = (
    b'{ "id" : "chatcmpl-up","object":"chat.completion","created":1700000000,"x_new":{"a":1.50},\n'
    b'"model":"gpt-5-mini-2026","choices":[{"index":0,"message":{"role":"assistant","content":"Gr\xc3\xbc\xc3\x9fe",'
    b'"refusal":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15,'
    b'"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":2}}}'
)
MESSAGE = (
    b'{"model":"claude-2026","id":"msg_up","type":"message","role":"assistant","content":[{"type":"thinking",'
    b'"thinking":"hm","signature":"c2ln"},{"type":"text","text":"Gr\xc3\xbc\xc3\x9fe"},{"type":"tool_use","id":"toolu_1",'
    b'"name":"look","input":{"q": 1.50}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":6,'
    b'"cache_read_input_tokens":4,"cache_creation_input_tokens":2,"output_tokens":3}}'
)
USAGE = Usage(input=6, cached_input=4, cache_write=2, output=3)


def test_a_completion_passes_with_id_and_model_replaced() -> None:
    passed = CHAT.pass_answer(COMPLETION, call=CALL, model="triage")
    expected = COMPLETION.replace(b"chatcmpl-up", CHAT_ID.encode()).replace(
        b"gpt-5-mini-2026", b"triage"
    )
    assert passed.body == expected == CHAT.splice_answer(COMPLETION, call=CALL, model="triage")
    assert (passed.usage, passed.finish) == (USAGE, "stop")
    assert (passed.upstream_id, passed.upstream_model) == ("chatcmpl-up", "gpt-5-mini-2026")


def test_a_message_passes_with_id_and_model_replaced() -> None:
    passed = MESSAGES.pass_answer(MESSAGE, call=CALL, model="triage")
    expected = MESSAGE.replace(b"msg_up", MSG_ID.encode()).replace(b"claude-2026", b"triage")
    assert passed.body == expected == MESSAGES.splice_answer(MESSAGE, call=CALL, model="triage")
    assert (passed.usage, passed.finish) == (USAGE, "tool_use")


def test_a_missing_id_is_inserted() -> None:
    passed = CHAT.pass_answer(b'{"choices":[],"model":"a"}', call=CALL, model="t")
    assert passed.body == b'{"id":"%b","choices":[],"model":"t"}' % CHAT_ID.encode()
    assert passed.usage is None


@given(
    st.dictionaries(
        st.text(max_size=5).map("x_".__add__), st.text(max_size=9) | st.floats(), max_size=4
    )
)
def test_everything_else_of_an_answer_stays(unknown: dict[str, Any]) -> None:
    text = json.dumps(
        {**unknown, "id": "up", "model": "m", "choices": [], "content": []}, ensure_ascii=False
    )
    for speaks, name in ((CHAT, CHAT_ID), (MESSAGES, MSG_ID)):
        body = speaks.splice_answer(text.encode(), call=CALL, model="t")
        expected = text.replace('"id": "up", "model": "m"', f'"id": "{name}", "model": "t"')
        assert body == expected.encode()


@pytest.mark.parametrize("speaks", [CHAT, MESSAGES])
@pytest.mark.parametrize(
    "body", [b"", b"<html>secret</html>", b"[]", b'{"id":"secret"}', b'{"id":"\xff"}']
)
def test_an_unreadable_answer_says_so_and_quotes_nothing(speaks: Any, body: bytes) -> None:
    for read, options in (
        (speaks.pass_answer, {"call": CALL, "model": "t"}),
        (speaks.read_answer, {}),
    ):
        with pytest.raises(UnreadableAnswer) as caught:
            read(body, **options)
        assert "secret" not in caught.value.message
        assert caught.value.details["error_class"] == "server_error"


@pytest.mark.parametrize(
    ("speaks", "usage"),
    [
        (CHAT, None),
        (CHAT, {"prompt_tokens": None, "completion_tokens": 3}),
        (CHAT, {"prompt_tokens": -1, "completion_tokens": 3}),
        (MESSAGES, {"output_tokens": 3}),
        (MESSAGES, {"input_tokens": "9", "output_tokens": 3}),
    ],
)
def test_a_usage_without_totals_is_none_and_never_zero(speaks: Any, usage: object) -> None:
    assert speaks.usage(json.dumps({"usage": usage}).encode()) is None


def test_cached_tokens_never_exceed_the_prompt() -> None:
    body = {
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 9},
        }
    }
    assert CHAT.usage(json.dumps(body).encode()) == Usage(0, 3, 0, 1)


def test_a_message_is_read_without_its_thinking() -> None:
    answer = MESSAGES.read_answer(MESSAGE)
    assert answer == Answer(
        choices=(
            Choice((Text("Grüße"), ToolCall("toolu_1", "look", '{"q": 1.50}')), "tool_calls"),
        ),
        usage=USAGE,
        upstream_id="msg_up",
        upstream_model="claude-2026",
    )


def test_a_message_becomes_a_completion() -> None:
    body = CHAT.encode_answer(
        MESSAGES.read_answer(MESSAGE), call=CALL, model="triage", created=1700000000
    )
    assert json.loads(body) == {
        "id": CHAT_ID,
        "object": "chat.completion",
        "created": 1700000000,
        "model": "triage",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Grüße",
                    "refusal": None,
                    "tool_calls": [
                        {
                            "id": "toolu_1",
                            "type": "function",
                            "function": {"name": "look", "arguments": '{"q": 1.50}'},
                        }
                    ],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 12,
            "completion_tokens": 3,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        },
    }


def test_a_completion_becomes_a_message() -> None:
    body = MESSAGES.encode_answer(
        CHAT.read_answer(COMPLETION), call=CALL, model="triage", created=0
    )
    assert json.loads(body) == {
        "id": MSG_ID,
        "type": "message",
        "role": "assistant",
        "model": "triage",
        "content": [{"type": "text", "text": "Grüße", "citations": None}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 6,
            "cache_creation_input_tokens": 2,
            "cache_read_input_tokens": 4,
            "output_tokens": 3,
        },
    }


@pytest.mark.parametrize(
    ("openai", "ours", "anthropic"),
    [
        ("stop", "stop", "end_turn"),
        ("length", "length", "max_tokens"),
        ("tool_calls", "tool_calls", "tool_use"),
        ("function_call", "tool_calls", "tool_use"),
        ("content_filter", "refusal", "refusal"),
        ("eos", "stop", "end_turn"),
    ],
)
def test_finishes_of_chat(openai: str, ours: Finish, anthropic: str) -> None:
    body = {"choices": [{"message": {"content": "a"}, "finish_reason": openai}]}
    answer = CHAT.read_answer(json.dumps(body).encode())
    assert answer.choices[0].finish == ours
    written = json.loads(MESSAGES.encode_answer(answer, call=CALL, model="t", created=0))
    assert written["stop_reason"] == anthropic


@pytest.mark.parametrize(
    ("anthropic", "ours", "openai"),
    [
        ("end_turn", "stop", "stop"),
        ("stop_sequence", "stop_sequence", "stop"),
        ("max_tokens", "length", "length"),
        ("model_context_window_exceeded", "length", "length"),
        ("tool_use", "tool_calls", "tool_calls"),
        ("refusal", "refusal", "content_filter"),
        ("pause_turn", "stop", "stop"),
    ],
)
def test_finishes_of_messages(anthropic: str, ours: Finish, openai: str) -> None:
    body = {"content": [], "stop_reason": anthropic}
    answer = MESSAGES.read_answer(json.dumps(body).encode())
    assert answer.choices[0].finish == ours
    written = json.loads(CHAT.encode_answer(answer, call=CALL, model="t", created=0))
    assert written["choices"][0]["finish_reason"] == openai


def test_a_server_that_says_stop_after_tool_calls_is_understood() -> None:
    call = {"id": "c", "function": {"name": "look", "arguments": ""}}
    body = {
        "choices": [{"message": {"content": None, "tool_calls": [call]}, "finish_reason": "stop"}]
    }
    answer = CHAT.read_answer(json.dumps(body).encode())
    assert answer.choices[0] == Choice((ToolCall("c", "look", ""),), "tool_calls")
    written = json.loads(MESSAGES.encode_answer(answer, call=CALL, model="t", created=0))
    assert written["content"] == [{"type": "tool_use", "id": "c", "name": "look", "input": {}}]


def test_a_refusal_is_text_and_a_refusal() -> None:
    body = {"choices": [{"message": {"content": None, "refusal": "no"}, "finish_reason": "stop"}]}
    answer = CHAT.read_answer(json.dumps(body).encode())
    written = json.loads(MESSAGES.encode_answer(answer, call=CALL, model="t", created=0))
    assert written["content"] == [{"type": "text", "text": "no", "citations": None}]
    assert written["stop_reason"] == "refusal"


def test_arguments_that_are_no_object_are_unreadable_unless_they_were_cut_off() -> None:
    broken = ToolCall("c", "look", '{"q":')
    cut = Answer(choices=(Choice((Text("a"), broken), "length"),))
    written = json.loads(MESSAGES.encode_answer(cut, call=CALL, model="t", created=0))
    assert [block["type"] for block in written["content"]] == ["text"]
    with pytest.raises(UnreadableAnswer, match="not a JSON object"):
        MESSAGES.encode_answer(
            Answer(choices=(Choice((broken,), "tool_calls"),)), call=CALL, model="t", created=0
        )
