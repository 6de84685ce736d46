"""A document: its identity, its canonical JSON body, and where each part of it was written."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import yaml

from policies.documents.kind import API_VERSION
from policies.documents.kinds import KINDS
from policies.documents.nodes import BOOL, FLOAT, INT, NULL, SPECIAL, Position, is_plain_text
from policies.documents.problems import Problem
from policies.documents.reading import Condition, Json, Reference

Identity = tuple[str, str, str]
"""(kind, tenant, name); an empty tenant is the organisation."""


@dataclass(frozen=True, slots=True)
class Document:
    """One governed thing. `body` is canonical JSON as it was written, without defaults; equal bodies are the same document.

    `source` is the YAML it was read from, `file` and `first_line` where that text stands. Positions are those of the file.
    """

    kind: str
    tenant: str
    name: str
    body: dict[str, Json]
    source: str = field(repr=False, compare=False)
    file: str = field(compare=False)
    first_line: int = field(compare=False)
    positions: Mapping[str, Position] = field(repr=False, compare=False)
    references: tuple[Reference, ...] = field(repr=False, compare=False)
    conditions: tuple[Condition, ...] = field(repr=False, compare=False)

    @property
    def identity(self) -> Identity:
        """What tells it from every other document."""
        return self.kind, self.tenant, self.name

    @property
    def spec(self) -> dict[str, Json]:
        """The spec as written."""
        spec: dict[str, Json] = self.body["spec"]
        return spec

    def filled(self) -> dict[str, Json]:
        """The spec with every default written out."""
        return KINDS[self.kind].filled(self.spec)

    def position(self, path: str) -> Position:
        """Where a path stands, or the nearest part above it that was written."""
        while path and path not in self.positions:
            cut = max(path.rfind("."), path.rfind("["))
            path = path[:cut] if cut > 0 else ""
        return self.positions.get(path) or Position(self.first_line, 1)

    def problem(self, path: str, message: str) -> Problem:
        """An error at a path of this document."""
        return Problem(self.file, *self.position(path), path, message)


class Dumper(yaml.SafeDumper):
    """Writes YAML that the core schema reads back as the same JSON."""

    yaml_implicit_resolvers = {}

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  # PyYAML asks for each value
        """Never an alias: equal parts are written twice."""
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    block = "\n" in value and all(c.isprintable() or c == "\n" for c in value)
    plain = value.isprintable() and is_plain_text(value)
    style = "|" if block else None if plain else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


Dumper.add_representer(str, _text)
for _word, _pattern in (
    ("null", re.compile("|".join(map(re.escape, sorted(NULL))))),
    ("bool", re.compile("|".join(BOOL))),
    ("int", INT),
    ("float", FLOAT),
    ("float", SPECIAL),
):
    _whole = re.compile(f"(?:{_pattern.pattern})\\Z")
    Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_word}", _whole, None)


def to_yaml(body: Mapping[str, Json]) -> str:
    """A document's body as YAML, parts in the order of its kind's fields. Reading it gives the same body."""
    kind = KINDS[body["kind"]]
    spec = {k: body["spec"][k] for k in kind.fields if k in body["spec"]}
    whole = {
        "apiVersion": API_VERSION,
        "kind": kind.kind,
        "metadata": body["metadata"],
        "spec": spec,
    }
    return yaml.dump(whole, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)


def bundle_yaml(documents: Iterable[Document]) -> str:
    """Several documents as one file."""
    return "---\n".join(to_yaml(d.body) for d in documents)
