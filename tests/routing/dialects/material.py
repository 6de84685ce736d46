"""Requests, answers and streams that the tests of the dialects share."""

import json
from typing import Any
from uuid import UUID

from routing.dialects import Dialect, Event, dialect
from routing.exchange import CallRequest, Conversation

CALL = UUID("0198c0de-0000-7000-8000-00000000abcd")
CHAT_ID = "chatcmpl-0198c0de00007000800000000000abcd"
MSG_ID = "msg_0198c0de00007000800000000000abcd"
CALL_NAME = "call_0198c0de00007000800000000000abcd"
CHAT: Dialect = dialect("openai.chat")
MESSAGES: Dialect = dialect("anthropic.messages")
PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"]}
HELLO: list[dict[str, Any]] = [{"role": "user", "content": "hello"}]


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def chat_body(**fields: Any) -> bytes:
    return compact({"model": "triage", "messages": HELLO, **fields})


def messages_body(**fields: Any) -> bytes:
    return compact({"model": "triage", "max_tokens": 100, "messages": HELLO, **fields})


def chat(**fields: Any) -> CallRequest:
    return CHAT.parse_request(chat_body(**fields), {}, "")


def messages(**fields: Any) -> CallRequest:
    return MESSAGES.parse_request(messages_body(**fields), {}, "")


def said_in_chat(**fields: Any) -> Conversation:
    return CHAT.conversation(chat(**fields))


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
