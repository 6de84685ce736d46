"""PURE: `$(name)` in a scalar value, filled from a file of values: one folder for several environments.

Neither CEL nor YAML gives `$(` a meaning, in block or in flow style. `$$(` is a literal `$(`. A plain scalar that is one
placeholder keeps the type of its value; elsewhere the value is text. No line moves: a value has one line.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import yaml

from policies.documents.nodes import Text, compose, scalar
from policies.documents.problems import InvalidDocuments, Problem, did_you_mean

_NAME: Final = r"[A-Za-z][A-Za-z0-9_-]{0,62}"
_FOUND: Final = re.compile(rf"\$(\$\(|\(({_NAME})\))")
_FIXED: Final = ("apiVersion", "kind", "metadata.name", "metadata.tenant", "metadata.origin")
"""What a document is may not depend on where it is applied."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value: how it is written where it stands alone, and as part of a text."""

    alone: str
    text: str
    line: int


@dataclass(slots=True)
class Values:
    """The values of one environment. Asked for each name that a folder has; what nobody asked for is an error."""

    file: str = ""
    known: Mapping[str, Value] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    def unused(self) -> list[Problem]:
        """The values that no placeholder names."""
        return [
            Problem(self.file, value.line, 1, name, f'no document has "$({name})"')
            for name, value in self.known.items()
            if name not in self.asked
        ]


class Moved(NamedTuple):
    """One replacement: where it starts in the line it is in now, how long it is, and how long what stood there was."""

    line: int
    column: int
    length: int
    before: int


@dataclass(frozen=True, slots=True)
class FilledText:
    """A text with its values, and where its columns were."""

    content: str
    moved: tuple[Moved, ...] = ()

    def back(self, problem: Problem) -> Problem:
        """A problem of this text at its place in the file as it lies there."""
        shift = 0
        for one in self.moved:
            if one.line != problem.line or one.column > problem.column:
                continue
            if problem.column < one.column + one.length:
                return problem._replace(column=one.column - shift)
            shift += one.length - one.before
        return problem._replace(column=problem.column - shift)


class _Replace(NamedTuple):
    start: int
    end: int
    text: str


def read_values(content: str, file: str) -> Values:
    """A file of values: one flat mapping from names to text, numbers or booleans. Raises InvalidDocuments."""
    text = Text(file, content.removeprefix("\ufeff"))
    nodes = compose(text)
    if not nodes:
        return Values(file)
    if len(nodes) != 1 or not isinstance(nodes[0], yaml.MappingNode):
        raise InvalidDocuments([Problem(file, 1, 1, "", "must be one mapping of names to values")])
    known: dict[str, Value] = {}
    problems = []
    for key, node in nodes[0].value:
        wrong = _wrong(key, node, known)
        if wrong:
            problems.append(text.problem(key.start_mark, str(key.value)[:80], wrong))
        else:
            known[key.value] = _value(node)
    if problems:
        raise InvalidDocuments(problems)
    return Values(file, known)


def _wrong(key: yaml.Node, node: yaml.Node, known: Mapping[str, Value]) -> str:
    if not isinstance(key, yaml.ScalarNode) or not re.fullmatch(_NAME, key.value):
        return "must be a name of letters, digits, '_' and '-', at most 63"
    if key.value in known:
        return f'"{key.value}" is written twice, first in line {known[key.value].line}'
    if not isinstance(node, yaml.ScalarNode) or scalar(node) is None:
        return "must be text, a number or a boolean"
    if not node.value.isprintable():
        return "must be one line of printable text"
    return ""


def _value(node: yaml.ScalarNode) -> Value:
    word: str = node.value
    alone = _quoted(word) if isinstance(scalar(node), str) else word
    return Value(alone, word, node.start_mark.line + 1)


def fill(content: str, file: str, values: Values | None) -> FilledText:
    """A YAML text with its values in it. Raises InvalidDocuments for a placeholder that has no value or stands where none may.

    A text that is no YAML stays as it is: reading it says what is wrong with it.
    """
    if "$(" not in content:
        return FilledText(content)
    text = Text(file, content.removeprefix("\ufeff"))
    try:
        nodes = compose(text)
    except InvalidDocuments:
        return FilledText(content)
    problems: list[Problem] = []
    replaced = []
    for path, node in _scalars(nodes):
        if _FOUND.search(text.content, node.start_mark.index, node.end_mark.index):
            found = _filled(text, node, values)
            if path in _FIXED or path.endswith("?"):
                where = "a key" if path.endswith("?") else path
                found = f"a placeholder may not stand in {where}"
            if isinstance(found, str):
                problems.append(text.problem(node.start_mark, path.rstrip("?"), found))
            else:
                replaced.append(found)
    if problems:
        raise InvalidDocuments(problems)
    return _apply(text.content, replaced)


def escaped(source: str) -> str:
    """A text whose every `$(name)` is literal, as a folder has it."""
    return _FOUND.sub(lambda m: f"${m[0]}", source)


def _scalars(nodes: list[yaml.Node]) -> Iterator[tuple[str, yaml.ScalarNode]]:
    """Every scalar with its path; that of a key ends in "?"."""
    todo = [("", node) for node in reversed(nodes)]
    while todo:
        path, node = todo.pop()
        if isinstance(node, yaml.ScalarNode):
            yield path, node
        elif isinstance(node, yaml.SequenceNode):
            todo += [(f"{path}[{i}]", child) for i, child in reversed(list(enumerate(node.value)))]
        elif isinstance(node, yaml.MappingNode):
            for key, child in reversed(node.value):
                name = str(key.value)[:80] if isinstance(key, yaml.ScalarNode) else ""
                at = f"{path}.{name}" if path else name
                todo += [(at, child), (f"{at}?", key)]


def _filled(text: Text, node: yaml.ScalarNode, values: Values | None) -> "_Replace | str":
    """The whole scalar with its values in it, or what is wrong."""
    start, end = node.start_mark.index, node.end_mark.index
    raw = text.content[start:end]
    for match in _FOUND.finditer(raw):
        name = match[2]
        if name and values is None:
            return f'"$({name})" needs a value: say --values FILE, or write $$( for a literal $('
        if name and values is not None and name not in values.known:
            return f'there is no value "{name}"{did_you_mean(name, values.known)}'
    known = values.known if values is not None else {}
    if values is not None:
        values.asked |= {match[2] for match in _FOUND.finditer(raw) if match[2]}
    whole = _FOUND.fullmatch(raw) if not node.style else None
    if whole is not None and whole[2]:
        return _Replace(start, end, known[whole[2]].alone)
    written = _FOUND.sub(lambda m: _inside(known[m[2]].text, node.style) if m[2] else "$(", raw)
    if node.style or not any(match[2] for match in _FOUND.finditer(raw)):
        return _Replace(start, end, written)
    if "\n" in raw:
        return "put this text in quotes: a placeholder may stand in it then"
    return _Replace(start, end, _quoted(written))


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"


def _inside(word: str, style: str | None) -> str:
    if style == "'":
        return word.replace("'", "''")
    return json.dumps(word, ensure_ascii=False)[1:-1] if style == '"' else word


def _apply(content: str, replaced: list[_Replace]) -> FilledText:
    parts, at, moved = [], 0, []
    for one in sorted(replaced):
        parts += [content[at : one.start], one.text]
        at = one.end
        if "\n" not in content[one.start : one.end]:
            so_far = "".join(parts)
            column = len(so_far) - len(one.text) - (so_far.rfind("\n") + 1) + 1
            moved.append(Moved(so_far.count("\n") + 1, column, len(one.text), one.end - one.start))
    parts.append(content[at:])
    return FilledText("".join(parts), tuple(moved))
