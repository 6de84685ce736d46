"""A chat completion: passed on with only id and model replaced, or read into and written from an `Answer`."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from controlplane.kernel.ids import call_name
from routing.dialects.counts import at_tier, token_count
from routing.dialects.spliced import ENCODER, decode, scan_upstream, with_strings
from routing.exchange import Answer, Choice, Finish, Passed, Text, ToolCall, UnreadableAnswer, Usage

WHAT: Final = "the upstream's chat completion"
_READ: Final[dict[str, Finish]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "refusal",
}
_WRITTEN: Final[dict[Finish, str]] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "refusal": "content_filter",
}


class _Function(msgspec.Struct):
    name: str = ""
    arguments: str = ""


class _ToolCall(msgspec.Struct):
    id: str = ""
    function: _Function | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    index: int = 0
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    id: str = ""
    model: str = ""
    usage: dict[str, Any] | None = None
    service_tier: Any = None


_DECODER: Final = msgspec.json.Decoder(_Completion)


def read_finish(reason: str | None, *, tools: bool, refused: bool) -> Finish:
    """OpenAI's reason as ours; compatible servers say `stop` where tools were called."""
    finish = _READ.get(reason or "stop", "stop")
    if finish == "stop" and tools:
        return "tool_calls"
    return "refusal" if finish == "stop" and refused else finish


def write_finish(finish: Finish) -> str:
    """Our finish as OpenAI's reason."""
    return _WRITTEN[finish]


def read_usage(
    found: object, input_name: str = "prompt_tokens", output_name: str = "completion_tokens"
) -> Usage | None:
    """OpenAI's `usage`, whose input tokens include the cached ones. None when the two totals are not there."""
    if not isinstance(found, dict):
        return None
    given, output = token_count(found, input_name), token_count(found, output_name)
    if given is None or output is None:
        return None
    details, made = _details(found, input_name), _details(found, output_name)
    cached = min(token_count(details, "cached_tokens") or 0, given)
    written = min(token_count(details, "cache_write_tokens") or 0, given - cached)
    return Usage(
        given - cached - written,
        cached,
        written,
        output,
        image_input=token_count(details, "image_tokens") or 0,
        audio_input=token_count(details, "audio_tokens") or 0,
        audio_output=token_count(made, "audio_tokens") or 0,
        reasoning=token_count(made, "reasoning_tokens") or 0,
    )


def _details(found: dict[str, Any], name: str) -> dict[str, Any]:
    details = found.get(f"{name}_details")
    return details if isinstance(details, dict) else {}


def write_usage(usage: Usage) -> dict[str, Any]:
    """Our usage as OpenAI's."""
    return {
        "prompt_tokens": usage.input_all,
        "completion_tokens": usage.output,
        "total_tokens": usage.input_all + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_input,
            "cache_write_tokens": usage.cache_write,
        },
    }


def written_tier(usage: Usage) -> dict[str, str]:
    """The service tier of an answer, where it is not the ordinary one."""
    return {"service_tier": usage.service_tier} if usage.service_tier else {}


def pass_answer(body: bytes, *, call: UUID, model: str) -> Passed:
    """See `Dialect.pass_answer`."""
    upstream = scan_upstream(body, WHAT)
    values = upstream.values
    choices = values.get("choices")
    if type(choices) is not list or not all(type(choice) is dict for choice in choices):
        raise UnreadableAnswer(f"{WHAT} has no choices", error_class="server_error")
    finish = choices[0].get("finish_reason") if choices else None
    return Passed(
        body=with_strings(upstream, {"id": call_name(call, "chatcmpl-"), "model": model}),
        usage=_billed(values),
        finish=finish if type(finish) is str else None,
        upstream_id=str(values.get("id", "")),
        upstream_model=str(values.get("model", "")),
    )


def read_usage_of(body: bytes) -> Usage | None:
    """See `Dialect.usage`."""
    return _billed(scan_upstream(body, WHAT).values)


def _billed(values: Mapping[str, Any]) -> Usage | None:
    return at_tier(read_usage(values.get("usage")), values.get("service_tier"))


def read_answer(body: bytes) -> Answer:
    """See `Dialect.read_answer`."""
    found = decode(_DECODER, body, WHAT)
    if not found.choices:
        raise UnreadableAnswer(f"{WHAT} has no choices", error_class="server_error")
    return Answer(
        choices=tuple(_choice(choice) for choice in found.choices),
        usage=at_tier(read_usage(found.usage), found.service_tier),
        upstream_id=found.id,
        upstream_model=found.model,
    )


def _choice(choice: _Choice) -> Choice:
    message = choice.message
    calls = [
        ToolCall(call.id, call.function.name, call.function.arguments)
        for call in message.tool_calls or ()
        if call.function is not None
    ]
    text = [Text(message.content)] if message.content else []
    refusal = message.refusal or ""
    return Choice(
        parts=(*text, *calls),
        finish=read_finish(choice.finish_reason, tools=bool(calls), refused=bool(refusal)),
        index=choice.index,
        refusal=refusal,
        logprobs=choice.logprobs,
    )


def encode_answer(answer: Answer, *, call: UUID, model: str, created: int) -> bytes:
    """See `Dialect.encode_answer`."""
    body: dict[str, Any] = {
        "id": call_name(call, "chatcmpl-"),
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [_written(choice) for choice in answer.choices],
    }
    if answer.usage is not None:
        body |= {"usage": write_usage(answer.usage), **written_tier(answer.usage)}
    return ENCODER.encode(body)


def _written(choice: Choice) -> dict[str, Any]:
    text = "".join(part.text for part in choice.parts if isinstance(part, Text))
    calls = [
        {
            "id": part.id,
            "type": "function",
            "function": {"name": part.name, "arguments": part.arguments},
        }
        for part in choice.parts
        if isinstance(part, ToolCall)
    ]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text or (None if calls or choice.refusal else ""),
        "refusal": choice.refusal or None,
    }
    if calls:
        message["tool_calls"] = calls
    return {
        "index": choice.index,
        "message": message,
        "logprobs": choice.logprobs,
        "finish_reason": write_finish(choice.finish),
    }
