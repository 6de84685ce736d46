"""Where each character of a scalar's value stands in its file, so that an error inside a condition has a line and a column."""

from typing import NamedTuple

import yaml

from policies.documents.nodes import Position, Text

_ESCAPED = {"x": 4, "u": 6, "U": 10}


class Span(NamedTuple):
    """A run of characters: `offset` is counted in the value, the position is that of the first character of the run."""

    offset: int
    line: int
    column: int


def position_in(spans: tuple[Span, ...], offset: int) -> Position:
    """The place of the character at `offset`."""
    found = spans[0]
    for span in spans:
        if span.offset > offset:
            break
        found = span
    return Position(found.line, found.column + max(0, offset - found.offset))


def spans_of(text: Text, node: yaml.ScalarNode) -> tuple[Span, ...]:
    """The runs of a scalar's value."""
    start, end = node.start_mark.index, node.end_mark.index
    raw, value = text.content[start:end], node.value
    first = text.at(node.start_mark)
    if node.style == '"':
        at = _double_quoted(raw, value)
    else:
        at = _aligned(raw, value, _body_start(raw, node.style), quoted=node.style == "'")
    return _runs(at, raw, first)


def _body_start(raw: str, style: str | None) -> int:
    if style in ("|", ">"):
        return raw.find("\n") + 1
    return 1 if style == "'" else 0


def _aligned(raw: str, value: str, start: int, *, quoted: bool) -> list[int]:
    # only whitespace differs between the two texts: folding changes it, never anything else
    at, j = [], start
    for character in value:
        if character.isspace():
            at.append(min(j, max(len(raw) - 1, 0)))
            j += j < len(raw) and raw[j] == character
            continue
        while j < len(raw) and raw[j] != character:
            j += 1
        at.append(min(j, len(raw) - 1))
        j += 2 if quoted and character == "'" else 1
    return at


def _double_quoted(raw: str, value: str) -> list[int]:
    at, j = [], 1
    for character in value:
        if not character.isspace():
            while raw[j].isspace() or raw[j : j + 2] == "\\\n":
                j += 1 + (raw[j] == "\\")
        at.append(min(j, len(raw) - 1))
        if raw[j] == "\\" and raw[j + 1] != "\n":
            j += _ESCAPED.get(raw[j + 1], 2)
        elif raw[j] == character or not character.isspace():
            j += 1
        j = min(j, len(raw) - 2)
    return at


def _runs(at: list[int], raw: str, first: Position) -> tuple[Span, ...]:
    places = []
    line, column = first
    for character in raw:
        places.append((line, column))
        line, column = (line + 1, 1) if character == "\n" else (line, column + 1)
    runs: list[Span] = []
    for offset, index in enumerate(at):
        line, column = places[index]
        last = runs[-1] if runs else None
        if last is None or (line, column) != (last.line, last.column + offset - last.offset):
            runs.append(Span(offset, line, column))
    return tuple(runs) or (Span(0, *first),)
