"""A message: passed on with only id and model replaced, or read into and written from an `Answer`."""

from typing import Any, Final
from uuid import UUID

import msgspec

from controlplane.kernel.ids import call_name
from routing.dialects.counts import at_tier, token_count
from routing.dialects.spliced import ENCODER, decode, scan_upstream, with_strings
from routing.exchange import Answer, Choice, Finish, Passed, Text, ToolCall, UnreadableAnswer, Usage

WHAT: Final = "the upstream's message"
_READ: Final[dict[str, Finish]] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}
_WRITTEN: Final[dict[Finish, str]] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
}


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Message(msgspec.Struct):
    content: list[_Block]
    id: str = ""
    model: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: dict[str, Any] | None = None


_DECODER: Final = msgspec.json.Decoder(_Message)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])


def read_finish(reason: str | None) -> Finish:
    """Anthropic's reason as ours."""
    return _READ.get(reason or "end_turn", "stop")


def write_finish(finish: Finish) -> str:
    """Our finish as Anthropic's reason."""
    return _WRITTEN[finish]


def read_usage(found: object) -> Usage | None:
    """Anthropic's `usage`, whose input tokens exclude the cached ones. None when the two totals are not there."""
    if not isinstance(found, dict):
        return None
    plain, output = token_count(found, "input_tokens"), token_count(found, "output_tokens")
    if plain is None or output is None:
        return None
    read = token_count(found, "cache_read_input_tokens") or 0
    written = token_count(found, "cache_creation_input_tokens") or 0
    details = found.get("output_tokens_details")
    thought = token_count(details, "thinking_tokens") if isinstance(details, dict) else 0
    usage = Usage(plain, read, written, output, reasoning=thought or 0)
    return at_tier(usage, found.get("service_tier"))


def write_usage(usage: Usage) -> dict[str, Any]:
    """Our usage as Anthropic's."""
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached_input,
        "output_tokens": usage.output,
    }


def pass_answer(body: bytes, *, call: UUID, model: str) -> Passed:
    """See `Dialect.pass_answer`."""
    upstream = scan_upstream(body, WHAT)
    values = upstream.values
    if type(values.get("content")) is not list:
        raise UnreadableAnswer(f"{WHAT} has no content", error_class="server_error")
    finish = values.get("stop_reason")
    return Passed(
        body=with_strings(upstream, {"id": call_name(call, "msg_"), "model": model}),
        usage=read_usage(values.get("usage")),
        finish=finish if type(finish) is str else None,
        upstream_id=str(values.get("id", "")),
        upstream_model=str(values.get("model", "")),
    )


def read_usage_of(body: bytes) -> Usage | None:
    """See `Dialect.usage`."""
    return read_usage(scan_upstream(body, WHAT).values.get("usage"))


def read_answer(body: bytes) -> Answer:
    """See `Dialect.read_answer`. Thinking is the vendor's own and stays out of the value."""
    found = decode(_DECODER, body, WHAT)
    parts: list[Text | ToolCall] = []
    for block in found.content:
        if block.type == "text":
            parts.append(Text(block.text))
        elif block.type == "tool_use":
            parts.append(ToolCall(block.id, block.name, bytes(block.input).decode()))
    choice = Choice(tuple(parts), read_finish(found.stop_reason), stop_sequence=found.stop_sequence)
    return Answer(
        choices=(choice,),
        usage=read_usage(found.usage),
        upstream_id=found.id,
        upstream_model=found.model,
    )


def encode_answer(answer: Answer, *, call: UUID, model: str) -> bytes:
    """See `Dialect.encode_answer`. A message holds one choice; more were refused before the call."""
    choice = answer.choices[0]
    content: list[dict[str, Any]] = []
    for part in choice.parts:
        if isinstance(part, ToolCall):
            if choice.finish == "length" and not is_object(part.arguments):
                continue  # cut off in the middle: there is nothing to call
            content.append(_tool_use(part))
        elif part.text:
            content.append({"type": "text", "text": part.text, "citations": None})
    if choice.refusal:
        content.append({"type": "text", "text": choice.refusal, "citations": None})
    finish: Finish = "refusal" if choice.refusal else choice.finish
    body = message_head(call, model) | {
        "content": content,
        "stop_reason": write_finish(finish),
        "stop_sequence": choice.stop_sequence,
        "usage": write_usage(answer.usage or Usage()),
    }
    return ENCODER.encode(body)


def message_head(call: UUID, model: str) -> dict[str, Any]:
    """What every message starts with."""
    return {"id": call_name(call, "msg_"), "type": "message", "role": "assistant", "model": model}


def _tool_use(call: ToolCall) -> dict[str, Any]:
    if not is_object(call.arguments):
        raise UnreadableAnswer(
            "the model called a tool with arguments that are not a JSON object",
            error_class="server_error",
        )
    return tool_use(call, call.id)


def tool_use(call: ToolCall, call_id: str) -> dict[str, Any]:
    """A tool call as a block; the arguments stay as the model wrote them. Only for arguments that `is_object`."""
    given = msgspec.Raw(call.arguments.strip().encode() or b"{}")
    return {"type": "tool_use", "id": call_id, "name": call.name, "input": given}


def is_object(arguments: str) -> bool:
    """Whether a tool call's arguments are a JSON object; none at all are an empty one."""
    try:
        _OBJECT.decode(arguments.strip() or "{}")
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return True
