"""Requests, answers and streams that the tests of the dialects share."""

import json
from typing import Any
from uuid import UUID

from routing.dialects import Dialect, Event, dialect
from routing.exchange import CallRequest, Conversation

CALL = UUID("0198c0de-0000-7000-8000-00000000abcd")
CHAT_ID = "chatcmpl-0198c0de00007000800000000000abcd"
RESP_ID = "resp_0198c0de00007000800000000000abcd"
MSG_ID = "msg_0198c0de00007000800000000000abcd"
CALL_NAME = "call_0198c0de00007000800000000000abcd"
CHAT: Dialect = dialect("openai.chat")
RESPONSES: Dialect = dialect("openai.responses")
MESSAGES: Dialect = dialect("anthropic.messages")
PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"]}
HELLO: list[dict[str, Any]] = [{"role": "user", "content": "hello"}]


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def chat_body(**fields: Any) -> bytes:
    return compact({"model": "triage", "messages": HELLO, **fields})


def responses_body(**fields: Any) -> bytes:
    return compact({"model": "triage", "input": "hello", **fields})


def messages_body(**fields: Any) -> bytes:
    return compact({"model": "triage", "max_tokens": 100, "messages": HELLO, **fields})


def chat(**fields: Any) -> CallRequest:
    return CHAT.parse_request(chat_body(**fields), {}, "")


def responses(**fields: Any) -> CallRequest:
    return RESPONSES.parse_request(responses_body(**fields), {}, "")


def messages(**fields: Any) -> CallRequest:
    return MESSAGES.parse_request(messages_body(**fields), {}, "")


def said_in_chat(**fields: Any) -> Conversation:
    return CHAT.conversation(chat(**fields))


def said_in_responses(**fields: Any) -> Conversation:
    return RESPONSES.conversation(responses(**fields))


def said_in_messages(**fields: Any) -> Conversation:
    return MESSAGES.conversation(messages(**fields))


def to_claude(**fields: Any) -> dict[str, Any]:
    said = said_in_chat(**fields)
    assert MESSAGES.cannot_carry(said) == []
    body = MESSAGES.encode_request(said, model="claude", max_output_tokens=50, stream=False)
    found: dict[str, Any] = json.loads(body)
    return found


def to_openai(**fields: Any) -> dict[str, Any]:
    said = said_in_messages(**fields)
    assert CHAT.cannot_carry(said) == []
    body = CHAT.encode_request(said, model="gpt", max_output_tokens=50, stream=False)
    found: dict[str, Any] = json.loads(body)
    return found


def chunk(delta: dict[str, Any], finish: str | None = None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    body = {
        "id": "chatcmpl-upstream",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "gpt-5-mini-2026",
        "choices": [choice],
    }
    return b"data: " + compact(body | fields) + b"\n\n"


USAGE_CHUNK = chunk(
    {},
    choices=[],
    usage={
        "prompt_tokens": 12,
        "completion_tokens": 3,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    },
)
DONE = b"data: [DONE]\n\n"
CHAT_STREAM = (
    chunk({"role": "assistant", "content": ""}, usage=None)
    + chunk({"content": "Grüße"}, usage=None)
    + chunk({"content": " dich"}, usage=None)
    + chunk({}, "stop", usage=None)
    + USAGE_CHUNK
    + DONE
)


def event(name: str, **data: Any) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + compact({"type": name, **data}) + b"\n\n"


MESSAGE_START = event(
    "message_start",
    message={
        "id": "msg_upstream",
        "type": "message",
        "role": "assistant",
        "model": "claude-2026",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "cache_read_input_tokens": 4, "output_tokens": 1},
    },
)
MESSAGES_STREAM = (
    MESSAGE_START
    + event(
        "content_block_start",
        index=0,
        content_block={"type": "thinking", "thinking": "", "signature": ""},
    )
    + event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"})
    + event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2ln"})
    + event("content_block_stop", index=0)
    + event("ping")
    + event("content_block_start", index=1, content_block={"type": "text", "text": ""})
    + event("content_block_delta", index=1, delta={"type": "text_delta", "text": "Grüße"})
    + event("content_block_stop", index=1)
    + event(
        "content_block_start",
        index=2,
        content_block={"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
    )
    + event(
        "content_block_delta", index=2, delta={"type": "input_json_delta", "partial_json": '{"q":'}
    )
    + event(
        "content_block_delta", index=2, delta={"type": "input_json_delta", "partial_json": '"x"}'}
    )
    + event("content_block_stop", index=2)
    + event(
        "content_block_start",
        index=3,
        content_block={"type": "tool_use", "id": "toolu_2", "name": "stop", "input": {}},
    )
    + event("content_block_stop", index=3)
    + event(
        "message_delta",
        delta={"stop_reason": "tool_use", "stop_sequence": None},
        usage={"output_tokens": 7},
    )
    + event("message_stop")
)


def events(speaks: Dialect, data: bytes) -> list[Event]:
    return speaks.reader().feed(data)


def step(name: str, number: int, **data: Any) -> bytes:
    return event(name, sequence_number=number, **data)


def begun(**fields: Any) -> dict[str, Any]:
    response = {
        "id": "resp_upstream",
        "object": "response",
        "created_at": 1700000000,
        "status": "in_progress",
        "model": "gpt-5-mini-2026",
        "previous_response_id": None,
        "store": False,
        "background": False,
        "output": [],
        "usage": None,
        "x_new": 1.50,
    }
    return response | fields


THOUGHT: dict[str, Any] = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [],
    "encrypted_content": "c2VhbGVk",
}
SAID: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Grüße", "annotations": [], "logprobs": []}],
}
CALLED: dict[str, Any] = {
    "id": "fc_1",
    "type": "function_call",
    "status": "completed",
    "call_id": "call_1",
    "name": "look",
    "arguments": '{"q":1}',
}
RESPONSE_USAGE = {
    "input_tokens": 12,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "output_tokens": 3,
    "output_tokens_details": {"reasoning_tokens": 1},
    "total_tokens": 15,
}
RESPONSE = begun(status="completed", output=[THOUGHT, SAID, CALLED], usage=RESPONSE_USAGE)
RESPONSES_STREAM = (
    step("response.created", 0, response=begun())
    + step("response.in_progress", 1, response=begun())
    + step("response.output_item.added", 2, output_index=0, item=THOUGHT)
    + step("response.output_item.done", 3, output_index=0, item=THOUGHT)
    + step("response.output_item.added", 4, output_index=1, item=SAID | {"content": []})
    + step("response.output_text.delta", 5, output_index=1, delta="Grüße", logprobs=[])
    + step("response.output_item.done", 6, output_index=1, item=SAID)
    + step("response.output_item.added", 7, output_index=2, item=CALLED | {"arguments": ""})
    + step("response.function_call_arguments.delta", 8, output_index=2, delta='{"q":')
    + step("response.function_call_arguments.delta", 9, output_index=2, delta="1}")
    + step("response.output_item.done", 10, output_index=2, item=CALLED)
    + step("response.completed", 11, response=RESPONSE)
)
