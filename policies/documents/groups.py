"""Fields made of fields: lists, maps, groups, and one of several groups by a word."""

from collections.abc import Mapping
from typing import ClassVar

import yaml

from policies.documents.fields import Field, Ref, filled
from policies.documents.limits import ITEMS, WORDS, Limit
from policies.documents.nodes import scalar
from policies.documents.problems import did_you_mean
from policies.documents.reading import Json, Reading, entries


def too_many(node: yaml.CollectionNode, path: str, to: Reading, most: Limit = ITEMS) -> bool:
    """Whether a list or a mapping has more than it may; told once, at its beginning."""
    if len(node.value) <= most.most:
        return False
    to.wrong(node, path, f"has {len(node.value):,} items, at most {most.most:,}")
    return True


class ListOf(Field):
    """A list of one kind of value."""

    words = "a list"
    most: ClassVar[Limit] = ITEMS

    def __init__(
        self,
        item: Field,
        least: int = 0,
        *,
        unique: bool = False,
        required: bool = False,
        default: Json = None,
    ) -> None:
        super().__init__(
            required=required, default=[] if default is None and not required else default
        )
        self.item, self.least, self.unique = item, least, unique

    def read(self, node: yaml.Node, path: str, to: Reading) -> Json:
        """The items; every wrong one is reported."""
        if not isinstance(node, yaml.SequenceNode):
            self.refuse(node, path, to)
            return None
        if too_many(node, path, to, self.most):
            return None
        values: list[Json] = []
        seen: set[Json] = set()
        for index, child in enumerate(node.value):
            at = f"{path}[{index}]"
            to.positions[at] = to.text.at(child.start_mark)
            value = self.item.read(child, at, to)
            if self.unique and value is not None:
                if value in seen:
                    to.wrong(child, at, f'"{value}" is in the list twice')
                seen.add(value)
            values.append(value)
        if len(values) < self.least:
            to.wrong(node, path, f"needs at least {self.least}")
        return values

    def fill(self, value: Json) -> Json:
        """Every item filled."""
        return None if value is None else [self.item.fill(v) for v in value]

    def schema(self) -> dict[str, Json]:
        """An array."""
        return {
            "type": "array",
            "items": self.item.schema(),
            "minItems": self.least,
            "maxItems": self.most.most,
        }


class ReadList(ListOf):
    """A list that conditions read, and so go through: a short one."""

    most = WORDS


class MapOf(Field):
    """A mapping from free names to one kind of value."""

    words = "a mapping"

    def __init__(self, item: Field, keys: Field | None = None, *, default: Json = None) -> None:
        super().__init__(default={} if default is None else default)
        self.item, self.keys = item, keys

    def read(self, node: yaml.Node, path: str, to: Reading) -> Json:
        """The entries."""
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, path, to)
            return None
        if too_many(node, path, to):
            return None
        if self.keys is not None:
            for key, _ in node.value:
                self.keys.read(key, path, to)
        return {k: self.item.read(v, f"{path}.{k}", to) for k, v in entries(node, path, to)}

    def fill(self, value: Json) -> Json:
        """Every value filled."""
        return {k: self.item.fill(v) for k, v in value.items()}

    def schema(self) -> dict[str, Json]:
        """An object with values of one schema."""
        return {"type": "object", "additionalProperties": self.item.schema()}


class Group(Field):
    """A mapping with known names. With a default of None an absent group stays absent; else its own defaults apply."""

    words = "a mapping"

    def __init__(
        self, fields: Mapping[str, Field], *, required: bool = False, absent: bool = False
    ) -> None:
        super().__init__(required=required, default=None if absent or required else {})
        self.fields = fields

    def read(self, node: yaml.Node, path: str, to: Reading) -> Json:
        """The fields that are there; unknown and missing ones are errors."""
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, path, to)
            return None
        body = {}
        seen = set()
        for name, child in entries(node, path, to):
            at = f"{path}.{name}" if path else name
            if name not in self.fields:
                hint = did_you_mean(name, self.fields) or f"; known here: {', '.join(self.fields)}"
                place = to.positions[at]
                to.problems.append(
                    to.text.problem(child.start_mark, at, f'unknown field "{name}"{hint}')._replace(
                        line=place.line, column=place.column
                    )
                )
                continue
            seen.add(name)
            value = self.fields[name].read(child, at, to)
            if value is not None:
                body[name] = value
        for name, part in self.fields.items():
            if part.required and name not in seen:
                to.wrong(
                    node, f"{path}.{name}" if path else name, f'"{name}" is required: {part.words}'
                )
        return body

    def fill(self, value: Json) -> Json:
        """Every field filled."""
        return None if value is None else filled(self.fields, value)

    def schema(self) -> dict[str, Json]:
        """A closed object."""
        body: dict[str, Json] = {"type": "object", "additionalProperties": False}
        body["properties"] = {k: f.schema() for k, f in self.fields.items()}
        required = [k for k, f in self.fields.items() if f.required]
        return body | ({"required": required} if required else {})


class OneOf(Field):
    """A group chosen by the word in `tag`."""

    words = "a mapping"

    def __init__(
        self, tag: str, groups: Mapping[str, Mapping[str, Field]], *, required: bool = False
    ) -> None:
        super().__init__(required=required)
        self.tag, self.groups = tag, dict(groups)

    def read(self, node: yaml.Node, path: str, to: Reading) -> Json:
        """The group that the tag names, tag included."""
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, path, to)
            return None
        tags = [v for k, v in node.value if isinstance(k, yaml.ScalarNode) and k.value == self.tag]
        word = scalar(tags[0]) if tags and isinstance(tags[0], yaml.ScalarNode) else None
        if word not in self.groups:
            hint = did_you_mean(str(word), self.groups)
            to.wrong(
                tags[0] if tags else node,
                f"{path}.{self.tag}",
                f"must be one of {', '.join(self.groups)}{hint}",
            )
            return None
        return Group({self.tag: Tag(str(word)), **self.groups[str(word)]}).read(node, path, to)

    def fill(self, value: Json) -> Json:
        """The chosen group filled."""
        return (
            None
            if value is None
            else {self.tag: value[self.tag], **filled(self.groups[value[self.tag]], value)}
        )

    def schema(self) -> dict[str, Json]:
        """One of the groups."""
        return {
            "oneOf": [
                Group({self.tag: Tag(word), **fields}).schema()
                for word, fields in self.groups.items()
            ]
        }


class Tag(Field):
    """The word that was already read."""

    def __init__(self, word: str) -> None:
        super().__init__(required=True)
        self.word = word

    def read(self, node: yaml.Node, path: str, to: Reading) -> Json:
        """The word; another is an error."""
        if not isinstance(node, yaml.ScalarNode) or scalar(node) != self.word:
            to.wrong(node, path, f'must be "{self.word}"')
        return self.word

    def schema(self) -> dict[str, Json]:
        """A constant."""
        return {"const": self.word}


class TeamRef(Ref):
    """The name of a team; where the group beside it names a tenant, of that tenant."""

    def __init__(self) -> None:
        super().__init__("team")


class Either(Field):
    """Text of one form or another: the first that accepts it."""

    def __init__(self, first: Field, second: Field, *, default: Json = None) -> None:
        super().__init__(default=default)
        self.first, self.second = first, second
        self.words = f"{first.words} or {second.words}"

    def read(self, node: yaml.Node, path: str, to: Reading) -> Json:
        """The first reading without an error."""
        for part in (self.first, self.second):
            trial = Reading(to.text, positions=to.positions)
            value = part.read(node, path, trial)
            if not trial.problems:
                to.references += trial.references
                return value
        self.refuse(node, path, to)
        return None

    def schema(self) -> dict[str, Json]:
        """Any of the two."""
        return {"anyOf": [self.first.schema(), self.second.schema()]}
