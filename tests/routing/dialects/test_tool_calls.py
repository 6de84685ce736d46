"""Which tools an answer asks for: of every kind a caller may be asked to run, plain and in pieces."""

import json
from typing import Any
from uuid import UUID

import pytest

from routing.dialects import dialect, tool_calls
from routing.dialects.tool_calls import Wanted, of_body, of_stream
from routing.exchange import Answer, Choice, Text, ToolCall, UnreadableAnswer
from routing.reviews.drafts import as_stream
from tests.routing.walking import request

DIALECTS = ("openai.chat", "openai.responses", "anthropic.messages")
CALL = UUID(int=7)


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def chat(**message: Any) -> bytes:
    return body(choices=[{"index": 0, "message": message}])


SHELL = {"type": "local_shell_call", "call_id": "s", "action": {"command": ["ls"]}}
THINKS = {"type": "thinking", "thinking": "x"}
USES = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": [1]}}


def events(*found: dict[str, Any] | str) -> bytes:
    return b"".join(
        b"data: %b\n\n" % (one if isinstance(one, str) else json.dumps(one)).encode()
        for one in found
    )


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (
            chat(tool_calls=[{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]),
            [Wanted("f", "{}")],
        ),
        (
            chat(tool_calls=[{"id": "c", "type": "custom", "custom": {"name": "sh", "input": "rm -r"}}]),
            [Wanted("sh", "rm -r", is_json=False)],
        ),
        (chat(function_call={"name": "old", "arguments": '{"a":1}'}), [Wanted("old", '{"a":1}')]),
        (chat(content="no tool"), []),
        (
            body(output=[{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]),
            [Wanted("f", "{}")],
        ),
        (
            body(output=[{"type": "custom_tool_call", "call_id": "c", "name": "sh", "input": "ls"}]),
            [Wanted("sh", "ls", is_json=False)],
        ),
        (
            body(output=[SHELL | {"id": "x", "status": "completed"}]),
            [Wanted("local_shell", '{"action":{"command":["ls"]}}')],
        ),
        (body(output=[{"type": "message", "content": []}, {"type": "reasoning", "summary": []}]), []),
        (
            body(content=[THINKS, {"type": "text", "text": "x"}, USES]),
            [Wanted("f", '{"a":[1]}')],
        ),
        (body(content=[{"type": "mcp_tool_use", "id": "t", "name": "f", "input": {}}]), [Wanted("f", "{}")]),
    ],
)  # fmt: skip
def test_a_plain_answer(given: bytes, wanted: list[Wanted]) -> None:
    assert of_body(given) == tuple(wanted)


@pytest.mark.parametrize("name", DIALECTS)
def test_what_we_write_ourselves_is_read_back_plain_and_streamed(name: str) -> None:
    calls = (
        ToolCall("c1", "f", '{"a":1}'),
        ToolCall("c2", "f", '{"a":1}'),
        ToolCall("c3", "g", "{}"),
    )
    answer = Answer(choices=(Choice((Text("hm"), *calls), "tool_calls"),))
    asked, speaks = request("x", dialect_name=name), dialect(name)
    plain = speaks.encode_answer(answer, call=CALL, model="r", created=1, request=asked)
    stream = as_stream(speaks, answer, asked, CALL)
    wanted = [("f", {"a": 1}), ("f", {"a": 1}), ("g", {})]
    assert [(one.name, json.loads(one.arguments)) for one in of_body(plain)] == wanted
    assert [(one.name, json.loads(one.arguments or "{}")) for one in of_stream(stream)] == wanted


def test_chat_pieces_come_together_by_their_place() -> None:
    def piece(index: int, **call: Any) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": index, **call}]}}]}

    found = of_stream(
        events(
            piece(0, id="a", function={"name": "f", "arguments": ""}),
            piece(1, id="b", custom={"name": "sh", "input": "r"}),
            piece(0, function={"arguments": '{"a":'}),
            piece(1, custom={"input": "m"}),
            piece(0, function={"arguments": "1}"}),
            {"choices": [{"index": 0, "delta": {"function_call": {"name": "old"}}}]},
            {"choices": [{"index": 0, "delta": {"function_call": {"arguments": "{}"}}}]},
            "[DONE]",
        )
    )
    assert found == (Wanted("f", '{"a":1}'), Wanted("sh", "rm", is_json=False), Wanted("old", "{}"))


def test_a_response_that_tells_a_call_differently_at_its_end_asks_for_both() -> None:
    item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}
    end = {"type": "response.completed", "response": {"output": [item | {"arguments": '{"a":2}'}]}}
    found = of_stream(
        events(
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": '{"a":'},
            {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "1}"},
            {"type": "response.output_item.done", "output_index": 0, "item": item | {"arguments": '{"a":1}'}},
            {"type": "response.output_item.added", "output_index": 1, "item": SHELL | {"action": None}},
            {"type": "response.output_item.done", "output_index": 1, "item": SHELL},
            end,
        )
    )  # fmt: skip
    assert found == (
        Wanted("f", '{"a":1}'),
        Wanted("local_shell", '{"action":{"command":["ls"]}}'),
        Wanted("f", '{"a":2}'),
    )


def test_message_blocks_come_with_what_they_begin_with_or_in_pieces() -> None:
    def start(index: int, **given: Any) -> dict[str, Any]:
        block = {"type": "tool_use", "id": f"t{index}", "name": "f", "input": given}
        return {"type": "content_block_start", "index": index, "content_block": block}

    def delta(index: int, piece: str) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": index, "delta": {"partial_json": piece}}

    found = of_stream(
        events(start(0, a=1), start(1), delta(1, '{"a"'), delta(1, ":2}"), start(2), delta(9, "x"))
    )
    assert found == (Wanted("f", '{"a":1}'), Wanted("f", '{"a":2}'), Wanted("f", ""))


@pytest.mark.parametrize("read", [of_body, of_stream])
def test_what_is_no_json_cannot_be_read(read: Any) -> None:
    with pytest.raises(UnreadableAnswer, match="is not JSON"):
        read(b"data: {nothing\n\n")


def test_more_than_anybody_may_ask_for_cannot_be_read() -> None:
    calls = [{"id": str(n), "function": {"name": "f"}} for n in range(tool_calls.MOST + 1)]
    assert len(of_body(chat(tool_calls=calls[1:]))) == 128
    with pytest.raises(UnreadableAnswer, match="more than 128 tools"):
        of_body(chat(tool_calls=calls))


def test_what_is_sealed_is_one_json_whatever_the_model_wrote() -> None:
    sealed = Wanted("f", '{"a": "\ud800"}').text()
    assert json.loads(sealed.encode()) == {
        "name": "f",
        "arguments": '{"a": "\ud800"}',
        "json": True,
    }
