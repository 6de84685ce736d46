"""What an answer says, read back from the bytes its caller would get; the same for a plain answer and for a stream."""

from dataclasses import dataclass
from typing import Any

from policies.engine.answer import Output, cel_value, parsed
from routing.dialects.base import Dialect
from routing.exchange import Choice, Text, UnreadableAnswer


@dataclass(frozen=True, slots=True)
class Said:
    """One answer: its words (a refusal's too), its value where they are JSON, and whether it calls tools."""

    text: str
    json: Any
    is_json: bool
    calls_tools: bool
    finish: str

    def output(self) -> Output:
        """The same as conditions read it."""
        return Output(self.text, cel_value(self.json) if self.is_json else None)


def read(speaks: Dialect, body: bytes, *, stream: bool) -> Said:
    """What a body in the caller's dialect says. Raises UnreadableAnswer, or for more choices than one."""
    return _streamed(speaks, body) if stream else _plain(speaks, body)


def said(text: str, *, calls_tools: bool = False, finish: str = "") -> Said:
    """Words as an answer."""
    value, is_json = parsed(text)
    return Said(text, value, is_json=is_json, calls_tools=calls_tools, finish=finish)


def _plain(speaks: Dialect, body: bytes) -> Said:
    choices = speaks.read_answer(body).choices
    if len(choices) != 1:
        raise UnreadableAnswer("a checked answer has one choice", error_class="server_error")
    choice = choices[0]
    return said(
        _words(choice), calls_tools=len(choice.parts) > _texts(choice), finish=choice.finish
    )


def _texts(choice: Choice) -> int:
    return sum(isinstance(part, Text) for part in choice.parts)


def _words(choice: Choice) -> str:
    return "".join(p.text for p in choice.parts if isinstance(p, Text)) + choice.refusal


def _streamed(speaks: Dialect, body: bytes) -> Said:
    reader = speaks.reader()
    text, finish, tools = "", "", False
    for event in reader.feed(body):
        for chunk in reader.chunks(event):
            if chunk.index:
                raise UnreadableAnswer(
                    "a checked answer has one choice", error_class="server_error"
                )
            text += chunk.text + chunk.refusal
            tools = tools or chunk.tool is not None
            finish = chunk.finish or finish
    return said(text, calls_tools=tools, finish=finish)
