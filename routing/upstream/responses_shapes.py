"""OpenAI's responses as the upstream serves them. Nothing is kept: what goes on must come in whole."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from routing.simulator.model import Ask, Choice, Simulated, ToolSpec
from routing.upstream.openai_shapes import OpenAI
from routing.upstream.script import BadBody, Origin, Script, model_of, text_of, tier_asked, whole

_encode = msgspec.json.Encoder().encode
_ARGUMENTS_AT_ONCE = 24
_STATEFUL = ("previous_response_id", "conversation", "background")


class Responses:
    """`/v1/responses`."""

    request_id_header = b"x-request-id"

    def ask(self, body: Mapping[str, Any], tries: int) -> Ask:
        """What the request asks of the model. Raises BadBody."""
        kept = [name for name in _STATEFUL if body.get(name)]
        if kept:
            raise BadBody(f"{kept[0]}: the sandbox keeps nothing")
        heard = _Heard(str(body.get("instructions") or ""))
        for item in _items(body):
            heard.take(item)
        wanted = (body.get("text") or {}).get("format") or {}
        logprobs = "message.output_text.logprobs" in (body.get("include") or ())
        return Ask(
            text="\n".join(filter(None, heard.texts)),
            last=heard.last,
            directives=f"{heard.system}\n{heard.last}",
            model=model_of(body),
            tool_result=heard.tool_result,
            tools=_tools(body),
            must_call=_must_call(body.get("tool_choice")),
            schema=wanted.get("schema") if wanted.get("type") == "json_schema" else None,
            json_object=wanted.get("type") == "json_object",
            max_tokens=whole(body, "max_output_tokens"),
            logprobs=(body.get("top_logprobs") or 0) if logprobs else None,
            images=heard.images,
            service_tier=tier_asked(body),
            tries=tries,
        )

    def plain(self, body: Mapping[str, Any], origin: Origin, done: Simulated) -> bytes:
        """The whole answer as JSON."""
        return _encode(_ended(body, origin, done))

    def script(self, body: Mapping[str, Any], origin: Origin, done: Simulated) -> Script:
        """The answer as server-sent events."""
        events = _Events()
        begun = _response(body, origin) | {"status": "in_progress"}
        prelude = events("response.created", response=begun)
        prelude += events("response.in_progress", response=begun)
        choice, items = done.choices[0], _output(origin, done)
        deltas: list[bytes] = []
        for at, item in enumerate(items):
            empty = "arguments" if item["type"] == "function_call" else "content"
            added = item | {empty: type(item[empty])(), "status": "in_progress"}
            first = events("response.output_item.added", output_index=at, item=added)
            pieces = list(_deltas(events, at, item, choice, done))
            deltas += [first + pieces[0], *pieces[1:]] if pieces else [first]
        end = b"".join(_closed(events, at, item) for at, item in enumerate(items))
        last = _ended(body, origin, done)
        return Script(
            prelude, tuple(deltas), end + events(f"response.{last['status']}", response=last)
        )

    def error(self, status: int, message: str, request_id: str) -> bytes:
        """`{"error": {message, type, param, code}}`, as everywhere at this vendor."""
        return OpenAI().error(status, message, request_id)

    def stream_error(self, message: str, request_id: str) -> bytes:
        """The event `error`."""
        del request_id
        told = {"code": "server_error", "message": message, "param": None}
        return _Events()("error", **told)


class _Heard:
    """What the model reads, gathered item by item."""

    def __init__(self, instructions: str) -> None:
        self.texts: list[str] = [instructions]
        self.last = ""
        self.system = instructions
        self.tool_result: str | None = None
        self.images = 0

    def take(self, item: Mapping[str, Any]) -> None:
        kind = item.get("type", "message")
        if kind == "function_call_output":
            text, _ = text_of(item.get("output"))
            self.texts.append(text)
            self.tool_result = text
        elif kind == "message":
            self._message(item)
        elif kind not in {"function_call", "reasoning"}:
            raise BadBody(f"input: the sandbox knows no item of type {kind!r}")

    def _message(self, item: Mapping[str, Any]) -> None:
        content = item.get("content")
        text, _ = text_of(content)
        parts = content if isinstance(content, list) else []
        self.images += sum(part.get("type") == "input_image" for part in parts)
        self.texts.append(text)
        match item.get("role"):
            case "user":
                self.last, self.tool_result = text, None
            case "system" | "developer":
                self.system += text
            case "assistant":
                pass
            case role:
                raise BadBody(f"input: there is no role {role!r}")


class _Events:
    """Encodes numbered events."""

    def __init__(self) -> None:
        self._number = 0

    def __call__(self, kind: str, **told: Any) -> bytes:  # noqa: ANN401 - any JSON value
        data = {"type": kind, "sequence_number": self._number, **told}
        self._number += 1
        return b"event: " + kind.encode() + b"\ndata: " + _encode(data) + b"\n\n"


def _deltas(
    events: _Events, at: int, item: Mapping[str, Any], choice: Choice, done: Simulated
) -> Iterator[bytes]:
    place = {"item_id": item["id"], "output_index": at}
    if item["type"] == "function_call":
        for start in range(0, len(item["arguments"]), _ARGUMENTS_AT_ONCE):
            part = item["arguments"][start : start + _ARGUMENTS_AT_ONCE]
            yield events("response.function_call_arguments.delta", **place, delta=part)
        return
    empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    opening = events("response.content_part.added", **place, content_index=0, part=empty)
    for start, end in choice.deltas(done.chunks):
        yield opening + events(
            "response.output_text.delta",
            **place,
            content_index=0,
            delta="".join(choice.tokens[start:end]),
            logprobs=_logprobs(choice, done.logprobs, start, end),
        )
        opening = b""


def _closed(events: _Events, at: int, item: Mapping[str, Any]) -> bytes:
    place = {"item_id": item["id"], "output_index": at}
    if item["type"] == "function_call":
        told = {name: item[name] for name in ("arguments", "name")}
        out = events("response.function_call_arguments.done", **place, **told)
    else:
        [part] = item["content"]
        told = {name: part[name] for name in ("text", "logprobs")}
        out = events("response.output_text.done", **place, content_index=0, **told)
        out += events("response.content_part.done", **place, content_index=0, part=part)
    return out + events("response.output_item.done", output_index=at, item=item)


def _response(body: Mapping[str, Any], origin: Origin) -> dict[str, Any]:
    return {
        "id": origin.id,
        "object": "response",
        "created_at": origin.created,
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata") or {},
        "model": origin.model,
        "output": [],
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "service_tier": body.get("service_tier") or "auto",
        "store": body.get("store", True),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "truncation": body.get("truncation") or "disabled",
        "usage": None,
    }


def _ended(body: Mapping[str, Any], origin: Origin, done: Simulated) -> dict[str, Any]:
    finish = done.choices[0].finish
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(finish)
    found = _response(body, origin) | {"output": _output(origin, done)}
    found["service_tier"] = done.service_tier or "default"
    if reason is not None:
        found |= {"status": "incomplete", "incomplete_details": {"reason": reason}}
    if done.usage_reported:
        found["usage"] = {
            "input_tokens": done.input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": done.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": done.input_tokens + done.output_tokens,
        }
    return found


def _output(origin: Origin, done: Simulated) -> list[dict[str, Any]]:
    choice = done.choices[0]
    if choice.calls:
        return [
            {
                "id": f"fc_{call.id}",
                "type": "function_call",
                "status": "completed",
                "call_id": f"call_{call.id}",
                "name": call.name,
                "arguments": call.arguments,
            }
            for call in choice.calls
        ]
    part = {
        "type": "output_text",
        "text": choice.text,
        "annotations": [],
        "logprobs": _logprobs(choice, done.logprobs, 0, len(choice.tokens)),
    }
    return [
        {
            "id": f"msg_{origin.id}",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [part],
        }
    ]


def _logprobs(choice: Choice, top: int | None, start: int, end: int) -> list[dict[str, Any]]:
    if top is None or not choice.logprobs:
        return []
    pairs = zip(choice.tokens[start:end], choice.logprobs[start:end], strict=True)
    return [
        {"token": token, "logprob": logprob, "bytes": list(token.encode()), "top_logprobs": []}
        for token, logprob in pairs
    ]


def _items(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    given = body.get("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise BadBody("input: a text or a list with at least one item is required")
    if not all(isinstance(item, dict) for item in given):
        raise BadBody("input: each item is an object")
    return given


def _tools(body: Mapping[str, Any]) -> tuple[ToolSpec, ...]:
    if body.get("tool_choice") == "none":
        return ()
    found = []
    for tool in body.get("tools") or ():
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
            raise BadBody("tools: each tool is {type: function, name, parameters}")
        found.append(ToolSpec(tool["name"], tool.get("parameters") or {}))
    return tuple(found)


def _must_call(choice: object) -> str | None:
    if isinstance(choice, dict):
        return str(choice.get("name", ""))
    return "" if choice == "required" else None
