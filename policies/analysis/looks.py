"""What a condition looks at: the variables it reads, and the constants that each is held against.

A variable is *bound* where the bundle itself says which values it has (`tenant.region`, `model.tier`): all of them are tried.
Any other is *free*; if each atom holds one free variable against constants, then values on both sides of every constant are
all there is to try, and `exact` says so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from policies.engine.schema import EVERYWHERE, MODEL
from policies.engine.values import CelError, Moment, moment
from policies.engine.wire import Checked, Node, walk

FREE: Final = frozenset({
    "request.dataClasses", "request.tools", "request.inputTokensMax", "request.outputTokensMax", "request.stream",
    "request.language", "request.labels", "key.id", "key.labels", "user.known", "run.calls", "run.cost", "run.seconds",
    "budget.shareUsed", "now",
})  # fmt: skip
_NAMES: Final = frozenset(d.name for d in (*EVERYWHERE, *MODEL))
_LISTS: Final = frozenset({"request.dataClasses", "request.tools"})
_MAPS: Final = frozenset({"request.labels", "key.labels"})
_FLAGS: Final = frozenset({"request.stream", "user.known"})
_TEXTS: Final = frozenset({"request.language", "key.id"})
_LOGIC: Final = frozenset({"_&&_", "_||_", "!_", "_?_:_"})
_EQUAL: Final = frozenset({"_==_", "_!=_"})
_ORDERED: Final = frozenset({"_<_", "_<=_", "_>_", "_>=_"})


@dataclass(slots=True)
class Looks:
    """Names of variables with their constants; those of a map are (key, value) or (key, None)."""

    constants: dict[str, set[Any]] = field(default_factory=dict)
    exact: bool = True

    def note(self, name: str, *values: Any) -> None:  # noqa: ANN401  # any value of CEL
        """The variable is read, and held against these."""
        self.constants.setdefault(name, set()).update(values)

    def add(self, other: "Looks") -> None:
        """All that the other looks at, too."""
        for name, values in other.constants.items():
            self.note(name, *values)

    @property
    def names(self) -> frozenset[str]:
        """The variables."""
        return frozenset(self.constants)


def looks_of(checked: Checked) -> Looks:
    """What one condition looks at."""
    found = Looks()
    for node in walk(checked.root):
        if node.kind == "ident" and _plain(node) in _NAMES:
            found.note(_plain(node))
    _look(found, checked.root)
    return found


def _look(to: Looks, node: Node) -> None:
    free = {_plain(n) for n in walk(node) if n.kind == "ident"} & FREE
    if not free:
        return
    if node.kind == "call" and node.name in _LOGIC:
        for part in node.parts:
            _look(to, part)
        return
    if len(free) > 1 or not _atom(to, node):
        to.exact = False
        for name in free:
            to.note(name, *_guessed(node, name))


def _atom(to: Looks, node: Node) -> bool:
    """Note one atom over one free variable; False where constants alone do not tell its two sides."""
    if node.kind == "ident":
        return _plain(node) in _FLAGS
    if node.kind == "fold":
        return _fold(to, node)
    if node.kind in ("select", "test") and _plain(node.parts[0]) in _MAPS:
        to.note(_plain(node.parts[0]), (node.name, None))
        return node.kind == "test"
    if node.kind != "call" or len(node.parts) != 2:
        return False
    return _in(to, *node.parts) if node.name == "@in" else _compared(to, node)


def _in(to: Looks, item: Node, where: Node) -> bool:
    """`"x" in list`, `"k" in map`, `variable in ["a", "b"]`."""
    known, value = _constant(item)
    if known and _plain(where) in _LISTS:
        to.note(_plain(where), value)
        return True
    if known and _plain(where) in _MAPS:
        to.note(_plain(where), (value, None))
        return True
    if where.kind != "list":
        return False
    # every part is noted, also after one that is no constant
    held = [_held(to, item, part, ordered=False) for part in where.parts]
    return all(held)


def _compared(to: Looks, node: Node) -> bool:
    if node.name not in _EQUAL | _ORDERED:
        return False
    left, right = node.parts
    ordered = node.name in _ORDERED
    return _held(to, left, right, ordered=ordered) or _held(to, right, left, ordered=ordered)


def _held(to: Looks, node: Node, against: Node, *, ordered: bool) -> bool:
    """A variable, or a label by its name, held against a constant."""
    known, value = _constant(against)
    if not known:
        return False
    label = _label(node)
    if label is not None:
        to.note(label[0], (label[1], value))
        return not ordered
    name = _plain(node)
    if name not in FREE or name in _LISTS | _MAPS:
        return False
    to.note(name, value)
    return not (ordered and name in _TEXTS)


def _label(node: Node) -> tuple[str, str] | None:
    if node.kind == "select" and _plain(node.parts[0]) in _MAPS:
        return _plain(node.parts[0]), node.name
    if node.kind == "call" and node.name == "_[_]" and _plain(node.parts[0]) in _MAPS:
        known, value = _constant(node.parts[1])
        return (_plain(node.parts[0]), value) if known else None
    return None


def _fold(to: Looks, node: Node) -> bool:
    """`exists` and `all` over a list, where each part of the test holds the item against constants."""
    name, step = _plain(node.parts[0]), node.parts[3]
    if name not in _LISTS or step.kind != "call" or step.name not in ("_||_", "_&&_"):
        return False
    return all(list(_items(to, name, step.parts[1], node.names[0])))


def _items(to: Looks, name: str, node: Node, item: str) -> Iterator[bool]:
    if node.kind == "call" and node.name in _LOGIC:
        for part in node.parts:
            yield from _items(to, name, part, item)
        return
    if not any(n.kind == "ident" and n.name == item for n in walk(node)):
        yield not any(n.kind == "ident" and _plain(n) in FREE for n in walk(node))
        return
    if node.kind != "call" or len(node.parts) != 2 or node.name not in _EQUAL | {"@in"}:
        yield False
        return
    left, right = node.parts
    if right.kind == "ident" and right.name == item:
        left, right = right, left
    values = [_constant(p) for p in (right.parts if right.kind == "list" else (right,))]
    to.note(name, *(value for known, value in values if known))
    yield left.kind == "ident" and left.name == item and all(known for known, _ in values)


def _constant(node: Node) -> tuple[bool, Any]:
    """(whether it is one, its value)."""
    if node.kind == "const":
        return True, node.value
    if node.kind == "call" and node.name == "timestamp" and node.parts[0].kind == "const":
        try:
            return True, moment(node.parts[0].value)
        except (CelError, ValueError, TypeError):
            return False, None
    return False, None


def _guessed(node: Node, name: str) -> Iterator[Any]:
    """Constants of an atom that is not understood, as values worth trying."""
    wanted: Mapping[str, tuple[type, ...]] = {
        "now": (Moment,),
        "run.cost": (float,),
        "budget.shareUsed": (float,),
    }
    types = wanted.get(name, (str,) if name in _LISTS | _TEXTS else (int,))
    for part in walk(node):
        label = _label(part)
        if label is not None and label[0] == name:
            yield label[1], None
        known, value = _constant(part)
        if known and name not in _MAPS | _FLAGS and type(value) in types:
            yield value


def _plain(node: Node) -> str:
    return node.name.removeprefix(".") if node.kind == "ident" else ""
