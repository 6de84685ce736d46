"""One document while it is read: its problems, references, conditions, and where each part stands."""

from dataclasses import dataclass, field
from typing import Any

import yaml

from policies.documents.nodes import Position, Text, scalar
from policies.documents.problems import Problem
from policies.documents.spans import Span

Json = Any
"""A value of JSON: None, bool, int, float, str, list or dict of them."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that must exist: `kind` of document, or `team`. `within` names the tenant a team must belong to, if one is named."""

    kind: str
    name: str
    path: str
    position: Position
    within: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """A CEL expression in a document: the place whose variables it may use, the type it must have, and where its text stands."""

    path: str
    place: str
    result: str
    text: str
    line: int
    spans: tuple[Span, ...]


@dataclass(slots=True)
class Reading:
    """One document while it is read: what was found, and where."""

    text: Text
    problems: list[Problem] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)

    def wrong(self, node: yaml.Node, path: str, message: str) -> None:
        """Record an error at a node."""
        self.problems.append(self.text.problem(node.start_mark, path, message))


def entries(node: yaml.MappingNode, path: str, to: Reading) -> list[tuple[str, yaml.Node]]:
    """The pairs of a mapping, their places noted; a duplicate or a key that is not text is an error."""
    found: dict[str, yaml.Node] = {}
    for key, value in node.value:
        name = scalar(key) if isinstance(key, yaml.ScalarNode) else None
        if not isinstance(name, str):
            to.wrong(key, path, "a key must be text; put it in quotes")
        elif name in found:
            first = to.positions[f"{path}.{name}" if path else name].line
            to.wrong(
                key,
                f"{path}.{name}" if path else name,
                f'"{name}" is written twice, first in line {first}',
            )
        else:
            found[name] = value
            to.positions[f"{path}.{name}" if path else name] = to.text.at(key.start_mark)
    return list(found.items())
