"""What a condition costs at most, known before it ever runs: a bound on its steps, in units.

One unit is one step of our evaluator, some 50 to 100 ns: a variable or a field read, an operator applied, an
item of a list gone through, 64 characters of a text compared or searched, 8 characters held against a regular expression.
Lists and texts of facts count as large as they may be; what an answer says counts as `ANSWER_VALUES` values and `CHARACTERS`
characters. A longer text takes longer in proportion, as every other work on it does.

Finding the line that decided evaluates the parts of `&&` and `||` again, level by level: that is counted too.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from policies.documents.limits import ANSWER_VALUES, ITEMS, WORDS
from policies.engine.wire import CelType, Checked, Node

CHARACTERS: Final = 131_072
"""Of an answer: about what 32,000 tokens write."""
TEXT: Final = 512
"""A text of facts; a label is the longest."""
_COMPARED: Final = 64
_MATCHED: Final = 8
_TREE: Final = 4
"""Going through a value whose types only its bytes know."""
_CALL: Final = 4
"""A function of ours that is no operator, a part of a timestamp for example."""
_LOGIC: Final = ("_&&_", "_||_")


class Size(NamedTuple):
    """How large a value may be: so many values in it, so many characters, and what each item of a list is."""

    values: int = 1
    characters: int = 0
    item: "Size | None" = None
    said: bool = False
    """Part of an answer: a tree of that many values in all."""

    @property
    def weight(self) -> int:
        """The steps of going through all of it."""
        if self.item is not None:
            return self.values * (1 + self.item.weight)
        return self.values * (_TREE if self.said else 1) + self.characters // _COMPARED


ONE: Final = Size()
SAID: Final = Size(ANSWER_VALUES.most, CHARACTERS, said=True)
EACH: Final = Size(1, CHARACTERS // ANSWER_VALUES.most, said=True)
"""An item of what an answer says: not the largest, but what all of them come to in the middle, since their sum is bounded."""
_WORD: Final = Size(characters=TEXT)
_ROW: Final = Size(characters=2_000)
"""A text of a table, and what is looked up in one."""
_NAME: Final = Size(characters=64)
_TABLE: Final = Size(16, item=_NAME)
"""One of the tables of a document in the middle: all of them together are as large as a document."""
_WIDEST: Final = Size(ITEMS.most, item=_NAME)
_SAID: Final[Mapping[str, Size]] = {
    "output.text": Size(characters=CHARACTERS),
    "input.text": Size(characters=CHARACTERS),
    "found": Size(WORDS.most, item=_ROW),
    "lookups": Size(ITEMS.most, item=_TABLE),
}
Scope = Mapping[str, Size]


def cost_of(checked: Checked) -> int:
    """What evaluating a condition and finding its line costs at most, in units."""
    estimate = _Estimate(checked)
    return estimate.of(checked.root, {})[0] + estimate.lines(checked.root)


class _Estimate:
    """The bound of one checked expression, part by part."""

    def __init__(self, checked: Checked) -> None:
        self.checked = checked

    def of(self, node: Node, scope: Scope) -> tuple[int, Size]:
        """The cost of a part, and how large its value may be."""
        if node.kind == "const":
            return 0, _constant(node.value)
        if node.kind == "ident":
            return 1, scope.get(node.name) or _SAID.get(node.name) or _typed(
                self.checked.type_of(node)
            )
        if node.kind == "fold":
            return self._fold(node, scope)
        parts = [self.of(part, scope) for part in node.parts]
        paid, sizes = sum(cost for cost, _ in parts), [size for _, size in parts]
        if node.kind in ("select", "test"):
            return paid + 1, _inside(sizes[0]) if node.kind == "select" else ONE
        if node.kind in ("list", "map"):
            largest = max(sizes, key=lambda size: size.weight, default=ONE)
            return paid + len(sizes), Size(len(sizes), item=largest)
        own, size = _call(node.name, sizes)
        return paid + own, size

    def _fold(self, node: Node, scope: Scope) -> tuple[int, Size]:
        """A comprehension: its step, as often as its source has items."""
        paid, source = self.of(node.parts[0], scope)
        # one item in the middle stands for its sum only once: within the next comprehension it may be the largest
        inner = {name: _largest(size) for name, size in scope.items()}
        inner |= {node.names[0]: EACH if source.said else source.item or ONE, node.names[1]: ONE}
        step, size = self.of(node.parts[3], inner)
        made = Size(source.values, item=size.item) if size.item is not None else ONE
        return paid + 1 + source.values * (1 + step), made

    def lines(self, node: Node) -> int:
        """What finding the atoms that decided costs beyond one evaluation."""
        if node.kind != "call" or node.name not in (*_LOGIC, "!_", "_?_:_"):
            return 0
        again = sum(self.of(part, {})[0] for part in node.parts) if node.name != "!_" else 0
        return again + sum(map(self.lines, node.parts))


def _constant(value: object) -> Size:
    return Size(characters=len(value)) if isinstance(value, str | bytes) else ONE


def _typed(kind: CelType) -> Size:
    if kind == ("list", ("string",)):
        return Size(WORDS.most, item=_NAME)
    if kind[0] in ("list", "map"):
        return Size(WORDS.most, item=_typed(kind[-1]))
    return {"string": _WORD, "bytes": _WORD, "dyn": SAID}.get(kind[0], ONE)


def _largest(size: Size) -> Size:
    """What stands for its sum, as large as it may be by itself."""
    return {EACH: SAID, _TABLE: _WIDEST}.get(size, size)


def _inside(size: Size) -> Size:
    """One part of a value that is picked, not gone through: it may be the largest."""
    if size.item is not None:
        return _largest(size.item)
    return size if size.said else ONE


def _call(name: str, sizes: list[Size]) -> tuple[int, Size]:
    """What an operator or a function costs beyond its operands, and how large its result may be."""
    first, last = sizes[0], sizes[-1]
    if name in _OWN:
        return 1 + _OWN[name](first, last), ONE
    if name in _MADE:
        return _MADE[name](first, last)
    if name == "_?_:_":
        return 1, max(sizes[1:], key=lambda size: size.weight)
    return (1 if name[0] in "_!-" else _CALL + first.characters // _COMPARED), ONE


def _compared(first: Size, last: Size) -> int:
    return min(first.weight, last.weight)


def _searched(first: Size, _last: Size) -> int:
    return first.characters // _COMPARED


def _within(first: Size, last: Size) -> int:
    each = last.item or (EACH if last.said else ONE)
    return last.values * (1 + min(first.weight, each.weight))


_OWN: Final[Mapping[str, Callable[[Size, Size], int]]] = {
    **dict.fromkeys(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"), _compared),
    **dict.fromkeys(("contains", "startsWith", "endsWith"), _searched),
    "@in": _within,
    "matches": lambda first, _: first.characters // _MATCHED,
}
"""What gives a value of one step."""


def _written(first: Size, _last: Size) -> tuple[int, Size]:
    return 1 + first.weight, Size(characters=max(first.characters, _COMPARED))


_MADE: Final[Mapping[str, Callable[[Size, Size], tuple[int, Size]]]] = {
    "_+_": lambda first, last: (1 + first.weight + last.weight, _joined(first, last)),
    "_[_]": lambda first, _: (1, _inside(first)),
    "dyn": lambda first, _: (1, first),
    "string": _written,
    "bytes": _written,
}
"""What gives a value that may be large: what it costs, and how large."""


def _joined(first: Size, last: Size) -> Size:
    items = [size.item for size in (first, last) if size.item is not None]
    if items:
        return Size(first.values + last.values, item=max(items, key=lambda size: size.weight))
    if first.said or last.said:
        return Size(first.values + last.values, first.characters + last.characters, said=True)
    return (
        Size(characters=first.characters + last.characters)
        if first.characters + last.characters
        else ONE
    )
