"""A stream of response events: read or passed on."""

from typing import Any, Final
from uuid import UUID

import msgspec

from routing.dialects.base import Event
from routing.dialects.errors import encoded, stream_failed
from routing.dialects.openai_responses.answer import Item, Response, spliced
from routing.dialects.openai_responses.state import TERMINAL
from routing.dialects.spliced import as_event, decode, edited, scan_upstream
from routing.dialects.sse import EventReader
from routing.exchange import CallRequest, Chunk, ToolDelta, UnreadableAnswer, Usage

WHAT: Final = "an event of the upstream's stream"
_DELTAS: Final = frozenset(
    {
        "response.output_text.delta",
        "response.refusal.delta",
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary_text.delta",
    }
)


class _Event(msgspec.Struct):
    type: str
    output_index: int = 0
    delta: str = ""
    logprobs: list[dict[str, Any]] | None = None
    item: Item | None = None
    response: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    code: str | None = None


_DECODER: Final = msgspec.json.Decoder(_Event)
_RESPONSE: Final = msgspec.json.Decoder(Response)


def _decoded(event: Event) -> _Event:
    found = decode(_DECODER, event.data, WHAT)
    if found.type == "error":
        raise stream_failed(bytes(found.error) or encoded({"code": found.code}))
    if found.type == "response.failed":
        raise stream_failed(bytes(_response(found).error))
    return found


def _response(found: _Event) -> Response:
    if not bytes(found.response):
        raise UnreadableAnswer(f"{WHAT} has no response", error_class="server_error")
    return decode(_RESPONSE, bytes(found.response), WHAT)


class Reader(EventReader):
    """An upstream's events as values. `finished` is set by the response's last state."""

    def __init__(self) -> None:
        super().__init__()
        self.finished = False
        self._tools: dict[int, int] = {}
        self._silent: set[int] = set()

    def chunks(self, event: Event) -> list[Chunk]:
        """See `StreamReader.chunks`. What a model thought is its vendor's own and stays out of the values."""
        found = _decoded(event)
        match found.type:
            case "response.output_text.delta":
                logprobs = {"content": found.logprobs, "refusal": None} if found.logprobs else None
                return [Chunk(text=found.delta, logprobs=logprobs)]
            case "response.refusal.delta":
                return [Chunk(refusal=found.delta)]
            case "response.output_item.added" | "response.output_item.done":
                return self._item(found)
            case "response.function_call_arguments.delta":
                self._silent.discard(found.output_index)
                return [Chunk(tool=ToolDelta(self._at(found), arguments=found.delta))]
        return self._last(found) if found.type in TERMINAL else []

    def _at(self, found: _Event) -> int:
        return self._tools.setdefault(found.output_index, len(self._tools))

    def _item(self, found: _Event) -> list[Chunk]:
        item = found.item
        if item is None or item.type != "function_call":
            return []
        if found.type.endswith("added"):
            if not item.arguments:
                self._silent.add(found.output_index)
            opening = ToolDelta(self._at(found), item.call_id, item.name, item.arguments)
            return [Chunk(tool=opening)]
        if found.output_index not in self._silent or not item.arguments:
            return []
        # a call whose arguments came at once, without a delta
        self._silent.discard(found.output_index)
        return [Chunk(tool=ToolDelta(self._at(found), arguments=item.arguments))]

    def _last(self, found: _Event) -> list[Chunk]:
        self.finished = True
        response = _response(found)
        return [Chunk(finish=response.finish, usage=response.billed)]


class Splicer:
    """Passes events on; only the response in them is changed. See `StreamSplicer`."""

    def __init__(self, call: UUID, model: str, request: CallRequest | None = None) -> None:
        self.usage: Usage | None = None
        self.finish: str | None = None
        self.output_bytes = 0
        self.finished = False
        self._call = call
        self._model = model
        self._request = request

    def __call__(self, event: Event) -> bytes:
        """See `StreamSplicer.__call__`."""
        found = _decoded(event)
        data = event.data
        if bytes(found.response):
            data = self._replaced(data)
        if found.type in _DELTAS:
            self.output_bytes += len(found.delta.encode())
        elif found.type == "response.output_item.added" and found.item is not None:
            self.output_bytes += len(found.item.name.encode())
        elif found.type in TERMINAL:
            response = _response(found)
            self.usage, self.finish = response.billed, response.finish
            self.finished = True
        return as_event(event.name or found.type, data)

    def end(self) -> bytes:
        """Nothing: the finish is the last event."""
        return b""

    def _replaced(self, data: bytes) -> bytes:
        upstream = scan_upstream(data, WHAT)
        place = upstream.scanned.places["response"]
        inner = upstream.text[place.start : place.end]
        new = spliced(inner, self._call, self._model, self._request)
        return edited(upstream.text, [(place.start, place.end, new)]).encode()
