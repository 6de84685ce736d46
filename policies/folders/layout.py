"""PURE: one layout for every document's YAML. What it says, its quotes and every comment stay.

Fields stand in the order of their kind, two spaces deep; a flow collection stays on its line where it fits. The result is read
back: a text whose meaning or comments would not be the same stays as it was.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import yaml

from policies.documents.groups import Group
from policies.documents.kinds import KINDS, shape
from policies.documents.nodes import Text, compose, scalar
from policies.documents.problems import InvalidDocuments

_WIDTH: Final = 100


class _Kept(Exception):
    """Something that has no other layout."""


@dataclass(slots=True)
class _Unit:
    """An entry of a mapping or an item of a list: where it starts, and the comments above it and behind it."""

    key: yaml.ScalarNode | None
    value: yaml.Node
    start: int
    lead: list[str] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)
    gap: bool = False
    inside: "list[_Unit]" = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Comment:
    start: int
    line: int
    text: str
    own_line: bool


def laid_out(content: str, file: str = "<text>") -> str:
    """The text in the one layout. Raises InvalidDocuments for what is no YAML."""
    text = Text(file, content.removeprefix("\ufeff").replace("\r\n", "\n"))
    nodes = compose(text)
    if not nodes:
        return content
    try:
        made = _Layout(text.content, nodes).whole()
    except _Kept:
        return content
    return made if _same(text, nodes, made) else content


def _same(text: Text, nodes: Sequence[yaml.Node], made: str) -> bool:
    try:
        again = compose(Text(text.file, made))
    except InvalidDocuments:
        return False
    said = [_meaning(node) for node in nodes] == [_meaning(node) for node in again]
    return said and sorted(c.text for c in _comments(text.content)) == sorted(
        c.text for c in _comments(made)
    )


def _meaning(node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode):
        found = scalar(node)
        return type(found).__name__, found
    if isinstance(node, yaml.SequenceNode):
        return [_meaning(item) for item in node.value]
    return sorted(((_meaning(key), _meaning(value)) for key, value in node.value), key=repr)


def _comments(text: str) -> list[_Comment]:
    """Every comment that is not part of a block scalar's header."""
    found: list[_Comment] = []
    end = 0
    for token in yaml.scan(text, Loader=yaml.CSafeLoader):
        start = token.start_mark.index
        if start > end:
            found += _in_gap(text, end, start)
        end = max(end, token.end_mark.index)
    return [*found, *_in_gap(text, end, len(text))]


def _in_gap(text: str, start: int, end: int) -> Iterator[_Comment]:
    at = start
    while (at := text.find("#", at, end)) >= 0:
        stop = text.find("\n", at)
        stop = stop if stop >= 0 else len(text)
        before = text[text.rfind("\n", 0, at) + 1 : at]
        yield _Comment(at, text.count("\n", 0, at), text[at:stop].rstrip(), not before.strip())
        at = stop


class _Layout:
    """One text while it is laid out."""

    def __init__(self, text: str, nodes: Sequence[yaml.Node]) -> None:
        self.text, self.nodes = text, nodes
        self.comments = _comments(text)
        self.marks = [
            t.start_mark.index
            for t in yaml.scan(text, Loader=yaml.CSafeLoader)
            if isinstance(t, yaml.DocumentStartToken)
        ]

    def whole(self) -> str:
        """Every document."""
        parts = []
        for number, node in enumerate(self.nodes):
            if not isinstance(node, yaml.MappingNode):
                raise _Kept
            last = number + 1 == len(self.nodes)
            stop = len(self.text) if last else self._mark(node, self.nodes[number + 1])
            parts.append(self._document(node, stop))
        return "---\n".join(parts)

    def _mark(self, node: yaml.Node, following: yaml.Node) -> int:
        first, last = node.start_mark.index, following.start_mark.index
        return next((m for m in self.marks if first < m < last), last)

    def _document(self, node: yaml.MappingNode, stop: int) -> str:
        units = self._units(node)
        flat = list(_flat(units))
        mine = [c for c in self.comments if c.start < stop]
        self.comments = self.comments[len(mine) :]
        rest = self._attach(flat, mine)
        kind = next((str(u.value.value) for u in units if u.key and u.key.value == "kind"), "")
        # what stands above a document is about all of it
        head, flat[0].lead = flat[0].lead, []
        lines = self._mapping(_ordered(units, kind), 0)
        return "\n".join([*head, *lines, *rest]) + "\n"

    def _units(self, node: yaml.CollectionNode) -> list[_Unit]:
        found = []
        for part in node.value:
            key, value = part if isinstance(part, tuple) else (None, part)
            if key is not None and not isinstance(key, yaml.ScalarNode):
                raise _Kept
            unit = _Unit(key, value, (key or value).start_mark.index)
            if isinstance(value, yaml.CollectionNode):
                unit.inside = self._units(value)
            found.append(unit)
        return found

    def _attach(self, flat: Sequence[_Unit], comments: Sequence[_Comment]) -> list[str]:
        """Give each comment to the entry above which, or behind which, it stands; what follows all is handed back."""
        rest: list[str] = []
        for comment in comments:
            if comment.own_line:
                unit = next((u for u in flat if u.start > comment.start), None)
                (unit.lead if unit else rest).append(comment.text)
            else:
                before = [u for u in flat if u.start < comment.start]
                if not before:
                    raise _Kept
                before[-1].tail.append(comment.text)
        for unit in flat[1:]:
            unit.gap = self._blank_above(unit.start, len(unit.lead))
        return rest

    def _blank_above(self, start: int, comments: int) -> bool:
        lines = self.text[: self.text.rfind("\n", 0, start) + 1].split("\n")[:-1]
        above = lines[: len(lines) - comments]
        return bool(above) and not above[-1].strip()

    def _mapping(self, units: Sequence[_Unit], indent: int) -> list[str]:
        lines: list[str] = []
        for number, unit in enumerate(units):
            if unit.gap and number:
                lines.append("")
            lines += [" " * indent + comment for comment in unit.lead]
            assert unit.key is not None  # noqa: S101 - every unit of a mapping has a key
            key = self._raw(unit.key)
            lines += self._entry(unit, f"{' ' * indent}{key}:", indent)
        return lines

    def _list(self, units: Sequence[_Unit], indent: int) -> list[str]:
        lines: list[str] = []
        for number, unit in enumerate(units):
            if unit.gap and number:
                lines.append("")
            lines += [" " * indent + comment for comment in unit.lead]
            block = isinstance(unit.value, yaml.CollectionNode) and not self._inline(
                unit, indent + 2
            )
            if not block or not unit.inside:
                lines += self._entry(unit, f"{' ' * indent}-", indent)
                continue
            first = unit.inside[0]
            # a comment between the dash and what follows it goes above the item
            lines += [" " * indent + comment for comment in [*unit.tail, *first.lead]]
            first.lead, first.gap = [], False
            inner = self._block(unit, indent + 2)
            lines += [f"{' ' * indent}- {inner[0][indent + 2 :]}", *inner[1:]]
        return lines

    def _block(self, unit: _Unit, indent: int) -> list[str]:
        if isinstance(unit.value, yaml.MappingNode):
            return self._mapping(unit.inside, indent)
        return self._list(unit.inside, indent)

    def _entry(self, unit: _Unit, head: str, indent: int) -> list[str]:
        if isinstance(unit.value, yaml.ScalarNode):
            first, *more = self._scalar(unit.value, indent)
            lines = [f"{head} {first}".rstrip(), *more]
            behind = 0 if unit.value.style in ("|", ">") else -1
            return _commented(lines, unit.tail, behind)
        inline = self._inline(unit, len(head) + 1)
        if inline:
            tails = [*unit.tail, *(c for u in _flat(unit.inside) for c in u.tail)]
            return _commented([f"{head} {inline}"], tails)
        return [*_commented([head], unit.tail), *self._block(unit, indent + 2)]

    def _inline(self, unit: _Unit, column: int) -> str:
        """A flow collection on one line; nothing where it must be a block."""
        node = unit.value
        if not isinstance(node, yaml.CollectionNode) or not node.flow_style:
            return ""
        inside = list(_flat(unit.inside))
        lines = {self.text.count("\n", 0, u.start) for u in inside}
        commented = any(u.lead for u in inside) or (len(lines) > 1 and any(u.tail for u in inside))
        if commented or any("\n" in self._raw(u.value) for u in inside if not u.inside):
            return ""
        written = self._flow(unit)
        return written if column + len(written) <= _WIDTH or not node.value else ""

    def _flow(self, unit: _Unit) -> str:
        if isinstance(unit.value, yaml.ScalarNode):
            return self._raw(unit.value)
        parts = [
            f"{self._raw(u.key)}: {self._flow(u)}" if u.key is not None else self._flow(u)
            for u in unit.inside
        ]
        opened, closed = "{}" if isinstance(unit.value, yaml.MappingNode) else "[]"
        return f"{opened}{', '.join(parts)}{closed}"

    def _scalar(self, node: yaml.ScalarNode, indent: int) -> list[str]:
        raw = self._raw(node)
        first, *more = raw.split("\n")
        lead = " " * (indent + 2)
        if node.style not in ("|", ">"):
            return [first.rstrip(), *(lead + line.strip() if line.strip() else "" for line in more)]
        if any(mark in first.split("#")[0] for mark in "+123456789"):
            raise _Kept
        body = "\n".join(more).rstrip().split("\n")
        depth = min((len(x) - len(x.lstrip(" ")) for x in body if x.strip()), default=0)
        return [first.rstrip(), *((lead + line[depth:]).rstrip() for line in body)]

    def _raw(self, node: yaml.Node) -> str:
        return self.text[node.start_mark.index : node.end_mark.index].rstrip()


def _commented(lines: list[str], tails: Sequence[str], at: int = -1) -> list[str]:
    if tails:
        lines[at] = f"{lines[at]}  {' '.join(tails)}"
    return lines


def _flat(units: Sequence[_Unit]) -> Iterator[_Unit]:
    """In the order of the text, outer ones first."""
    for unit in units:
        yield unit
        yield from _flat(unit.inside)


def _ordered(units: list[_Unit], kind: str) -> list[_Unit]:
    """The entries of a document in the order of its kind's fields, two levels deep; what it does not know comes last."""
    if kind not in KINDS:
        return units
    fields = shape(KINDS[kind]).fields
    for unit in units:
        inner = fields.get(unit.key.value) if unit.key else None
        if isinstance(inner, Group) and isinstance(unit.value, yaml.MappingNode):
            unit.inside = _sorted(unit.inside, inner.fields)
    return _sorted(units, fields)


def _sorted(units: list[_Unit], fields: Mapping[str, object]) -> list[_Unit]:
    order = {name: number for number, name in enumerate(fields)}
    return sorted(units, key=lambda u: order.get(u.key.value if u.key else "", len(order)))
