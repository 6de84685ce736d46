"""YAML 1.2 core as nodes with positions: what PyYAML composes, read by our own rules of scalars.

PyYAML resolves plain scalars by YAML 1.1 (`on` is true, `2026-01-01` a date); here the node's own text is read
again by the core schema.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

import yaml
from yaml._yaml import Mark as FastMark

from policies.documents.limits import DIGITS, LEVELS, NODES, PROBLEMS
from policies.documents.problems import InvalidDocuments, Problem

Mark = yaml.Mark | FastMark
Scalar = str | int | float | bool | None

NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
BOOL: Final = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
INT: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
SPECIAL: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class Position(NamedTuple):
    """A place in a file; both start at 1."""

    line: int
    column: int


class Text(NamedTuple):
    """A file's text, its name as errors show it, and the line on which the text starts in it."""

    file: str
    content: str
    first_line: int = 1

    def at(self, mark: Mark | None) -> Position:
        """Where a mark of PyYAML points; without one, the start."""
        if mark is None:
            return Position(self.first_line, 1)
        return Position(mark.line + self.first_line, mark.column + 1)

    def problem(self, mark: Mark | None, path: str, message: str) -> Problem:
        """An error at that mark."""
        return Problem(self.file, *self.at(mark), path, message)


def plain_value(word: str) -> Scalar:
    """What a plain scalar means in the core schema. `.inf` and `.nan` stay text: no field takes them."""
    if word in NULL:
        return None
    if word in BOOL:
        return BOOL[word]
    if INT.fullmatch(word):
        base = {"0o": 8, "0x": 16}.get(word[:2], 10)
        return int(word[2:] if base != 10 else word, base) if len(word) <= DIGITS.most else word
    return float(word) if len(word) <= DIGITS.most and FLOAT.fullmatch(word) else word


def is_plain_text(word: str) -> bool:
    """Whether the core schema reads this plain scalar as the same text."""
    return plain_value(word) is word and not SPECIAL.fullmatch(word)


def scalar(node: yaml.ScalarNode) -> Scalar:
    """The value of a scalar node."""
    text: str = node.value
    return plain_value(text) if not node.style else text


def compose(text: Text) -> list[yaml.Node]:
    """The documents of a text, empty ones left out. Raises InvalidDocuments: syntax, aliases, anchors, tags, too deep."""
    try:
        raise_first(list(islice(_outside(text), PROBLEMS.most)))
        nodes = [
            n for n in yaml.compose_all(text.content, Loader=yaml.CSafeLoader) if n is not None
        ]
    except yaml.YAMLError as error:
        raise InvalidDocuments([_syntax(text, error)]) from error
    except (RecursionError, UnicodeEncodeError) as error:
        raise InvalidDocuments(
            [Problem(text.file, 1, 1, "", f"cannot be read: {error}")]
        ) from error
    return [n for n in nodes if not (isinstance(n, yaml.ScalarNode) and scalar(n) is None)]


def raise_first(problems: list[Problem]) -> None:
    """Raises InvalidDocuments where there is a problem."""
    if problems:
        raise InvalidDocuments(problems)


def _outside(text: Text) -> Iterator[Problem]:
    """What no document has: aliases, anchors, tags, more levels or values than a reader takes. Nothing is built yet."""
    level = count = 0
    for event in yaml.parse(text.content, Loader=yaml.CSafeLoader):
        refused = _refused(text, event)
        if refused:
            yield refused
        level += isinstance(event, yaml.CollectionStartEvent)
        level -= isinstance(event, yaml.CollectionEndEvent)
        count += isinstance(event, yaml.NodeEvent)
        if level > LEVELS.most:
            yield text.problem(event.start_mark, "", f"more than {LEVELS.most} levels deep")
            return
        if count > NODES.most:
            yield text.problem(event.start_mark, "", f"more than {NODES.most:,} values in one text")
            return


def _refused(text: Text, event: yaml.Event) -> Problem | None:
    anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
    if isinstance(event, yaml.AliasEvent):
        message = f"aliases are not allowed: *{anchor}; write the value again"
    elif anchor:
        message = f"anchors are not allowed: &{anchor}"
    elif tag:
        message = f'tags are not allowed: "{tag}"'
    else:
        return None
    return text.problem(event.start_mark, "", message)


def _syntax(text: Text, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    words = getattr(error, "problem", None) or str(error).splitlines()[0]
    place = text.at(mark) if mark else Position(text.first_line, 1)
    return Problem(text.file, *place, "", f"not YAML: {words}")
