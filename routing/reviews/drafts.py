"""A held answer as a person reads and writes it, in whatever dialect its caller will get it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.ids import uuid7_time
from routing.dialects.base import Dialect
from routing.exchange import (
    Answer,
    CallRequest,
    Choice,
    Chunk,
    Finish,
    Text,
    ToolCall,
    ToolDelta,
    UnreadableAnswer,
    Usage,
)
from routing.relay import Outcome

REDACTED = "[redacted]"
JSON = "application/json"
EVENTS = "text/event-stream; charset=utf-8"
_OK = 200


@dataclass(frozen=True, slots=True)
class Draft:
    """What an answer says. `text` is what a person may edit; `tools` and `others` (further choices) are shown beside it.

    `answered` is false where no model gave one: then a person writes it or rejects.
    """

    text: str
    tools: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    answered: bool = True


def read(codec: Dialect, outcome: Outcome) -> Draft:
    """The draft that was sealed when the call was held, or by the last edit."""
    if outcome.status != _OK:
        return Draft("", answered=False)
    answer = answer_of(codec, outcome)
    if answer is None:
        return Draft(outcome.body.decode("utf-8", "replace"))
    first, *others = answer.choices
    tools = tuple(f"{p.name}({p.arguments})" for p in first.parts if isinstance(p, ToolCall))
    return Draft(text_of(first), tools, tuple(text_of(choice) for choice in others))


def answer_of(codec: Dialect, outcome: Outcome) -> Answer | None:
    """The answer that the caller got, read back from its dialect; None where it cannot be read."""
    if is_stream(outcome):
        return streamed(codec, outcome.body)
    return _plain(codec, outcome.body)


def text_of(choice: Choice) -> str:
    """What a choice says; a refusal's words where it says nothing."""
    return "".join(p.text for p in choice.parts if isinstance(p, Text)) or choice.refusal


def edited(
    codec: Dialect, outcome: Outcome, request: CallRequest, call: UUID, text: str
) -> Outcome:
    """The same answer with a person's text in it: one choice, its tool calls kept. Raises InvalidRequest without a text."""
    if not text.strip():
        raise InvalidRequest("write the answer that the caller shall get, or reject the call")
    old = None
    if outcome.status == _OK:
        old = streamed(codec, outcome.body) if is_stream(outcome) else _plain(codec, outcome.body)
    tools = tuple(p for p in old.choices[0].parts if isinstance(p, ToolCall)) if old else ()
    choice = Choice((Text(text), *tools), "tool_calls" if tools else "stop")
    answer = Answer(choices=(choice,), usage=old.usage if old else None)
    made = (
        as_stream(codec, answer, request, call)
        if request.stream
        else _body(codec, answer, request, call)
    )
    headers = {**outcome.headers, "x-mandate-reason": "edited-in-review"}
    return msgspec.structs.replace(
        outcome,
        status=_OK,
        content_type=EVENTS if request.stream else JSON,
        headers={name: value for name, value in headers.items() if name != "content-length"},
        body=made,
        event=b"",
    )


def plain(codec: Dialect, outcome: Outcome, route: str, call: UUID) -> bytes:
    """The body of an outcome; of a stream the plain answer that it came to, where it can be read."""
    answer = streamed(codec, outcome.body) if is_stream(outcome) else None
    if answer is None:
        return outcome.body
    created = int(uuid7_time(call).timestamp())
    return codec.encode_answer(answer, call=call, model=route, created=created)


def redacted(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with spans (from, to; in characters) taken out. Raises InvalidRequest for none, or one that lies outside."""
    if not spans:
        raise InvalidRequest("mark what is to be taken out, or approve the answer as it is")
    out, at = [], 0
    for start, end in sorted(spans):
        if not 0 <= start < end <= len(text):
            raise InvalidRequest(f"the span {start} to {end} does not lie in the answer")
        out.append(text[at : max(at, start)])
        if end > at:
            out.append(REDACTED)
        at = max(at, end)
    return "".join(out) + text[at:]


def spans_of(text: str, words: Sequence[str]) -> list[tuple[int, int]]:
    """Where each of these stands, every time it does. Raises InvalidRequest for one that stands nowhere."""
    spans = []
    for word in words:
        at = text.find(word)
        if not word or at < 0:
            raise InvalidRequest(f'"{word[:60]}" does not stand in the answer')
        while at >= 0:
            spans.append((at, at + len(word)))
            at = text.find(word, at + len(word))
    return spans


def is_stream(outcome: Outcome) -> bool:
    """Whether it is the transcript of a stream."""
    return outcome.content_type.startswith("text/event-stream")


def _plain(codec: Dialect, body: bytes) -> Answer | None:
    try:
        return codec.read_answer(body)
    except UnreadableAnswer:
        return None


def streamed(codec: Dialect, body: bytes) -> Answer | None:
    """A transcript read back into one answer; None where it cannot be read."""
    reader, texts, usage = codec.reader(), dict[int, str](), Usage()
    finishes: dict[int, Finish] = {}
    tools: dict[int, ToolCall] = {}
    try:
        for chunk in (chunk for event in reader.feed(body) for chunk in reader.chunks(event)):
            texts[chunk.index] = texts.get(chunk.index, "") + chunk.text + chunk.refusal
            usage = chunk.usage or usage
            if chunk.finish is not None:
                finishes[chunk.index] = chunk.finish
            if chunk.tool is not None and chunk.index == 0:
                old = tools.get(chunk.tool.index, ToolCall(chunk.tool.id, chunk.tool.name, ""))
                arguments = old.arguments + chunk.tool.arguments
                tools[chunk.tool.index] = ToolCall(old.id, old.name, arguments)
    except UnreadableAnswer:
        return None
    calls = tuple(tools[number] for number in sorted(tools))
    choices = [
        Choice(
            (Text(text), *(calls if index == 0 else ())), finishes.get(index, "stop"), index=index
        )
        for index, text in sorted(texts.items())
    ]
    return Answer(choices=tuple(choices), usage=usage) if choices else None


def _body(codec: Dialect, answer: Answer, request: CallRequest, call: UUID) -> bytes:
    created = int(uuid7_time(call).timestamp())
    return codec.encode_answer(
        answer, call=call, model=request.route, created=created, request=request
    )


def as_stream(codec: Dialect, answer: Answer, request: CallRequest, call: UUID) -> bytes:
    """The answer as the stream that a client would have read."""
    write = codec.writer(
        call,
        request.route,
        include_usage=request.outline.include_usage,
        created=int(uuid7_time(call).timestamp()),
        request=request,
    )
    choice = answer.choices[0]
    out = write(Chunk(text=text_of(choice)))
    tools = [part for part in choice.parts if isinstance(part, ToolCall)]
    for index, tool in enumerate(tools):
        delta = ToolDelta(index, tool.id, tool.name, tool.arguments)
        out += write(Chunk(tool=delta))
    out += write(Chunk(finish=choice.finish))
    if answer.usage is not None:
        out += write(Chunk(usage=answer.usage))
    return out + write.end()
