"""What a posted form asks of a YAML text, part by part: keep this node, write that value, drop the rest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import yaml

from policies.documents.fields import Cel, Field
from policies.documents.groups import ListOf, MapOf, OneOf, Tag
from policies.documents.nodes import Text as SourceText
from policies.documents.nodes import compose
from policies.documents.parse import path_of
from policies.documents.problems import InvalidDocuments
from policies.forms.shapes import (
    KEY,
    ON,
    RATE,
    YAML,
    Flat,
    is_plain,
    items_of,
    one,
    optional_group,
    origin_of,
    pairs_of,
    parts_of,
    right_type,
    row_numbers,
    shape_of,
)


class Keep(NamedTuple):
    """A node as it stands."""

    node: yaml.Node


class Written(NamedTuple):
    """A scalar: a number or a boolean where it is `plain`, else text. `folded` text stands in lines below `>-`."""

    value: str
    plain: bool = False
    folded: bool = False


class Fragment(NamedTuple):
    """A part that was written as YAML."""

    text: str
    node: yaml.Node


class Pair(NamedTuple):
    """An entry of a mapping, and which entry of the text it was; -1 for a new one."""

    key: str
    value: "Wanted"
    origin: int


class Pairs(NamedTuple):
    """A mapping."""

    pairs: tuple[Pair, ...]


class Items(NamedTuple):
    """A list: each item, and which item of the text it was."""

    items: tuple[tuple["Wanted", int], ...]


Wanted = Keep | Written | Fragment | Pairs | Items


class At(NamedTuple):
    """Where one is: the name in the post, the name in the text's own form, the path in the document that is made."""

    name: str
    base: str
    path: str

    def below(self, key: str) -> "At":
        """A field of a group."""
        return At(*(f"{head}.{key}" if head else key for head in self))


@dataclass(slots=True)
class Taking:
    """One post while it is read. `shown` is the text's own form; `names` says which control a path of the document has."""

    posted: Flat
    shown: Flat
    names: dict[str, str] = field(default_factory=dict)

    def want(self, part: Field, node: yaml.Node | None, at: At) -> Wanted | None:
        """What is asked for a part, None for nothing. What was not touched keeps its node."""
        self.names[at.path] = at.name
        shape = shape_of(part)
        if isinstance(part, Tag):
            return Keep(node) if node is not None else Written(part.word)
        if at.name + YAML in self.posted or shape == "yaml":
            return self._yaml(node, at)
        if shape in ("checks", "lines") and isinstance(part, ListOf):
            return self._list(part.item, node, at, checks=shape == "checks")
        return self._part(part, node, at)

    def _part(self, part: Field, node: yaml.Node | None, at: At) -> Wanted | None:
        if shape_of(part) == "scalar":
            return self._scalar(part, node, at)
        if isinstance(part, ListOf):
            return self._rows(part.item, node, at)
        if isinstance(part, MapOf):
            return _mapping(self._entries(part.item, node, at), node)
        return self._group(part, node, at)

    def _yaml(self, node: yaml.Node | None, at: At) -> Wanted | None:
        posted = one(self.posted, at.name + YAML)
        if node is not None and posted == one(self.shown, at.base + YAML):
            return Keep(node)
        if not posted.strip():
            return None
        try:
            found = compose(SourceText("", posted))
        except InvalidDocuments:
            found = []
        # what cannot be read is kept as text: it comes back into its control, with the error
        return Fragment(posted.rstrip(), found[0]) if len(found) == 1 else Written(posted)

    def _scalar(self, part: Field, node: yaml.Node | None, at: At) -> Wanted | None:
        posted = one(self.posted, at.name)
        same = node is not None and posted == one(self.shown, at.base)
        if node is not None and same and (not posted or right_type(part, node)):
            return Keep(node)
        folded = isinstance(node, yaml.ScalarNode) and node.style == ">"
        if isinstance(part, Cel) and folded and _foldable(posted):
            return Written(posted, folded=True)
        return Written(posted, is_plain(part, posted)) if posted else None

    def _list(self, item: Field, node: yaml.Node | None, at: At, *, checks: bool) -> Wanted | None:
        posted, shown = self.posted.get(at.name, []), self.shown.get(at.base, [])
        if checks:
            same = set(posted) == set(shown)
            known = [value for value in shown if value in posted]
            asked = known + [value for value in posted if value not in shown]
        else:
            same = one(self.posted, at.name) == one(self.shown, at.base)
            asked = [line.strip() for line in one(self.posted, at.name).split("\n") if line.strip()]
        if same:
            asked = [str(old.value) for old in items_of(node)]
        free = list(enumerate(items_of(node)))
        items: list[tuple[Wanted, int]] = []
        for value in asked:
            self.names[f"{at.path}[{len(items)}]"] = at.name
            match = next((pair for pair in free if pair[1].value == value), None)
            if match:
                free.remove(match)
            fitting = match and right_type(item, match[1])
            kept = Keep(match[1]) if match and fitting else Written(value, is_plain(item, value))
            items.append((kept, match[0] if match else -1))
        return _items(items, node)

    def _rows(self, item: Field, node: yaml.Node | None, at: At) -> Wanted | None:
        olds = items_of(node)
        items: list[tuple[Wanted, int]] = []
        for number in row_numbers(self.posted, at.name):
            name = f"{at.name}.{number}"
            origin = origin_of(self.posted, name, len(olds))
            here = At(name, f"{at.base}.{origin}", f"{at.path}[{len(items)}]")
            value = self.want(item, olds[origin] if origin >= 0 else None, here)
            if value is None or (origin < 0 and value == Pairs(())):
                continue
            items.append((value, origin))
        return _items(items, node)

    def _entries(self, item: Field, node: yaml.Node | None, at: At) -> list[Pair]:
        olds = pairs_of(node)
        pairs = []
        for number in row_numbers(self.posted, at.name):
            name = f"{at.name}.{number}"
            key = one(self.posted, name + KEY)
            origin = origin_of(self.posted, name, len(olds))
            old = olds[origin][1] if origin >= 0 else None
            if not key.strip() and origin < 0:
                continue
            here = At(name, f"{at.base}.{origin}", path_of(at.path, key))
            value = self.want(item, old, here)
            if value is None:
                value = Pairs(()) if shape_of(item) == "group" else Written("")
            pairs.append(Pair(key, value, origin))
        return pairs

    def _group(self, part: Field, node: yaml.Node | None, at: At) -> Wanted | None:
        if optional_group(part) and at.name + ON not in self.posted:
            return None
        word = one(self.posted, f"{at.name}.{part.tag}") if isinstance(part, OneOf) else ""
        if isinstance(part, OneOf) and not word:
            untouched = node is not None and not one(self.shown, f"{at.base}.{part.tag}")
            return Keep(node) if untouched and node is not None else None
        inside = parts_of(part, word)
        olds = pairs_of(node)
        first = {key: number for number, (key, _) in reversed(list(enumerate(olds)))}
        pairs = []
        for key, child in inside.items():
            origin = first.get(key, -1)
            value = self.want(child, olds[origin][1] if origin >= 0 else None, at.below(key))
            if value is not None:
                pairs.append(Pair(key, value, origin))
        if shape_of(part) == "rates":
            pairs += self._entries(RATE, node, at)
        unknown = _unknown(part, inside, olds, word)
        pairs += [p for p in unknown if shape_of(part) != "rates" or p.key in inside]
        asked = _mapping(pairs, node)
        return Pairs(()) if asked is None and (optional_group(part) or part.required) else asked


def _unknown(
    part: Field, inside: Mapping[str, Field], olds: list[tuple[str, yaml.Node]], word: str
) -> list[Pair]:
    """Entries that the form does not know, or that are written twice: they stay, and stay errors."""
    left: set[str] = set()
    if isinstance(part, OneOf) and word in part.groups:
        left = {key for fields in part.groups.values() for key in fields} - set(inside)
    seen: set[str] = set()
    pairs = []
    for origin, (key, node) in enumerate(olds):
        again = key in seen
        seen.add(key)
        if key not in left and (again or key not in inside):
            pairs.append(Pair(key, Keep(node), origin))
    return pairs


def _items(items: list[tuple[Wanted, int]], node: yaml.Node | None) -> Wanted | None:
    if not items:
        return Keep(node) if node is not None and not items_of(node) else None
    return Items(tuple(items))


def _mapping(pairs: list[Pair], node: yaml.Node | None) -> Wanted | None:
    if not pairs:
        return Keep(node) if node is not None and not pairs_of(node) else None
    return Pairs(tuple(pairs))


def _foldable(text: str) -> bool:
    lines = text.split("\n")
    return len(lines) > 1 and all(line and line == line.strip() for line in lines)
