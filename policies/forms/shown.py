"""A YAML text as its form shows it: what a browser would post if nobody touched anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

from policies.documents.fields import Cel, Field, Flag
from policies.documents.groups import ListOf, MapOf, OneOf
from policies.documents.nodes import BOOL, scalar
from policies.forms.shapes import (
    KEY,
    ON,
    RATE,
    ROW,
    YAML,
    fits,
    normal,
    one,
    optional_group,
    pairs_of,
    parts_of,
    shape_of,
)


@dataclass(slots=True)
class Showing:
    """One text while it is shown."""

    text: str
    flat: dict[str, list[str]] = field(default_factory=dict)

    def show(self, part: Field, node: yaml.Node, name: str) -> None:
        """Fill the values of a control and of what is below it."""
        if not fits(part, node):
            self.flat[name + YAML] = [normal(fragment(self.text, node))]
            return
        shape = shape_of(part)
        if isinstance(node, yaml.ScalarNode):
            self.flat[name] = [self._scalar(part, node)] if shape == "scalar" else []
        elif shape in ("checks", "lines"):
            values = [normal(item.value) for item in node.value]
            self.flat[name] = values if shape == "checks" else ["\n".join(values)]
        elif isinstance(part, ListOf):
            for number, item in enumerate(node.value):
                self._row(part.item, item, f"{name}.{number}", number)
        elif isinstance(part, MapOf):
            self._map(part.item, pairs_of(node), name)
        else:
            self._group(part, node, name)

    def _group(self, part: Field, node: yaml.Node, name: str) -> None:
        pairs = pairs_of(node)
        first = dict(reversed(pairs))
        if optional_group(part):
            self.flat[name + ON] = ["1"]
        if isinstance(part, OneOf):
            tag = first.get(part.tag)
            self.flat[f"{name}.{part.tag}"] = [
                tag.value if isinstance(tag, yaml.ScalarNode) else ""
            ]
        inside = parts_of(
            part, one(self.flat, f"{name}.{part.tag}") if isinstance(part, OneOf) else ""
        )
        for key, child in inside.items():
            if key in first:
                self.show(child, first[key], f"{name}.{key}")
        if shape_of(part) == "rates":
            self._map(RATE, pairs, name, but=inside)

    def _map(
        self,
        item: Field,
        pairs: list[tuple[str, yaml.Node]],
        name: str,
        but: Mapping[str, Field] | None = None,
    ) -> None:
        for number, (key, value) in enumerate(pairs):
            if but is None or key not in but:
                self.flat[f"{name}.{number}{KEY}"] = [normal(key)]
                self._row(item, value, f"{name}.{number}", number)

    def _row(self, item: Field, node: yaml.Node, name: str, number: int) -> None:
        self.flat[name + ROW] = [str(number)]
        self.show(item, node, name)

    def _scalar(self, part: Field, node: yaml.ScalarNode) -> str:
        if isinstance(part, Flag) and node.value in BOOL:
            return str(BOOL[node.value]).lower()
        if isinstance(part, Cel) and node.style == ">":
            lines = fold_lines(self.text, node)
            if " ".join(lines) == node.value.rstrip("\n"):
                return "\n".join(lines)
        return normal(node.value) if node.style or scalar(node) is not None else ""


def fold_lines(text: str, node: yaml.ScalarNode) -> list[str]:
    """The lines of a folded scalar as its author laid them out."""
    raw = text[node.start_mark.index : node.end_mark.index].rstrip().split("\n")
    return [line.strip() for line in raw[1:]]


def fragment(text: str, node: yaml.Node) -> str:
    """The YAML of one part, moved to the left edge. A broken one was kept as text: that text."""
    if isinstance(node, yaml.ScalarNode):
        return str(node.value) if node.style else text[node.start_mark.index : node.end_mark.index]
    first, *more = text[node.start_mark.index : content_end(text, node)].split("\n")
    edge = node.start_mark.column
    if isinstance(node, yaml.CollectionNode) and node.flow_style:
        edge = min([edge, *(len(line) - len(line.lstrip(" ")) for line in more if line.strip())])
    return "\n".join([first, *(_without(line, edge) for line in more)])


def _without(line: str, edge: int) -> str:
    blank = len(line) - len(line.lstrip(" "))
    return line[min(edge, blank) :]


def content_end(text: str, node: yaml.Node) -> int:
    """One more than where the last character of a node stands, without the blank lines and comments that follow it."""
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, yaml.ScalarNode):
        return start + len(text[start:end].rstrip()) if node.style in ("|", ">") else end
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
        return end
    if isinstance(node, yaml.MappingNode):
        return pair_end(text, *node.value[-1])
    return max(content_end(text, node.value[-1]), start + 1)


def pair_end(text: str, key: yaml.Node, value: yaml.Node) -> int:
    """The same for a pair of a mapping, whose value may be nothing."""
    colon = text.find(":", key.end_mark.index) + 1
    return max(content_end(text, value), colon)
