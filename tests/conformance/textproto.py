"""Protocol buffers' text format, as far as test vectors use it: messages become lists of (field, value)."""

import re
from collections.abc import Iterator
from typing import Any

Message = list[tuple[str, Any]]

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?P<mark>[{}<>\[\]:,;])"""
    r"""|(?P<word>-?[A-Za-z_.0-9+/][A-Za-z_.0-9+/-]*)""",
    re.DOTALL,
)
_ESCAPE = re.compile(
    rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL
)
_PLAIN = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


def parse(text: str) -> Message:
    """The message of a text. Raises ValueError."""
    tokens = [*_tokens(text), ("end", "")]
    message, at = _message(tokens, 0, "")
    if at != len(tokens) - 1:
        raise ValueError(f"unexpected {tokens[at][1]!r}")
    return message


def one(message: Message, name: str, default: Any = None) -> Any:
    """The value of a field that stands at most once."""
    return next((value for field, value in message if field == name), default)


def every(message: Message, name: str) -> list[Any]:
    """The values of a repeated field."""
    return [value for field, value in message if field == name]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"cannot read {text[at : at + 20]!r}")
        at = match.end()
        if match.lastgroup:
            yield match.lastgroup, match[0]


def _message(tokens: list[tuple[str, str]], at: int, end: str) -> tuple[Message, int]:
    found: Message = []
    while tokens[at][1] != end and tokens[at][0] != "end":
        name, at = _name(tokens, at)
        if tokens[at][1] == ":":
            at += 1
        if tokens[at][1] == "[":
            values, at = _list(tokens, at + 1)
            found += [(name, value) for value in values]
        else:
            value, at = _value(tokens, at)
            found.append((name, value))
        while tokens[at][1] in (",", ";"):
            at += 1
    return found, at


def _name(tokens: list[tuple[str, str]], at: int) -> tuple[str, int]:
    if tokens[at][1] != "[":
        return tokens[at][1], at + 1
    close = next(i for i in range(at, len(tokens)) if tokens[i][1] == "]")
    return "".join(text for _, text in tokens[at + 1 : close]), close + 1


def _list(tokens: list[tuple[str, str]], at: int) -> tuple[list[Any], int]:
    values = []
    while tokens[at][1] != "]":
        value, at = _value(tokens, at)
        values.append(value)
        at += tokens[at][1] == ","
    return values, at + 1


def _value(tokens: list[tuple[str, str]], at: int) -> tuple[Any, int]:
    kind, text = tokens[at]
    if text in ("{", "<"):
        message, at = _message(tokens, at + 1, "}" if text == "{" else ">")
        return message, at + 1
    if kind == "word":
        return text, at + 1
    data = b""
    while tokens[at][0] == "string":
        data += _ESCAPE.sub(_unescaped, tokens[at][1][1:-1].encode())
        at += 1
    return data, at


def _unescaped(match: re.Match[bytes]) -> bytes:
    octal, short, u4, u8, other = match.groups()
    if octal or short:
        return bytes([int(octal, 8) if octal else int(short, 16)])
    if u4 or u8:
        return chr(int(u4 or u8, 16)).encode()
    return _PLAIN.get(other, other)
