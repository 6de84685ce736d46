"""Anthropic's messages as the upstream serves them."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from routing.simulator.model import Ask, Choice, Simulated, ToolSpec
from routing.upstream.script import BadBody, Origin, Script, messages_of, model_of, text_of, whole

_encode = msgspec.json.Encoder().encode
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    503: "overloaded_error",
    529: "overloaded_error",
}
_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_ARGUMENTS_AT_ONCE = 24
_THOUGHT = {
    "type": "thinking",
    "thinking": "The question is read twice before it is answered.",
    "signature": "c2FuZGJveC1zaWduYXR1cmU=",
}


class Anthropic:
    """`/v1/messages`."""

    request_id_header = b"request-id"

    def ask(self, body: Mapping[str, Any], tries: int) -> Ask:
        """What the request asks of the model. Raises BadBody."""
        max_tokens = whole(body, "max_tokens")
        if max_tokens is None:
            raise BadBody("max_tokens: Field required")
        system, images = text_of(body.get("system"))
        texts, last, tool_result = [system], "", None
        for message in messages_of(body):
            text, more = text_of(message.get("content"))
            texts.append(text)
            images += more
            if message.get("role") not in {"user", "assistant"}:
                raise BadBody(f"messages: unexpected role {message.get('role')!r}")
            if message.get("role") == "user":
                said, returned = _user(message.get("content"), text)
                tool_result = returned
                last = said if said or returned is None else last
        return Ask(
            text="\n".join(filter(None, texts)),
            last=last,
            directives=f"{system}\n{last}",
            model=model_of(body),
            tool_result=tool_result,
            tools=_tools(body),
            must_call=_must_call(body.get("tool_choice")),
            schema=_schema(body),
            stop=tuple(body.get("stop_sequences") or ()),
            max_tokens=max_tokens,
            images=images,
            tries=tries,
        )

    def plain(self, body: Mapping[str, Any], origin: Origin, done: Simulated) -> bytes:
        """The whole message as JSON."""
        choice = done.choices[0]
        content = list(_blocks(body, choice))
        reason, sequence = _stopped(body, choice)
        message = _message(origin, done, content=content)
        return _encode({**message, "stop_reason": reason, "stop_sequence": sequence})

    def script(self, body: Mapping[str, Any], origin: Origin, done: Simulated) -> Script:
        """The message as named events."""
        choice = done.choices[0]
        start = _message(origin, done, content=[])
        start["usage"] = {**_usage(done), "output_tokens": 1}
        prelude = _event("message_start", {"message": start}) + _event("ping", {})
        reason, sequence = _stopped(body, choice)
        usage = _usage(done)
        end = _event(
            "message_delta",
            {
                "delta": {"stop_reason": reason, "stop_sequence": sequence},
                "usage": usage if done.usage_reported else {"output_tokens": 0},
            },
        )
        end += _event("message_stop", {})
        return Script(prelude, tuple(_deltas(body, choice, done)), end)

    def error(self, status: int, message: str, request_id: str) -> bytes:
        """`{"type": "error", "error": {type, message}, "request_id"}`."""
        return _encode(_error(status, message, request_id))

    def stream_error(self, message: str, request_id: str) -> bytes:
        """The same as an event named `error`."""
        return b"event: error\ndata: " + _encode(_error(500, message, request_id)) + b"\n\n"


def _user(content: object, text: str) -> tuple[str, str | None]:
    """What a user's message says, and what a tool in it returned."""
    parts = content if isinstance(content, list) else []
    results = [part for part in parts if part.get("type") == "tool_result"]
    if not results:
        return text, None
    said = "\n".join(str(part["text"]) for part in parts if part.get("type") == "text")
    return said, "\n".join(text_of(part.get("content"))[0] for part in results)


def _message(origin: Origin, done: Simulated, content: list[Any]) -> dict[str, Any]:
    return {
        "id": origin.id,
        "type": "message",
        "role": "assistant",
        "model": origin.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(done),
    }


def _usage(done: Simulated) -> dict[str, Any]:
    return {
        "input_tokens": done.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": done.output_tokens,
        "service_tier": done.service_tier or "standard",
    }


def _blocks(body: Mapping[str, Any], choice: Choice) -> Iterator[dict[str, Any]]:
    if _thinks(body):
        yield _THOUGHT
    if choice.tokens:
        yield {"type": "text", "text": choice.text}
    for call in choice.calls:
        value = msgspec.json.decode(call.arguments)
        yield {"type": "tool_use", "id": f"toolu_{call.id}", "name": call.name, "input": value}


def _deltas(body: Mapping[str, Any], choice: Choice, done: Simulated) -> Iterator[bytes]:
    index = 0
    if _thinks(body):
        yield _thought(index)
        index += 1
    if choice.tokens:
        opening = _start(index, {"type": "text", "text": ""})
        for start, end in choice.deltas(done.chunks):
            text = "".join(choice.tokens[start:end])
            closing = _stop(index) if end == len(choice.tokens) else b""
            yield opening + _delta(index, {"type": "text_delta", "text": text}) + closing
            opening = b""
        index += 1
    for call in choice.calls:
        block = {"type": "tool_use", "id": f"toolu_{call.id}", "name": call.name, "input": {}}
        yield _start(index, block) + _delta(index, {"type": "input_json_delta", "partial_json": ""})
        for at in range(0, len(call.arguments), _ARGUMENTS_AT_ONCE):
            part = call.arguments[at : at + _ARGUMENTS_AT_ONCE]
            yield _delta(index, {"type": "input_json_delta", "partial_json": part})
        yield _stop(index)
        index += 1


def _thought(index: int) -> bytes:
    opening = _start(index, {"type": "thinking", "thinking": "", "signature": ""})
    said = _delta(index, {"type": "thinking_delta", "thinking": _THOUGHT["thinking"]})
    signed = _delta(index, {"type": "signature_delta", "signature": _THOUGHT["signature"]})
    return opening + said + signed + _stop(index)


def _event(name: str, data: Mapping[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode({"type": name, **data}))


def _start(index: int, block: Mapping[str, Any]) -> bytes:
    return _event("content_block_start", {"index": index, "content_block": block})


def _delta(index: int, delta: Mapping[str, Any]) -> bytes:
    return _event("content_block_delta", {"index": index, "delta": delta})


def _stop(index: int) -> bytes:
    return _event("content_block_stop", {"index": index})


def _thinks(body: Mapping[str, Any]) -> bool:
    thinking = body.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") in {"enabled", "adaptive"}


def _stopped(body: Mapping[str, Any], choice: Choice) -> tuple[str, str | None]:
    if choice.stopped_by is not None and choice.stopped_by in (body.get("stop_sequences") or ()):
        return "stop_sequence", choice.stopped_by
    return _STOP_REASONS[choice.finish], None


def _tools(body: Mapping[str, Any]) -> tuple[ToolSpec, ...]:
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "none":
        return ()
    found = []
    for tool in body.get("tools") or ():
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
            raise BadBody("tools: each tool has a name")
        found.append(ToolSpec(tool["name"], tool.get("input_schema") or {}))
    return tuple(found)


def _must_call(choice: object) -> str | None:
    if not isinstance(choice, dict):
        return None
    if choice.get("type") == "tool":
        return str(choice.get("name", ""))
    return "" if choice.get("type") == "any" else None


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    config = body.get("output_config")
    wanted = config.get("format") if isinstance(config, dict) else None
    wanted = wanted or body.get("output_format")
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return None
    if not isinstance(wanted.get("schema"), dict):
        raise BadBody("output_config.format: json_schema needs a schema")
    schema: Mapping[str, Any] = wanted["schema"]
    return schema


def _error(status: int, message: str, request_id: str) -> dict[str, Any]:
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": request_id,
    }
