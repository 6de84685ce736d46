"""The parts a spec is made of: each reads a YAML node into canonical JSON and reports every error at its place.

Numbers that are not whole, money and dates are strings inside; no body holds a float outside free JSON.
Defaults are not written into the body: `fill` adds them when a bundle is compiled, so that a document
exports as it was written.
"""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final

import yaml

from controlplane.kernel.money import parse_nano
from policies.documents.nodes import scalar
from policies.documents.problems import did_you_mean
from policies.documents.reading import Condition, Json, Reading, Reference, entries
from policies.documents.spans import spans_of

_KINDS: Final = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "nothing",
}


NEVER_LITERAL: Final = "a secret itself never stands in a document"
"""The words of every such problem: a text that has it is stored nowhere, not even in a draft."""


class Field:
    """One value. `required` has no safe default; otherwise `default` (None: absent) is what an absent value means."""

    words: str = "a value"

    def __init__(self, *, required: bool = False, default: Json = None) -> None:
        self.required = required
        self.default = default

    def read(self, node: yaml.Node, path: str, to: Reading) -> Json:
        """The canonical value, or None after an error was recorded."""
        raise NotImplementedError

    def fill(self, value: Json) -> Json:
        """The value with every default written out."""
        return value

    def schema(self) -> dict[str, Json]:
        """JSON Schema (draft 7) of the value as YAML writes it."""
        return {}

    def refuse(self, node: yaml.Node, path: str, to: Reading) -> None:
        """Record that something else was expected."""
        found = "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
        hint = ""
        if isinstance(node, yaml.ScalarNode):
            value = scalar(node)
            found = f"{_KINDS[type(value)]} ({node.value[:60]!r})"
            hint = (
                f'; write "{node.value}" in quotes'
                if self.quotable(node) and not isinstance(value, str)
                else ""
            )
        to.wrong(node, path, f"must be {self.words}, not {found}{hint}")

    def quotable(self, node: yaml.ScalarNode) -> bool:  # noqa: ARG002  # for subclasses
        """Whether quotes would make the value right."""
        return False


class Words(Field):
    """Text, by a pattern where one is given."""

    words = "text"

    def __init__(
        self, pattern: str = "", words: str = "", *, required: bool = False, default: Json = None
    ) -> None:
        super().__init__(required=required, default=default)
        self.pattern = re.compile(pattern, re.ASCII) if pattern else None
        if words:
            self.words = words

    def read(self, node: yaml.Node, path: str, to: Reading) -> Json:
        """The text itself."""
        value = scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(value, str) or not self.accepts(value):
            self.refuse(node, path, to)
            return None
        return value

    def accepts(self, value: str) -> bool:
        """Whether the text has the right form, and no characters that JSON cannot carry."""
        if any(0xD800 <= ord(c) <= 0xDFFF for c in value) or "\0" in value:
            return False
        return self.pattern is None or self.pattern.fullmatch(value) is not None

    def quotable(self, node: yaml.ScalarNode) -> bool:
        """A number or a boolean that was meant as text."""
        return self.accepts(node.value)

    def schema(self) -> dict[str, Json]:
        """A string, by its pattern."""
        return {"type": "string"} | (
            {"pattern": f"^(?:{self.pattern.pattern})$"} if self.pattern else {}
        )


class Choice(Words):
    """One of a few words."""

    def __init__(self, *choices: str, required: bool = False, default: Json = None) -> None:
        super().__init__(required=required, default=default, words="one of " + ", ".join(choices))
        self.choices = choices

    def read(self, node: yaml.Node, path: str, to: Reading) -> Json:
        """The word; an unknown one is answered with the nearest."""
        value = scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(value, str) and value in self.choices:
            return value
        if isinstance(value, str):
            to.wrong(
                node,
                path,
                f'must be {self.words}, not "{value}"{did_you_mean(value, self.choices)}',
            )
        else:
            self.refuse(node, path, to)
        return None

    def accepts(self, value: str) -> bool:
        """Whether it is one of the words."""
        return value in self.choices

    def schema(self) -> dict[str, Json]:
        """An enumeration."""
        return {"enum": list(self.choices)}


class Day(Words):
    """A calendar day, `2026-11-01`."""

    words = "a day like 2026-11-01"

    def accepts(self, value: str) -> bool:
        """Whether the calendar has that day."""
        try:
            return date.fromisoformat(value).isoformat() == value
        except ValueError:
            return False

    def schema(self) -> dict[str, Json]:
        """A date."""
        return {"type": "string", "format": "date"}


class Flag(Field):
    """True or false."""

    words = "true or false"

    def read(self, node: yaml.Node, path: str, to: Reading) -> Json:
        """The boolean."""
        value = scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(value, bool):
            return value
        self.refuse(node, path, to)
        return None

    def schema(self) -> dict[str, Json]:
        """A boolean."""
        return {"type": "boolean"}


class Whole(Field):
    """A whole number within bounds."""

    def __init__(
        self, low: int = 0, high: int = 2**53 - 1, *, required: bool = False, default: Json = None
    ) -> None:
        super().__init__(required=required, default=default)
        self.low, self.high = low, high
        self.words = f"a whole number from {low} to {high}"

    def read(self, node: yaml.Node, path: str, to: Reading) -> Json:
        """The number."""
        value = scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if (
            isinstance(value, int)
            and not isinstance(value, bool)
            and self.low <= value <= self.high
        ):
            return value
        self.refuse(node, path, to)
        return None

    def schema(self) -> dict[str, Json]:
        """An integer."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


class Number(Field):
    """A decimal, written plain or in quotes; kept as text in its shortest form."""

    def __init__(
        self,
        low: str = "0",
        high: str = "1000000000",
        *,
        required: bool = False,
        default: Json = None,
    ) -> None:
        super().__init__(required=required, default=default)
        self.low, self.high = Decimal(low), Decimal(high)
        self.words = f"a number from {low} to {high}"

    def read(self, node: yaml.Node, path: str, to: Reading) -> Json:
        """The decimal's own digits."""
        if isinstance(node, yaml.ScalarNode) and re.fullmatch(
            r"-?[0-9]{1,20}(\.[0-9]{1,12})?", node.value
        ):
            value = Decimal(node.value)
            if self.low <= value <= self.high:
                # adding nothing makes -0 a plain 0
                return format((value + 0).normalize(), "f")
        self.refuse(node, path, to)
        return None

    def schema(self) -> dict[str, Json]:
        """A number, or the same in quotes."""
        return {"type": ["number", "string"]}


class Money(Words):
    """An amount, `"25000.00"`: always text, never a float."""

    words = 'an amount in quotes like "25000.00"'

    def accepts(self, value: str) -> bool:
        """Whether it is exact and not negative."""
        if not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,9})?", value):
            return False
        try:
            return parse_nano(value) >= 0
        except ValueError:
            return False

    def schema(self) -> dict[str, Json]:
        """A decimal in a string."""
        return {"type": "string", "pattern": "^[0-9]{1,10}(\\.[0-9]{1,9})?$"}


class Secret(Words):
    """The name of a secret, `secret:openai`; a literal is refused without being shown."""

    words = "the name of a secret like secret:openai"

    def read(self, node: yaml.Node, path: str, to: Reading) -> Json:
        """The name; what stands there instead is never quoted, since it may be the secret."""
        value = scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(value, str) and re.fullmatch(
            r"secret:[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", value, re.ASCII
        ):
            return value
        to.wrong(node, path, f"must be {self.words}; {NEVER_LITERAL}")
        return None


ANY: Final = "dyn"
"""The result of a condition that may be of every type."""


class Cel(Words):
    """A condition in CEL. `place` decides which variables it may use, `result` which type it must have."""

    words = "a condition in CEL"

    def __init__(
        self, place: str, result: str = "bool", *, required: bool = False, default: Json = None
    ) -> None:
        super().__init__(required=required, default=default)
        self.place, self.result = place, result

    def read(self, node: yaml.Node, path: str, to: Reading) -> Json:
        """The text; the condition is noted to be checked."""
        value = super().read(node, path, to)
        if value is not None and isinstance(node, yaml.ScalarNode):
            line = (
                to.positions[path].line
                if path in to.positions
                else to.text.at(node.start_mark).line
            )
            to.conditions.append(
                Condition(path, self.place, self.result, value, line, spans_of(to.text, node))
            )
        return value


class Ref(Words):
    """The name of another document, of its own tenant first, then of the organisation."""

    def __init__(self, kind: str, *, required: bool = False, default: Json = None) -> None:
        super().__init__(NAME, f"the name of a {kind}", required=required, default=default)
        self.kind = kind

    def read(self, node: yaml.Node, path: str, to: Reading) -> Json:
        """The name; the reference is noted to be resolved. An empty one refers to nothing."""
        if (
            isinstance(node, yaml.ScalarNode)
            and node.value == ""
            and node.style
            and not self.required
        ):
            return ""
        value = super().read(node, path, to)
        if value is not None:
            to.references.append(Reference(self.kind, value, path, to.text.at(node.start_mark)))
        return value


class Free(Field):
    """Any JSON, for schemas and parameters of others. Numbers stay as they are."""

    words = "JSON"

    def __init__(
        self, kind: type = object, *, required: bool = False, default: Json = None
    ) -> None:
        super().__init__(required=required, default=default)
        self.kind = kind

    def read(self, node: yaml.Node, path: str, to: Reading) -> Json:
        """The value, with duplicate keys and keys that are not text refused."""
        value = self._json(node, path, to)
        if self.kind is dict and not isinstance(value, dict):
            to.wrong(node, path, "must be a mapping")
            return None
        return value

    def schema(self) -> dict[str, Json]:
        """Anything, or any object."""
        return {"type": "object"} if self.kind is dict else {}

    def _json(self, node: yaml.Node, path: str, to: Reading) -> Json:
        if isinstance(node, yaml.SequenceNode):
            return [self._json(n, f"{path}[{i}]", to) for i, n in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return {k: self._json(v, f"{path}.{k}", to) for k, v in entries(node, path, to)}
        value = scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(value, int | float) and not abs(value) < 2**53:
            to.wrong(node, path, "is too large for JSON; write it in quotes")
            return None
        return value


NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"
EMAIL: Final = r"[^@\x00-\x20\x7f\"<>]{1,64}@[^@\x00-\x20\x7f\"<>]{1,190}"


def filled(fields: Mapping[str, Field], value: Mapping[str, Json]) -> dict[str, Json]:
    """A mapping with the defaults of its fields written out."""
    whole = {}
    for name, part in fields.items():
        present = value.get(name)
        whole[name] = part.fill(part.default if present is None else present)
    return whole
