"""A stream of chat completion chunks: read, passed on, or written."""

import re
from typing import Any, Final
from uuid import UUID

import msgspec

from controlplane.kernel.ids import call_name
from routing.dialects.base import Event
from routing.dialects.counts import at_tier
from routing.dialects.errors import stream_failed
from routing.dialects.openai_chat.answer import (
    read_finish,
    read_usage,
    write_finish,
    write_usage,
    written_tier,
)
from routing.dialects.spliced import ENCODER, as_event, decode, scan_upstream, with_strings
from routing.dialects.sse import EventReader
from routing.exchange import Chunk, ToolDelta, UnreadableAnswer, Usage

WHAT: Final = "a chunk of the upstream's stream"
DONE: Final = b"[DONE]"
DONE_EVENT: Final = b"data: [DONE]\n\n"
# the chunk's own member, never one inside it: the last brace closes the chunk, and nothing opens before it
_NO_USAGE: Final = re.compile(rb',"usage":null((?:,"obfuscation":"[^"\\]*")?\})\Z').search


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolDelta(msgspec.Struct):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_ToolDelta] | None = None
    function_call: _Function | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: dict[str, Any] | None = None
    service_tier: Any = None
    error: msgspec.Raw = msgspec.Raw()


_DECODER: Final = msgspec.json.Decoder(_Chunk)


def _decoded(data: bytes) -> _Chunk:
    chunk = decode(_DECODER, data, WHAT)
    if chunk.error and bytes(chunk.error) != b"null":
        raise stream_failed(bytes(chunk.error))
    if chunk.choices is None and chunk.usage is None:
        raise UnreadableAnswer(f"{WHAT} has no choices", error_class="server_error")
    return chunk


class Reader(EventReader):
    """An upstream's chunks as values. `finished` is set by `[DONE]`."""

    def __init__(self) -> None:
        super().__init__()
        self.finished = False
        self._calls: set[int] = set()
        self._tier: object = None

    def chunks(self, event: Event) -> list[Chunk]:
        """See `StreamReader.chunks`."""
        if event.data.strip() == DONE:
            self.finished = True
            return []
        found = _decoded(event.data)
        chunks = [chunk for choice in found.choices or () for chunk in self._choice(choice)]
        self._tier = found.service_tier or self._tier
        usage = at_tier(read_usage(found.usage), self._tier)
        return [*chunks, Chunk(usage=usage)] if usage is not None else chunks

    def _choice(self, choice: _Choice) -> list[Chunk]:
        at, delta = choice.index, choice.delta or _Delta()
        chunks = [self._tool(at, tool) for tool in delta.tool_calls or ()]
        if delta.content or delta.refusal or choice.logprobs:
            text = Chunk(
                index=at,
                text=delta.content or "",
                refusal=delta.refusal or "",
                logprobs=choice.logprobs,
            )
            chunks.insert(0, text)
        if choice.finish_reason is not None:
            finish = read_finish(choice.finish_reason, tools=at in self._calls, refused=False)
            chunks.append(Chunk(index=at, finish=finish))
        return chunks

    def _tool(self, at: int, tool: _ToolDelta) -> Chunk:
        self._calls.add(at)
        function = tool.function or _Function()
        delta = ToolDelta(tool.index, tool.id or "", function.name or "", function.arguments or "")
        return Chunk(index=at, tool=delta)


class Splicer:
    """Passes chunks on with the call's id and the caller's model; see `StreamSplicer`.

    The head of a chunk, up to its choices, is the same in a whole stream: its replacement is made once.
    """

    def __init__(self, call: UUID, model: str, *, include_usage: bool) -> None:
        self.usage: Usage | None = None
        self.finish: str | None = None
        self.output_bytes = 0
        self.finished = False
        self._fields = {"id": call_name(call, "chatcmpl-"), "model": model}
        self._include_usage = include_usage
        self._tier: object = None
        self._head = b""
        self._new_head = b""

    def __call__(self, event: Event) -> bytes:
        """See `StreamSplicer.__call__`."""
        data = event.data
        if data[:6] == DONE and data.strip() == DONE:
            self.finished = True
            return DONE_EVENT
        chunk = _decoded(data)
        self._tier = chunk.service_tier or self._tier
        if chunk.usage is not None:
            self.usage = at_tier(read_usage(chunk.usage), self._tier) or self.usage
            if not chunk.choices and not self._include_usage:
                return b""
        for choice in chunk.choices or ():
            self.finish = choice.finish_reason or self.finish
            if choice.delta is not None:
                self.output_bytes += _output_bytes(choice.delta)
        return as_event("", self._replaced(data))

    def end(self) -> bytes:
        """What a stream still needs whose upstream stopped after its finish, without a terminal event."""
        if self.finished:
            return b""
        self.finished = True
        return DONE_EVENT

    def _replaced(self, data: bytes) -> bytes:
        empty = None if self._include_usage else _NO_USAGE(data)
        if empty is not None:
            data = data[: empty.start()] + empty[1]
        hidden = not self._include_usage and b'"usage"' in data
        if self._head and not hidden and data.startswith(self._head):
            return self._new_head + data[len(self._head) :]
        upstream = scan_upstream(data, WHAT)
        places = upstream.scanned.places
        new = with_strings(upstream, self._fields, drop="usage" if hidden else "")
        first = places.get("choices")
        if first is not None and all(
            name in places and places[name].end < first.key for name in self._fields
        ):
            self._head = upstream.text[: first.key].encode()
            rest = len(upstream.text[first.key :].encode())
            self._new_head = with_strings(upstream, self._fields)[:-rest]
        return new


def _output_bytes(delta: _Delta) -> int:
    size = 0
    for text in (delta.content, delta.refusal, delta.reasoning_content):
        if text:
            size += len(text) if text.isascii() else len(text.encode())
    for function in (delta.function_call, *(tool.function for tool in delta.tool_calls or ())):
        if function is not None:
            size += len(((function.name or "") + (function.arguments or "")).encode())
    return size


class Writer:
    """Writes chunks as chat completion chunks: the role first, then deltas, finish, usage when asked, `[DONE]`."""

    def __init__(self, call: UUID, model: str, *, include_usage: bool, created: int) -> None:
        self._head = {
            "id": call_name(call, "chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }
        self._include_usage = include_usage
        self._usage: Usage | None = None
        self._begun: set[int] = set()
        self._ended = False

    def __call__(self, chunk: Chunk) -> bytes:
        """See `StreamWriter.__call__`."""
        self._usage = chunk.usage or self._usage
        delta: dict[str, Any] = {}
        if chunk.text:
            delta["content"] = chunk.text
        if chunk.refusal:
            delta["refusal"] = chunk.refusal
        if chunk.tool is not None:
            delta["tool_calls"] = [_tool_delta(chunk.tool)]
        if not delta and chunk.finish is None and chunk.logprobs is None:
            return b""
        return self._first(chunk.index) + self._choice(chunk, delta)

    def end(self) -> bytes:
        """See `StreamWriter.end`."""
        if self._ended:
            return b""
        self._ended = True
        if self._usage is None or not self._include_usage:
            return DONE_EVENT
        billed = {"usage": write_usage(self._usage), **written_tier(self._usage)}
        last = {**self._head, "choices": [], **billed}
        return as_event("", ENCODER.encode(last)) + DONE_EVENT

    def _first(self, index: int) -> bytes:
        if index in self._begun:
            return b""
        self._begun.add(index)
        return self._choice(Chunk(index=index), {"role": "assistant", "content": ""})

    def _choice(self, chunk: Chunk, delta: dict[str, Any]) -> bytes:
        choice = {
            "index": chunk.index,
            "delta": delta,
            "logprobs": chunk.logprobs,
            "finish_reason": None if chunk.finish is None else write_finish(chunk.finish),
        }
        body: dict[str, Any] = {**self._head, "choices": [choice]}
        if self._include_usage:
            body["usage"] = None
        return as_event("", ENCODER.encode(body))


def _tool_delta(tool: ToolDelta) -> dict[str, Any]:
    function = {"arguments": tool.arguments}
    if not tool.id:
        return {"index": tool.index, "function": function}
    named = {"name": tool.name, **function}
    return {"index": tool.index, "id": tool.id, "type": "function", "function": named}
