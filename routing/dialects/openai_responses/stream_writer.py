"""Chunks written as response events: each item added, filled and closed, numbered in order."""

from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from routing.dialects.openai_responses.answer import (
    ended,
    function_call,
    item_status,
    message,
    text_part,
    written_bill,
    written_logprobs,
)
from routing.dialects.openai_responses.state import head
from routing.dialects.spliced import ENCODER, as_event
from routing.exchange import CallRequest, Chunk, Finish, ToolCall, ToolDelta, Usage

_TEXT: Final = "output_text"
_REFUSAL: Final = "refusal"


@dataclass
class _Said:
    """A part of the message that is open: its kind, what it says so far, and the probabilities told with it."""

    kind: str
    text: str = ""
    logprobs: list[dict[str, Any]] = field(default_factory=list)

    def whole(self) -> dict[str, Any]:
        """As it stands in the message."""
        if self.kind == _REFUSAL:
            return {"type": _REFUSAL, "refusal": self.text}
        return text_part(self.text, self.logprobs)

    def done(self) -> dict[str, Any]:
        """What its `done` event tells."""
        if self.kind == _REFUSAL:
            return {"refusal": self.text}
        return {"text": self.text, "logprobs": self.logprobs}


class Writer:
    """Writes `response.created`, items with their deltas, and the response as it ended. See `StreamWriter`.

    A message is closed when a tool is called; calls may grow side by side and are closed at the end, in order.
    """

    def __init__(
        self, call: UUID, model: str, *, created: int, request: CallRequest | None
    ) -> None:
        self._call = call
        self._head = head(call, model, created, request)
        self._number = 0
        self._items: list[dict[str, Any]] = []
        self._said: list[_Said] = []
        self._message: int | None = None
        self._tools: dict[int, int] = {}
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self._refused = False
        self._ended = False

    def __call__(self, chunk: Chunk) -> bytes:
        """See `StreamWriter.__call__`."""
        out = self._begin()
        self._usage = chunk.usage or self._usage
        self._finish = chunk.finish or self._finish
        self._refused = self._refused or bool(chunk.refusal)
        if chunk.text or chunk.logprobs:
            out += self._say(_TEXT, chunk.text, written_logprobs(chunk.logprobs))
        if chunk.refusal:
            out += self._say(_REFUSAL, chunk.refusal, [])
        if chunk.tool is not None:
            out += self._tool(chunk.tool)
        return out

    def end(self) -> bytes:
        """See `StreamWriter.end`."""
        if self._ended:
            return b""
        self._ended = True
        finish: Finish = self._finish or "stop"
        status = item_status(finish)
        out = self._begin() + self._close_message(status)
        out += b"".join(self._close_call(at, status) for at in self._tools.values())
        last = self._head | ended(finish, self._refused)
        whole = {**last, "output": self._items, **written_bill(self._usage)}
        return out + self._event(f"response.{last['status']}", response=whole)

    def _begin(self) -> bytes:
        if self._number:
            return b""
        created = self._event("response.created", response=self._head)
        return created + self._event("response.in_progress", response=self._head)

    def _say(self, kind: str, text: str, logprobs: list[dict[str, Any]]) -> bytes:
        out = self._open_message()
        if not self._said or self._said[-1].kind != kind:
            out += self._close_part()
            self._said.append(_Said(kind))
            out += self._part("response.content_part.added", part=self._said[-1].whole())
        said = self._said[-1]
        said.text += text
        said.logprobs += logprobs
        told = {"logprobs": logprobs} if kind == _TEXT else {}
        return out + self._part(f"response.{kind}.delta", delta=text, **told)

    def _open_message(self) -> bytes:
        if self._message is not None:
            return b""
        self._message = len(self._items)
        return self._add(message(self._call, self._message, [], "in_progress"))

    def _close_message(self, status: str) -> bytes:
        if self._message is None:
            return b""
        out = self._close_part()
        content = [said.whole() for said in self._said]
        out += self._done(message(self._call, self._message, content, status), self._message)
        self._message, self._said = None, []
        return out

    def _close_part(self) -> bytes:
        if not self._said:
            return b""
        said = self._said[-1]
        done = self._part(f"response.{said.kind}.done", **said.done())
        return done + self._part("response.content_part.done", part=said.whole())

    def _tool(self, tool: ToolDelta) -> bytes:
        out = b""
        if tool.index not in self._tools:
            out = self._close_message("completed")
            at = self._tools[tool.index] = len(self._items)
            named = ToolCall(tool.id, tool.name, "")
            out += self._add(function_call(self._call, at, named, "in_progress"))
        at = self._tools[tool.index]
        if not tool.arguments:
            return out
        self._items[at]["arguments"] += tool.arguments
        kind = "response.function_call_arguments.delta"
        told = {"item_id": self._items[at]["id"], "output_index": at, "delta": tool.arguments}
        return out + self._event(kind, **told)

    def _close_call(self, at: int, status: str) -> bytes:
        item = self._items[at]
        told = {name: item[name] for name in ("arguments", "name")}
        kind = "response.function_call_arguments.done"
        out = self._event(kind, item_id=item["id"], output_index=at, **told)
        return out + self._done({**item, "status": status}, at)

    def _add(self, item: dict[str, Any]) -> bytes:
        self._items.append(item)
        kind = "response.output_item.added"
        return self._event(kind, output_index=len(self._items) - 1, item=item)

    def _done(self, item: dict[str, Any], at: int) -> bytes:
        self._items[at] = item
        return self._event("response.output_item.done", output_index=at, item=item)

    def _part(self, kind: str, **told: Any) -> bytes:  # noqa: ANN401  # any JSON value
        at = self._message
        assert at is not None  # noqa: S101  # for the type checker: a part is in the open message
        place = {"item_id": self._items[at]["id"], "output_index": at}
        return self._event(kind, **place, content_index=len(self._said) - 1, **told)

    def _event(self, kind: str, **told: Any) -> bytes:  # noqa: ANN401  # any JSON value
        data = {"type": kind, "sequence_number": self._number, **told}
        self._number += 1
        return as_event(kind, ENCODER.encode(data))
