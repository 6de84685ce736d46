"""Puts what a form asks into the author's own text: comments, order and layout of everything else stay.

Only the places that changed are written, by position. The result is read back; if it does not say what was asked, or
there was no text, the whole document is written anew.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import yaml

from policies.documents.document import Dumper
from policies.documents.nodes import Text, compose, plain_value, scalar
from policies.documents.problems import InvalidDocuments
from policies.forms.shown import content_end, pair_end
from policies.forms.wanted import Fragment, Items, Keep, Pair, Pairs, Wanted, Written

_WIDE: Final = 10**9
_WIDTH: Final = 100
_TAGS: Final[Mapping[type, str]] = {
    bool: "bool",
    int: "int",
    float: "float",
    type(None): "null",
}


class Edit(NamedTuple):
    """Replace what stands between two places."""

    start: int
    end: int
    text: str


class Plain(str):
    """A number or a boolean, written as it stands."""

    __slots__ = ()


class _Dumper(Dumper):
    pass


def _plain(dumper: yaml.SafeDumper, value: Plain) -> yaml.ScalarNode:
    tag = _TAGS.get(type(plain_value(value)), "str")
    return dumper.represent_scalar(f"tag:yaml.org,2002:{tag}", str(value))


_Dumper.add_representer(Plain, _plain)


def edited(text: str, node: yaml.Node | None, asked: Wanted) -> str:
    """The text with what was asked in it."""
    if node is None:
        return _dump(_data(asked), _WIDTH)
    editor = _Editor(text)
    editor.change(node, asked, flow=False)
    made = apply(text, editor.edits)
    return made if said(made) == _meant(asked) else _dump(_data(asked), _WIDTH)


def apply(text: str, edits: list[Edit], start: int = 0, end: int | None = None) -> str:
    """A part of the text with the edits that lie in it."""
    last = len(text) if end is None else end
    parts, at = [], start
    for edit in sorted(edits):
        if start <= edit.start and edit.end <= last:
            parts += [text[at : edit.start], edit.text]
            at = max(at, edit.end)
    return "".join([*parts, text[at:last]])


def said(text: str) -> object:
    """What a text says, as a value to compare; None when it cannot be read."""
    try:
        found = compose(Text("", text))
    except InvalidDocuments:
        return None
    return _meaning(found[0]) if len(found) == 1 else None


class _Editor:
    """Collects the edits of one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.edits: list[Edit] = []

    def change(self, node: yaml.Node, asked: Wanted, *, flow: bool, indent: int = -2) -> None:
        """What must change at a node. `indent` is that of the mapping it is a value in, -1 for an item of a list."""
        if isinstance(asked, Keep):
            return
        same = not isinstance(asked, Fragment)
        if same and isinstance(asked, Pairs) and isinstance(node, yaml.MappingNode):
            same = any(pair.origin >= 0 for pair in asked.pairs)
            if same:
                self._mapping(node, asked.pairs, flow=flow or bool(node.flow_style))
        elif same and isinstance(asked, Items) and isinstance(node, yaml.SequenceNode):
            same = any(origin >= 0 for _, origin in asked.items)
            if same:
                self._list(node, asked.items, flow=flow or bool(node.flow_style))
        else:
            same = False
        if not same:
            self._replace(node, asked, flow=flow, indent=indent)

    def _replace(self, node: yaml.Node, asked: Wanted, *, flow: bool, indent: int) -> None:
        start, end = node.start_mark.index, content_end(self.text, node)
        block = isinstance(node, yaml.CollectionNode) and not node.flow_style and bool(node.value)
        if flow or (isinstance(node, yaml.CollectionNode) and node.flow_style and not _long(asked)):
            new = _inline(asked, node)
        elif block or (indent < 0 and not isinstance(asked, Written)):
            new = _indented(_block(asked), node.start_mark.column, first=False)
        elif isinstance(asked, Written) and not (asked.folded or "\n" in asked.value):
            new = _inline(asked, node)
        else:
            return self._replace_lines(start, end, asked, max(indent, 0) + 2)
        blank = "" if start < end or self.text[start - 1 : start].isspace() else " "
        self.edits.append(Edit(start, end, blank + new))
        return None

    def _replace_lines(self, start: int, end: int, asked: Wanted, indent: int) -> None:
        stop = self._line_end(end)
        header = self.text[start : self._line_end(start)] if self.text[start] in "|>" else ""
        comment = self.text[end:stop].strip() or header[header.find("#") :] * ("#" in header)
        head, lines = _lines(asked)
        words = " ".join(part for part in (head, comment) if part)
        gap = self.text[:start].rstrip(" ")
        new = f"{' ' if words else ''}{words}\n{_indented(lines, indent)}"
        self.edits.append(Edit(len(gap), stop, new))

    def _mapping(self, node: yaml.MappingNode, pairs: tuple[Pair, ...], *, flow: bool) -> None:
        olds = list(node.value)
        indent = node.start_mark.column
        for pair in pairs:
            if pair.origin >= 0:
                key, value = olds[pair.origin]
                if key.value != pair.key:
                    place = key.start_mark.index, key.end_mark.index
                    self.edits.append(Edit(*place, _inline(Written(pair.key), key)))
                self.change(value, pair.value, flow=flow, indent=indent)
        kept = sorted(pair.origin for pair in pairs if pair.origin >= 0)
        spans = [(key.start_mark.index, pair_end(self.text, key, value)) for key, value in olds]
        self._drop(spans, kept, flow=flow)
        for anchor, added in _grouped(pairs):
            self._add(spans, (anchor, kept[0]), added, flow=flow, indent=indent)

    def _drop(self, spans: list[tuple[int, int]], kept: list[int], *, flow: bool) -> None:
        first = kept[0]
        if first > 0:
            # the first entry may stand behind the dash of an item
            self.edits.append(Edit(spans[0][0], spans[first][0], ""))
        for number in range(first + 1, len(spans)):
            if number not in kept:
                start, end = spans[number - 1][1], spans[number][1]
                if not flow:
                    start = self._line_start(spans[number][0]) - 1
                    end = self._line_end(end)
                self.edits.append(Edit(start, end, ""))

    def _add(
        self,
        spans: list[tuple[int, int]],
        place: tuple[int, int],
        added: list[Pair],
        *,
        flow: bool,
        indent: int,
    ) -> None:
        anchor, first = place
        if flow:
            texts = [f"{_inline(Written(p.key))}: {_inline(p.value)}" for p in added]
            at = spans[anchor][1] if anchor >= 0 else spans[first][0]
            joined = ", ".join(texts)
            self.edits.append(Edit(at, at, f", {joined}" if anchor >= 0 else f"{joined}, "))
            return
        lines = "\n".join(_entry(pair) for pair in added)
        if anchor >= 0:
            at = self._line_end(spans[anchor][1])
            self.edits.append(Edit(at, at, "\n" + _indented(lines, indent)))
        else:
            at = spans[first][0]
            self.edits.append(
                Edit(at, at, _indented(lines, indent, first=False) + "\n" + " " * indent)
            )

    def _list(
        self, node: yaml.SequenceNode, items: tuple[tuple[Wanted, int], ...], *, flow: bool
    ) -> None:
        olds = list(node.value)
        inner = _Editor(self.text)
        for asked, origin in items:
            if origin >= 0:
                inner.change(olds[origin], asked, flow=flow, indent=-1)
        if [origin for _, origin in items] == list(range(len(olds))):
            self.edits += inner.edits
            return
        if flow:
            spans = [(old.start_mark.index, content_end(self.text, old)) for old in olds]
            parts = [
                apply(self.text, inner.edits, *spans[origin]) if origin >= 0 else _inline(asked)
                for asked, origin in items
            ]
            gap = self.text[spans[0][1] : spans[1][0]] if len(spans) > 1 else ", "
            self.edits.append(Edit(spans[0][0], spans[-1][1], gap.join(parts)))
            return
        self._chunks(olds, items, inner.edits)

    def _chunks(
        self, olds: list[yaml.Node], items: tuple[tuple[Wanted, int], ...], edits: list[Edit]
    ) -> None:
        """Items of a block list as pieces of text: each with the comments above it, moved whole."""
        ends = [self._line_end(content_end(self.text, old)) for old in olds]
        dash = self.text.rfind("-", 0, olds[0].start_mark.index)
        column = dash - self._line_start(dash)
        starts = [dash, *(end + 1 for end in ends[:-1])]
        pieces = []
        for asked, origin in items:
            if origin >= 0:
                piece = apply(self.text, edits, starts[origin], ends[origin]).strip("\n")
            else:
                piece = _indented("- " + _indented(_block(asked), 2, first=False), column)
            pieces.append(" " * column + piece.lstrip(" "))
        self.edits.append(Edit(dash, ends[-1], "\n".join(pieces).lstrip(" ")))

    def _line_start(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def _line_end(self, at: int) -> int:
        found = self.text.find("\n", at)
        return found if found >= 0 else len(self.text)


def _grouped(pairs: tuple[Pair, ...]) -> Iterator[tuple[int, list[Pair]]]:
    """New entries by the old one they come after; -1 for those before all."""
    anchor, added = -1, []
    for pair in pairs:
        if pair.origin < 0:
            added.append(pair)
            continue
        if added:
            yield anchor, added
        anchor, added = pair.origin, []
    if added:
        yield anchor, added


def _entry(pair: Pair) -> str:
    key = _inline(Written(pair.key))
    head, lines = _lines(pair.value)
    if lines:
        return f"{key}:{' ' if head else ''}{head}\n{_indented(lines, 2)}"
    return f"{key}: {head}"


def _lines(asked: Wanted) -> tuple[str, str]:
    """What stands on the line of the key, and what stands below it."""
    if isinstance(asked, Written):
        value = asked.value
        if asked.folded:
            return ">-", value
        body = value.removesuffix("\n")
        plain = (
            body and not body[0].isspace() and not body.endswith(("\n", " ")) and _printable(body)
        )
        if "\n" in value and plain:
            return ("|" if value.endswith("\n") else "|-"), body
        return _inline(asked), ""
    block = _block(asked)
    return (
        ("", block)
        if "\n" in block or (isinstance(asked, Pairs | Items) and _size(asked))
        else (block, "")
    )


def _printable(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


def _size(asked: Wanted) -> int:
    return len(asked[0]) if isinstance(asked, Pairs | Items) else 1


def _block(asked: Wanted) -> str:
    """A part in block style, at the left edge."""
    if isinstance(asked, Fragment):
        return asked.text
    if isinstance(asked, Pairs) and asked.pairs:
        return "\n".join(_entry(pair) for pair in asked.pairs)
    return _dump(_data(asked), _WIDE).rstrip("\n").removesuffix("\n...")


def _inline(asked: Wanted, old: yaml.Node | None = None) -> str:
    """A part on one line; quotes as they were, where that is possible."""
    if isinstance(asked, Written) and not asked.plain and isinstance(old, yaml.ScalarNode):
        quotable = _printable(asked.value) and "\n" not in asked.value
        if old.style == "'" and quotable:
            return "'" + asked.value.replace("'", "''") + "'"
        if old.style == '"' and quotable and "\\" not in asked.value and '"' not in asked.value:
            return f'"{asked.value}"'
    return _dump([_data(asked)], _WIDE, flow=True)[1:].rstrip("\n").removesuffix("]")


def _long(asked: Wanted) -> bool:
    return isinstance(asked, Fragment) or len(_inline(asked)) > _WIDTH


def _indented(text: str, by: int, *, first: bool = True) -> str:
    lines = text.split("\n")
    moved = [" " * by + line if line else line for line in lines]
    return "\n".join(moved if first else [lines[0], *moved[1:]])


def _dump(value: object, width: int, *, flow: bool = False) -> str:
    made: str = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=width,
        default_flow_style=flow,
    )
    return made


def _data(asked: Wanted) -> Any:  # noqa: ANN401  # whatever YAML can hold
    if isinstance(asked, Keep):
        return _node_data(asked.node)
    if isinstance(asked, Written):
        return Plain(asked.value) if asked.plain else _unfolded(asked)
    if isinstance(asked, Fragment):
        return _node_data(asked.node)
    if isinstance(asked, Pairs):
        return {pair.key: _data(pair.value) for pair in asked.pairs}
    return [_data(item) for item, _ in asked.items]


def _node_data(node: yaml.Node) -> Any:  # noqa: ANN401  # as above
    if isinstance(node, yaml.ScalarNode):
        return node.value if node.style else Plain(node.value) if node.value else None
    if isinstance(node, yaml.SequenceNode):
        return [_node_data(item) for item in node.value]
    return {_node_data(key): _node_data(value) for key, value in node.value}


def _unfolded(asked: Written) -> str:
    return asked.value.replace("\n", " ") if asked.folded else asked.value


def _meant(asked: Wanted) -> object:
    if isinstance(asked, Keep | Fragment):
        return _meaning(asked.node)
    if isinstance(asked, Written):
        return _typed(plain_value(asked.value) if asked.plain else _unfolded(asked))
    if isinstance(asked, Pairs):
        return "mapping", sorted(
            ((_typed(pair.key), _meant(pair.value)) for pair in asked.pairs), key=repr
        )
    return "list", [_meant(item) for item, _ in asked.items]


def _meaning(node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode):
        return _typed(scalar(node))
    if isinstance(node, yaml.SequenceNode):
        return "list", [_meaning(item) for item in node.value]
    return "mapping", sorted(((_meaning(k), _meaning(v)) for k, v in node.value), key=repr)


def _typed(value: object) -> object:
    return type(value).__name__, value
