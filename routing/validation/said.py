"""What an answer says, read back from the bytes its caller would get; the same for a plain answer and for a stream."""

import json
from dataclasses import dataclass
from typing import Any, Final

from policies.engine.values import INT_MAX, INT_MIN, Value
from policies.engine.weigh import Output
from routing.dialects.base import Dialect
from routing.exchange import Choice, Text, UnreadableAnswer

MOST_DEPTH: Final = 64


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
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return Said(text, None, is_json=False, calls_tools=calls_tools, finish=finish)
    fits = _depth(value) <= MOST_DEPTH
    return Said(text, value if fits else None, is_json=fits, calls_tools=calls_tools, finish=finish)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


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


def _depth(value: object) -> int:
    """How deep a value is nested, up to one more than is allowed."""
    deepest, level = 0, [value]
    while level and deepest <= MOST_DEPTH:
        deepest += 1
        level = [
            inner
            for one in level
            if isinstance(one, list | dict)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return deepest


def cel_value(value: Any) -> Value:  # noqa: ANN401  # any JSON value
    """A JSON value as conditions have it: lists are tuples, whole numbers beyond 64 bits are doubles."""
    if isinstance(value, list):
        return tuple(cel_value(one) for one in value)
    if isinstance(value, dict):
        return {name: cel_value(one) for name, one in value.items()}
    if isinstance(value, int) and not isinstance(value, bool):
        return value if INT_MIN <= value <= INT_MAX else float(value)
    return value
