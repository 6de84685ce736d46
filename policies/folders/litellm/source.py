"""The configuration as a tree whose every key is either taken or named as left: nothing is dropped in silence."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from policies.documents.nodes import Position, scalar
from policies.documents.problems import InvalidDocuments, Problem

Json = Any
_SECRET: Final = re.compile(r"key|token|secret|password|credential|database_url|dsn", re.IGNORECASE)
_ENVIRONMENT: Final = "os.environ/"


@dataclass(frozen=True, slots=True, order=True)
class Left:
    """A key that did not carry over, or not whole, or something that had to be assumed; and why. Never a value."""

    line: int
    path: str
    why: str


@dataclass(slots=True)
class Source:
    """One configuration while it is read."""

    tree: Json
    lines: Mapping[str, int]
    taken: set[str] = field(default_factory=set)
    left: list[Left] = field(default_factory=list)

    def section(self, name: str) -> dict[str, Json]:
        """A mapping at the top; empty where there is none."""
        found = self.tree.get(name)
        return found if isinstance(found, dict) else {}

    def take(self, path: str, at: Json, key: str) -> Json:
        """The value of a key of a mapping; it counts as carried over. None where it is absent."""
        if not isinstance(at, dict) or key not in at:
            return None
        self.taken.add(f"{path}.{key}" if path else key)
        return at[key]

    def leave(self, path: str, why: str) -> None:
        """Name a key, with everything below it, as left."""
        self.taken.add(path)
        self.left.append(Left(self.lines.get(path, 1), path, why))

    def rest(self, reasons: Mapping[str, str]) -> None:
        """Name every key that nobody took."""
        for path in _leaves(self.tree, "", self.taken):
            parts = re.sub(r"\[\d+\]", "", path).split(".")
            key = parts[-1]
            known = (reasons[part] for part in reversed(parts) if part in reasons)
            why = next(known, "there is nothing like it here")
            if _SECRET.search(key):
                why = "a secret: its value was not copied, and no document may hold one"
            self.leave(path, why)


def read(content: str, file: str) -> Source:
    """The configuration. Raises InvalidDocuments where it is no mapping in YAML."""
    try:
        node = yaml.compose(content, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
        # the error's own text would quote the line, which may hold a key
        raise InvalidDocuments([Problem(file, *place, "", "not YAML")]) from None
    if not isinstance(node, yaml.MappingNode):
        raise InvalidDocuments([Problem(file, 1, 1, "", "must be a LiteLLM configuration")])
    lines: dict[str, int] = {}
    return Source(_value(node, "", lines, 0), lines)


def variable(value: Json) -> str:
    """The name in `os.environ/NAME`; empty for anything else."""
    text = value if isinstance(value, str) else ""
    return text.removeprefix(_ENVIRONMENT) if text.startswith(_ENVIRONMENT) else ""


def _value(node: yaml.Node, path: str, lines: dict[str, int], depth: int) -> Json:
    if depth > 64:
        raise InvalidDocuments(
            [Problem("<configuration>", 1, 1, path[:80], "more than 64 levels deep")]
        )
    if isinstance(node, yaml.ScalarNode):
        return scalar(node)
    if isinstance(node, yaml.SequenceNode):
        items = []
        for number, child in enumerate(node.value):
            at = f"{path}[{number}]"
            lines[at] = child.start_mark.line + 1
            items.append(_value(child, at, lines, depth + 1))
        return items
    found = {}
    for key, child in node.value:
        name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
        at = f"{path}.{name}" if path else name
        lines[at] = key.start_mark.line + 1
        found[name] = _value(child, at, lines, depth + 1)
    return found


def _leaves(value: Json, path: str, taken: set[str]) -> Iterator[str]:
    if path in taken:
        return
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _leaves(child, f"{path}.{key}" if path else key, taken)
    elif isinstance(value, list) and any(isinstance(child, dict) for child in value):
        for number, child in enumerate(value):
            yield from _leaves(child, f"{path}[{number}]", taken)
    elif path:
        yield path
