"""OpenAI's chat completions as the upstream serves them."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from routing.simulator.model import Ask, Choice, Simulated, ToolSpec
from routing.upstream.script import (
    BadBody,
    Origin,
    Script,
    messages_of,
    model_of,
    text_of,
    tier_asked,
    whole,
)

_encode = msgspec.json.Encoder().encode
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
_ARGUMENTS_AT_ONCE = 24


class OpenAI:
    """`/v1/chat/completions`."""

    request_id_header = b"x-request-id"

    def ask(self, body: Mapping[str, Any], tries: int) -> Ask:
        """What the request asks of the model. Raises BadBody."""
        heard = _Heard()
        for message in messages_of(body):
            heard.take(message)
        schema, json_object = _format(body.get("response_format"))
        stop = body.get("stop") or ()
        return Ask(
            text="\n".join(filter(None, heard.texts)),
            last=heard.last,
            directives=f"{heard.system}\n{heard.last}",
            model=model_of(body),
            seed=body.get("seed") or 0,
            tool_result=heard.tool_result,
            tools=_tools(body),
            must_call=_must_call(body.get("tool_choice")),
            schema=schema,
            json_object=json_object,
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            max_tokens=whole(body, "max_completion_tokens", "max_tokens"),
            n=whole(body, "n") or 1,
            logprobs=(body.get("top_logprobs") or 0) if body.get("logprobs") else None,
            images=heard.images,
            tries=tries,
            service_tier=tier_asked(body),
        )

    def plain(self, body: Mapping[str, Any], origin: Origin, done: Simulated) -> bytes:
        """The whole answer as JSON."""
        del body
        answer = {
            "id": origin.id,
            "object": "chat.completion",
            "created": origin.created,
            "model": origin.model,
            "choices": [
                {
                    "index": index,
                    "message": _message(choice),
                    "logprobs": _logprobs(choice, done.logprobs, 0, len(choice.tokens)),
                    "finish_reason": choice.finish,
                }
                for index, choice in enumerate(done.choices)
            ],
            "service_tier": done.service_tier or "default",
            "system_fingerprint": "fp_sandbox",
        }
        if done.usage_reported:
            answer["usage"] = _usage(done)
        return _encode(answer)

    def script(self, body: Mapping[str, Any], origin: Origin, done: Simulated) -> Script:
        """The answer as server-sent events."""
        wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        chunk = _Chunks(origin, done.service_tier, with_usage=wants_usage)
        prelude = b"".join(
            chunk(index, {"role": "assistant", "content": "", "refusal": None})
            for index in range(len(done.choices))
        )
        deltas = tuple(
            delta
            for index, choice in enumerate(done.choices)
            for delta in _deltas(chunk, index, choice, done)
        )
        end = b"".join(
            chunk(index, {}, finish=choice.finish) for index, choice in enumerate(done.choices)
        )
        if wants_usage and done.usage_reported:
            end += chunk.usage(done)
        return Script(prelude, deltas, end + b"data: [DONE]\n\n")

    def error(self, status: int, message: str, request_id: str) -> bytes:
        """`{"error": {message, type, param, code}}`."""
        del request_id
        return _encode(_error(status, message))

    def stream_error(self, message: str, request_id: str) -> bytes:
        """The same as one unnamed event."""
        del request_id
        return b"data: " + _encode(_error(500, message)) + b"\n\n"


class _Heard:
    """What the model reads, gathered message by message."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.last = ""
        self.system = ""
        self.tool_result: str | None = None
        self.images = 0

    def take(self, message: Mapping[str, Any]) -> None:
        text, images = text_of(message.get("content"))
        self.texts.append(text)
        self.images += images
        match message.get("role"):
            case "user":
                self.last, self.tool_result = text, None
            case "system" | "developer":
                self.system += text
            case "tool" | "function":
                self.tool_result = text
            case "assistant":
                pass
            case role:
                raise BadBody(f"messages: there is no role {role!r}")


class _Chunks:
    """Encodes chunks of one answer; with usage asked for, all but the last carry `usage: null`."""

    def __init__(self, origin: Origin, service_tier: str, *, with_usage: bool) -> None:
        self._frame: dict[str, Any] = {
            "id": origin.id,
            "object": "chat.completion.chunk",
            "created": origin.created,
            "model": origin.model,
            "service_tier": service_tier or "default",
            "system_fingerprint": "fp_sandbox",
        }
        if with_usage:
            self._frame["usage"] = None

    def __call__(
        self,
        index: int,
        delta: Mapping[str, Any],
        logprobs: object = None,
        finish: str | None = None,
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return b"data: " + _encode({**self._frame, "choices": [choice]}) + b"\n\n"

    def usage(self, done: Simulated) -> bytes:
        return b"data: " + _encode({**self._frame, "choices": [], "usage": _usage(done)}) + b"\n\n"


def _deltas(chunk: _Chunks, index: int, choice: Choice, done: Simulated) -> Iterator[bytes]:
    for start, end in choice.deltas(done.chunks):
        content = "".join(choice.tokens[start:end])
        yield chunk(index, {"content": content}, _logprobs(choice, done.logprobs, start, end))
    for no, call in enumerate(choice.calls):
        head = {"name": call.name, "arguments": ""}
        opening = {"index": no, "id": f"call_{call.id}", "type": "function", "function": head}
        yield chunk(index, {"tool_calls": [opening]})
        for at in range(0, len(call.arguments), _ARGUMENTS_AT_ONCE):
            part = {"arguments": call.arguments[at : at + _ARGUMENTS_AT_ONCE]}
            yield chunk(index, {"tool_calls": [{"index": no, "function": part}]})


def _message(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if choice.calls else choice.text,
        "refusal": None,
        "annotations": [],
    }
    if choice.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{call.id}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in choice.calls
        ]
    return message


def _logprobs(choice: Choice, top: int | None, start: int, end: int) -> dict[str, Any] | None:
    if top is None or not choice.logprobs:
        return None
    content = []
    for token, logprob in zip(choice.tokens[start:end], choice.logprobs[start:end], strict=True):
        shown = {"token": token, "logprob": logprob, "bytes": list(token.encode())}
        others = [
            {"token": f"{token}{no}", "logprob": logprob - 2.0 * no, "bytes": None}
            for no in range(1, top)
        ]
        content.append({**shown, "top_logprobs": [shown, *others][:top]})
    return {"content": content, "refusal": None}


def _usage(done: Simulated) -> dict[str, Any]:
    return {
        "prompt_tokens": done.input_tokens,
        "completion_tokens": done.output_tokens,
        "total_tokens": done.input_tokens + done.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _tools(body: Mapping[str, Any]) -> tuple[ToolSpec, ...]:
    if body.get("tool_choice") == "none":
        return ()
    found = []
    for tool in body.get("tools") or ():
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise BadBody("tools: each tool is {type: function, function: {name, parameters}}")
        found.append(ToolSpec(function["name"], function.get("parameters") or {}))
    return tuple(found)


def _must_call(choice: object) -> str | None:
    if isinstance(choice, dict):
        function = choice.get("function")
        return str(function.get("name", "")) if isinstance(function, dict) else ""
    return "" if choice == "required" else None


def _format(wanted: object) -> tuple[Mapping[str, Any] | None, bool]:
    if not isinstance(wanted, dict):
        return None, False
    if wanted.get("type") == "json_schema":
        named = wanted.get("json_schema")
        if not isinstance(named, dict) or not isinstance(named.get("schema"), dict):
            raise BadBody("response_format: json_schema needs a name and a schema")
        return named["schema"], False
    return None, wanted.get("type") == "json_object"


def _error(status: int, message: str) -> dict[str, Any]:
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": _CODES.get(status)}}
