"""A stream of message events: read or passed on."""

from typing import Any, Final
from uuid import UUID

import msgspec

from controlplane.kernel.ids import call_name
from routing.dialects.anthropic_messages.answer import read_finish, read_usage
from routing.dialects.base import Event
from routing.dialects.errors import stream_failed
from routing.dialects.spliced import as_event, decode, edited, scan_upstream, with_strings
from routing.dialects.sse import EventReader
from routing.exchange import Chunk, ToolDelta, UnreadableAnswer, Usage

WHAT: Final = "an event of the upstream's stream"
STOP_EVENT: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


class _Block(msgspec.Struct):
    type: str = ""
    text: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw()


class _Delta(msgspec.Struct):
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Event(msgspec.Struct):
    type: str
    index: int = 0
    message: dict[str, Any] | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: dict[str, Any] | None = None
    error: msgspec.Raw = msgspec.Raw()


_DECODER: Final = msgspec.json.Decoder(_Event)


def _decoded(event: Event) -> _Event:
    found = decode(_DECODER, event.data, WHAT)
    if found.type == "error":
        raise stream_failed(bytes(found.error) or b"null")
    return found


class _Totals:
    """Usage of a stream: the start says what went in, each message_delta all that came out so far."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}

    def add(self, usage: dict[str, Any] | None) -> Usage | None:
        self._found |= {name: value for name, value in (usage or {}).items() if value is not None}
        return read_usage(self._found)


class Reader(EventReader):
    """An upstream's events as values. `finished` is set by `message_stop`."""

    def __init__(self) -> None:
        super().__init__()
        self.finished = False
        self._totals = _Totals()
        self._tools: dict[int, int] = {}
        self._silent: set[int] = set()

    def chunks(self, event: Event) -> list[Chunk]:
        """See `StreamReader.chunks`. Thinking is the vendor's own and stays out of the values."""
        found = _decoded(event)
        match found.type:
            case "message_start":
                self._totals.add((found.message or {}).get("usage"))
            case "content_block_start":
                return self._start(found)
            case "content_block_delta":
                return self._delta(found)
            case "content_block_stop":
                return self._stop(found)
            case "message_delta":
                return self._finish(found)
            case "message_stop":
                self.finished = True
        return []

    def _start(self, found: _Event) -> list[Chunk]:
        block = found.content_block or _Block()
        if block.type == "text" and block.text:
            return [Chunk(text=block.text)]
        if block.type != "tool_use":
            return []
        at = self._tools.setdefault(found.index, len(self._tools))
        given = bytes(block.input).decode()
        given = "" if given in {"", "{}", "null"} else given
        if not given:
            self._silent.add(found.index)
        return [Chunk(tool=ToolDelta(at, block.id, block.name, given))]

    def _delta(self, found: _Event) -> list[Chunk]:
        delta = found.delta or _Delta()
        if delta.text:
            return [Chunk(text=delta.text)]
        if delta.partial_json and found.index in self._tools:
            self._silent.discard(found.index)
            at = self._tools[found.index]
            return [Chunk(tool=ToolDelta(at, arguments=delta.partial_json))]
        return []

    def _stop(self, found: _Event) -> list[Chunk]:
        if found.index not in self._silent:
            return []
        # a tool called without arguments sends no delta at all; elsewhere its arguments are "{}"
        self._silent.discard(found.index)
        return [Chunk(tool=ToolDelta(self._tools[found.index], arguments="{}"))]

    def _finish(self, found: _Event) -> list[Chunk]:
        usage = self._totals.add(found.usage)
        delta = found.delta or _Delta()
        finish = read_finish(delta.stop_reason) if delta.stop_reason else None
        return [Chunk(finish=finish, stop_sequence=delta.stop_sequence, usage=usage)]


class Splicer:
    """Passes events on; only `message_start` is changed. See `StreamSplicer`."""

    def __init__(self, call: UUID, model: str) -> None:
        self.usage: Usage | None = None
        self.finish: str | None = None
        self.output_bytes = 0
        self.finished = False
        self._fields = {"id": call_name(call, "msg_"), "model": model}
        self._totals = _Totals()

    def __call__(self, event: Event) -> bytes:
        """See `StreamSplicer.__call__`."""
        found = _decoded(event)
        data = event.data
        match found.type:
            case "message_start":
                self._totals.add((found.message or {}).get("usage"))
                data = self._started(data)
            case "content_block_start" | "content_block_delta":
                self.output_bytes += _output_bytes(found)
            case "message_delta":
                self.usage = self._totals.add(found.usage) or self.usage
                self.finish = (found.delta and found.delta.stop_reason) or self.finish
            case "message_stop":
                self.finished = True
        return as_event(event.name or found.type, data)

    def end(self) -> bytes:
        """What a stream still needs whose upstream stopped after its finish, without a terminal event."""
        if self.finished:
            return b""
        self.finished = True
        return STOP_EVENT

    def _started(self, data: bytes) -> bytes:
        upstream = scan_upstream(data, WHAT)
        place = upstream.scanned.places.get("message")
        if place is None or not isinstance(upstream.values["message"], dict):
            raise UnreadableAnswer(f"{WHAT} has no message", error_class="server_error")
        inner = upstream.text[place.start : place.end]
        new = with_strings(scan_upstream(inner.encode(), WHAT), self._fields).decode()
        return edited(upstream.text, [(place.start, place.end, new)]).encode()


def _output_bytes(found: _Event) -> int:
    delta, block = found.delta or _Delta(), found.content_block or _Block()
    written = (delta.text, delta.partial_json, delta.thinking, block.text, block.name)
    return sum(len(text) if text.isascii() else len(text.encode()) for text in written if text)
