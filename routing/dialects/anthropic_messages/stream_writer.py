"""Chunks written as message events: one block open at a time, each started, filled and stopped in order."""

from typing import Any
from uuid import UUID

from routing.dialects.anthropic_messages.answer import message_head, write_finish, write_usage
from routing.dialects.anthropic_messages.stream import STOP_EVENT
from routing.dialects.spliced import ENCODER, as_event
from routing.exchange import Chunk, Finish, ToolDelta, Usage


class Writer:
    """Writes `message_start`, blocks with their deltas, `message_delta`, `message_stop`.

    The first tool call is written as it comes. Clients read blocks one after the other, while chat completions may mix
    the pieces of parallel calls: what does not belong to the open call waits until the stream's end.
    """

    def __init__(self, call: UUID, model: str) -> None:
        self._head = message_head(call, model)
        self._usage = Usage()
        self._finish: Finish | None = None
        self._stop_sequence: str | None = None
        self._refused = False
        self._begun = False
        self._ended = False
        self._blocks = 0
        self._open: str | int | None = None
        self._waiting: dict[int, ToolDelta] = {}
        self._late_text = ""

    def __call__(self, chunk: Chunk) -> bytes:
        """See `StreamWriter.__call__`."""
        out = self._begin()
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.finish is not None:
            self._finish, self._stop_sequence = chunk.finish, chunk.stop_sequence
        self._refused = self._refused or bool(chunk.refusal)
        if chunk.text or chunk.refusal:
            out += self._text(chunk.text + chunk.refusal)
        if chunk.tool is not None:
            out += self._tool(chunk.tool)
        return out

    def end(self) -> bytes:
        """See `StreamWriter.end`."""
        if self._ended:
            return b""
        self._ended = True
        out = self._begin() + self._stop_block()
        for tool in self._waiting.values():
            out += self._start_tool(tool) + self._stop_block()
        if self._late_text:
            late, self._late_text = self._late_text, ""
            out += self._text(late) + self._stop_block()
        finish: Finish = "refusal" if self._refused else self._finish or "stop"
        delta = {"stop_reason": write_finish(finish), "stop_sequence": self._stop_sequence}
        return (
            out + _event("message_delta", delta=delta, usage=write_usage(self._usage)) + STOP_EVENT
        )

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        # a provider of another dialect tells its usage at the end: message_delta carries the real figures
        message = self._head | {
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(Usage()),
        }
        return _event("message_start", message=message)

    def _text(self, text: str) -> bytes:
        if isinstance(self._open, int):
            self._late_text += text
            return b""
        out = b""
        if self._open is None:
            self._open = "text"
            block = {"type": "text", "text": "", "citations": None}
            out = _event("content_block_start", index=self._blocks, content_block=block)
        return out + self._delta({"type": "text_delta", "text": text})

    def _tool(self, tool: ToolDelta) -> bytes:
        if isinstance(self._open, int) and self._open != tool.index:
            known = self._waiting.get(tool.index, ToolDelta(tool.index))
            self._waiting[tool.index] = ToolDelta(
                tool.index,
                known.id or tool.id,
                known.name or tool.name,
                known.arguments + tool.arguments,
            )
            return b""
        if self._open == tool.index:
            return self._arguments(tool.arguments)
        return self._stop_block() + self._start_tool(tool)

    def _start_tool(self, tool: ToolDelta) -> bytes:
        self._open = tool.index
        block = {"type": "tool_use", "id": tool.id, "name": tool.name, "input": {}}
        out = _event("content_block_start", index=self._blocks, content_block=block)
        return out + self._arguments(tool.arguments)

    def _arguments(self, arguments: str) -> bytes:
        if not arguments:
            return b""
        return self._delta({"type": "input_json_delta", "partial_json": arguments})

    def _delta(self, delta: dict[str, str]) -> bytes:
        return _event("content_block_delta", index=self._blocks, delta=delta)

    def _stop_block(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        self._blocks += 1
        return _event("content_block_stop", index=self._blocks - 1)


def _event(name: str, **data: Any) -> bytes:  # noqa: ANN401  # any JSON value
    return as_event(name, ENCODER.encode({"type": name, **data}))
