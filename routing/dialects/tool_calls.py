"""The tools that an answer asks for, read from the bytes that its caller would get, in any dialect. Pure.

Those are of every kind, also of kinds that no other dialect has a place for. A stream tells a call more than once (in pieces,
as an item, in the whole response): tellings that differ each count.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from routing.dialects.sse import EventReader
from routing.exchange import UnreadableAnswer

MOST: Final = 128
_DONE: Final = b"[DONE]"
_NO_TOOLS: Final = frozenset(
    {"", "text", "thinking", "redacted_thinking", "message", "reasoning", "compaction"}
)
_IN_PIECES: Final = frozenset({"function_call", "custom_tool_call"})
_PIECES: Final = frozenset(
    {"response.function_call_arguments.delta", "response.custom_tool_call_input.delta"}
)
"""Events that bring a piece of what a tool is called with."""


class Wanted(NamedTuple):
    """One call of a tool. `arguments` is the text that the model wrote; `is_json` says whether it is to be JSON."""

    name: str
    arguments: str
    is_json: bool = True

    def text(self) -> str:
        """As it is sealed beside its decision: JSON, all ASCII, since a model may write half of a surrogate pair."""
        told = {"arguments": self.arguments, "json": self.is_json, "name": self.name}
        return json.dumps(told, separators=(",", ":"))


Told = tuple[str, Wanted]
"""A call with the id that the model gave it."""


def of_body(body: bytes) -> tuple[Wanted, ...]:
    """Those of a plain answer, in order. Raises UnreadableAnswer."""
    return _once(_whole(_read(body)))


def of_stream(transcript: bytes) -> tuple[Wanted, ...]:
    """Those of a stream. Raises UnreadableAnswer."""
    calls, whole = _Calls(), list[Told]()
    for event in EventReader().feed(transcript):
        if event.data.strip() == _DONE:
            continue
        found = _read(event.data)
        calls.take(found)
        if found.get("type") == "response.output_item.done":
            whole += _items([found.get("item")])
        whole += _whole(_dict(found.get("response")))
    return _once([*calls.told(), *whole])


@dataclass(slots=True)
class Arriving:
    """The calls of a stream while it comes, wherever its bytes are cut."""

    _reader: EventReader = field(default_factory=EventReader)

    def names(self, data: bytes) -> list[str]:
        """The tools that calls which begin in these bytes name; empty where a call has no name. Raises UnreadableAnswer."""
        found: list[Told] = []
        for event in self._reader.feed(data):
            if event.data.strip() == _DONE:
                continue
            said, calls = _read(event.data), _Calls()
            calls.take(said)
            # what only goes on with a call that began before has no name any more
            found += [told for told in calls.told() if told[0] or told[1].name]
            found += _items([said.get("item")])
            found += _whole(_dict(said.get("response")))
        return [wanted.name for _, wanted in found]


def _once(found: "Iterator[Told] | list[Told]") -> tuple[Wanted, ...]:
    calls = tuple(wanted for _, wanted in dict.fromkeys(found))
    if len(calls) > MOST:
        words = f"the answer asks for more than {MOST} tools"
        raise UnreadableAnswer(words, error_class="server_error")
    return calls


def _read(data: bytes) -> dict[str, Any]:
    try:
        return _dict(json.loads(data))
    except (ValueError, RecursionError):
        words = "an answer that asks for tools is not JSON"
        raise UnreadableAnswer(words, error_class="server_error") from None


def _whole(body: dict[str, Any]) -> Iterator[Told]:
    """The calls of a whole answer."""
    for choice in _list(body.get("choices")):
        message = _dict(choice.get("message"))
        for call in _list(message.get("tool_calls")):
            yield from _chat(_text(call.get("id")), call)
        if message.get("function_call"):
            yield from _chat("", {"function": message["function_call"]})
    yield from _items(body.get("output"))
    yield from _items(body.get("content"))


def _chat(key: str, call: dict[str, Any]) -> Iterator[Told]:
    if "function" in call:
        named = _dict(call["function"])
        yield key, Wanted(_text(named.get("name")), _text(named.get("arguments")))
    if "custom" in call:
        named = _dict(call["custom"])
        yield key, Wanted(_text(named.get("name")), _text(named.get("input")), is_json=False)


def _items(found: object) -> Iterator[Told]:
    """The items of a response, or the blocks of a message; one of a kind of its own is asked for by that kind."""
    for item in _list(found):
        kind = _text(item.get("type"))
        if kind in _NO_TOOLS or kind.endswith(("_result", "_output")):
            continue
        key, name = _text(item.get("call_id") or item.get("id")), _text(item.get("name"))
        if kind == "function_call":
            yield key, Wanted(name, _text(item.get("arguments")))
        elif kind == "custom_tool_call":
            yield key, Wanted(name, _text(item.get("input")), is_json=False)
        elif name and "input" in item:
            yield key, Wanted(name, _text(item["input"]))
        else:
            rest = {k: v for k, v in item.items() if k not in ("type", "id", "call_id", "status")}
            yield key, Wanted(name or kind.removesuffix("_call"), _text(rest))


@dataclass(slots=True)
class _Call:
    """One call on its way, in pieces."""

    key: str = ""
    name: str = ""
    text: str = ""
    is_json: bool = True


@dataclass(slots=True)
class _Calls:
    """The calls of a stream by their places."""

    _found: dict[object, _Call] = field(default_factory=dict)

    def told(self) -> Iterator[Told]:
        """Each as far as it came."""
        for call in self._found.values():
            yield call.key, Wanted(call.name, call.text, call.is_json)

    def take(self, event: dict[str, Any]) -> None:
        """What one event says of them."""
        for choice in _list(event.get("choices")):
            delta = _dict(choice.get("delta"))
            for call in _list(delta.get("tool_calls")):
                self._chat((choice.get("index"), call.get("index")), call)
            if delta.get("function_call"):
                self._chat((choice.get("index"), ""), {"function": delta["function_call"]})
        self._event(_text(event.get("type")), event)

    def _event(self, kind: str, event: dict[str, Any]) -> None:
        if kind in _PIECES:
            self._add(event.get("output_index"), text=_text(event.get("delta")))
        elif kind == "response.output_item.added":
            item = _dict(event.get("item"))
            # what has no pieces of its own is told when it is done
            for key, wanted in _items([item] if item.get("type") in _IN_PIECES else []):
                self._begin(event.get("output_index"), key, wanted)
        elif kind == "content_block_start":
            for key, wanted in _items([event.get("content_block")]):
                empty = wanted.arguments in ("{}", "null")
                self._begin(event.get("index"), key, Wanted(wanted.name, "") if empty else wanted)
        elif kind == "content_block_delta" and event.get("index") in self._found:
            piece = _dict(event.get("delta")).get("partial_json")
            self._add(event.get("index"), text=_text(piece))

    def _chat(self, at: object, call: dict[str, Any]) -> None:
        for _, wanted in _chat("", call):
            place = (at, wanted.is_json)
            self._found.setdefault(place, _Call(is_json=wanted.is_json))
            self._add(place, _text(call.get("id")), wanted.name, wanted.arguments)

    def _begin(self, at: object, key: str, wanted: Wanted) -> None:
        self._found[at] = _Call(key, wanted.name, wanted.arguments, wanted.is_json)

    def _add(self, at: object, key: str = "", name: str = "", text: str = "") -> None:
        call = self._found.setdefault(at, _Call())
        call.key, call.name, call.text = call.key or key, call.name + name, call.text + text


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    """A text as it is; none as empty; anything else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
