"""PURE: bring what others published into a text that was written over an older revision, by the document's structure.

Where only one side changed a field, that side's value stands. Where both did, it is a clash: somebody chooses. Items of a list
are fields of their own where a member names them, and a list of names is a set where its order says nothing. The text is the
author's own, comments and layout included, with what came from the others written into it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import yaml

from policies.changes.weave import woven
from policies.documents.nodes import Text, compose, scalar
from policies.documents.problems import InvalidDocuments
from policies.forms.edit import edited
from policies.forms.wanted import Items, Keep, Pair, Pairs, Wanted, Written

Side = Literal["mine", "theirs"]
WHOLE: Final = ""
"""The path of a clash about the document as a whole: one side took it away, or a text cannot be read."""


class _Missing:
    def __repr__(self) -> str:
        return "(missing)"


MISSING: Final = _Missing()
_KEYS: Final = ("name", "from", "model")
"""The members that name an item of a list: those of a price or a rate, and a model with its weight."""
_IN_ORDER: Final = frozenset({"models", "validators"})
"""Lists that are tried one after the other: two that changed one of them did not agree on an order."""
_STILL_TO_CHOOSE: Final[Mapping[str, Side]] = {}


@dataclass(frozen=True, slots=True)
class Clash:
    """One field that both sides changed, with each value as YAML ("": it does not exist). `chosen` is "" until somebody did."""

    path: str
    was: str
    theirs: str
    mine: str
    chosen: str = ""


@dataclass(frozen=True, slots=True)
class Merged:
    """What becomes of one edit. `text` None: the document is taken away. `taken`: the fields that came from the others.

    `gone`: nothing is left of the edit, since both sides agree now.
    """

    text: str | None
    clashes: tuple[Clash, ...] = ()
    taken: tuple[str, ...] = ()
    gone: bool = False

    @property
    def open(self) -> tuple[Clash, ...]:
        """The clashes that nobody decided."""
        return tuple(clash for clash in self.clashes if not clash.chosen)


def merge(
    was: str | None,
    theirs: str | None,
    mine: str | None,
    chosen: Mapping[str, Side] = _STILL_TO_CHOOSE,
) -> Merged:
    """Three texts of one document (None: it does not exist) to one. A clash that is not `chosen` keeps what is mine."""
    if theirs == was:
        return Merged(mine)
    if theirs == mine:
        return Merged(mine, gone=True)
    nodes = [_node(text) for text in (was, theirs, mine)]
    if theirs is None or mine is None or nodes[1] is None or nodes[2] is None:
        return _whole(was, theirs, mine, chosen.get(WHOLE, ""))
    values = [_value(node) if node is not None else MISSING for node in nodes]
    walk = _Walk(chosen, alike=values[0] is not MISSING)
    value = walk.merge("", *values)
    return Merged(
        text=_text((was, theirs, mine), nodes[2], value),
        clashes=tuple(walk.clashes),
        taken=tuple(walk.taken),
        gone=value == values[1],
    )


def _whole(was: str | None, theirs: str | None, mine: str | None, choice: str) -> Merged:
    clash = Clash(WHOLE, was or "", theirs or "", mine or "", choice)
    if choice == "theirs":
        return Merged(theirs, (clash,), gone=True)
    return Merged(mine, (clash,))


@dataclass(slots=True)
class _Walk:
    """One walk through three values. `alike`: there was a common text; without one every difference is a clash."""

    chosen: Mapping[str, Side]
    alike: bool
    clashes: list[Clash]
    taken: list[str]

    def __init__(self, chosen: Mapping[str, Side], *, alike: bool) -> None:
        self.chosen, self.alike = chosen, alike
        self.clashes, self.taken = [], []

    def merge(self, path: str, was: Any, theirs: Any, mine: Any) -> Any:  # noqa: ANN401 - whatever YAML can hold
        if _same(theirs, mine):
            return mine
        if self.alike and _same(was, theirs):
            return mine
        if self.alike and _same(was, mine):
            self.taken.append(path)
            return theirs
        if isinstance(theirs, dict) and isinstance(mine, dict):
            return self._pairs(was if isinstance(was, dict) else {}, theirs, mine, path)
        if all(isinstance(side, list) for side in (was, theirs, mine)):
            return self._lists(path, was, theirs, mine)
        return self._clash(was, theirs, mine, path)

    def _lists(self, path: str, *lists: list[Any]) -> Any:  # noqa: ANN401 - a list, or what a clash keeps
        """As sets of names, item by item where a member names them, or row by row where no row came or went."""
        was, theirs, mine = lists
        key = _key_of(*lists) if self.alike else ""
        if self.alike and _by_set(path, *lists):
            return self._set(path, *lists)
        if key:
            return self._keyed(key, path, *lists)
        if _side_by_side(*lists):
            return [
                self.merge(f"{path}[{number}]", *three)
                for number, three in enumerate(zip(was, theirs, mine, strict=True))
            ]
        return self._clash(was, theirs, mine, path)

    def _pairs(
        self, was: Mapping[str, Any], theirs: Mapping[str, Any], mine: Mapping[str, Any], path: str
    ) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key in [*mine, *(key for key in theirs if key not in mine)]:
            three = [side.get(key, MISSING) for side in (was, theirs, mine)]
            value = self.merge(f"{path}.{key}" if path else key, *three)
            if value is not MISSING:
                made[key] = value
        return made

    def _keyed(self, key: str, path: str, *lists: list[dict[str, Any]]) -> list[Any]:
        """Items that a member names: mine in my order, then what the others added."""
        was, theirs, mine = ({str(one[key]): one for one in items} for items in lists)
        merged = [
            self.merge(
                f"{path}[{key}={name}]", *(side.get(name, MISSING) for side in (was, theirs, mine))
            )
            for name in [*mine, *(name for name in theirs if name not in mine)]
        ]
        return [one for one in merged if one is not MISSING]

    def _set(self, path: str, was: list[Any], theirs: list[Any], mine: list[Any]) -> list[Any]:
        """Mine without what the others took away, then what they added."""
        self.taken.append(path)
        kept = [one for one in mine if one in theirs or one not in was]
        return [*kept, *(one for one in theirs if one not in was and one not in mine)]

    def _clash(self, was: Any, theirs: Any, mine: Any, path: str) -> Any:  # noqa: ANN401 - whatever YAML can hold
        choice = self.chosen.get(path, "")
        self.clashes.append(Clash(path, _said(was), _said(theirs), _said(mine), choice))
        return theirs if choice == "theirs" else mine


def _by_set(path: str, *lists: list[Any]) -> bool:
    """Whether three lists are sets of names or numbers: none twice, and their order says nothing."""
    if path.rpartition(".")[2] in _IN_ORDER:
        return False
    return all(
        all(type(one) in (str, int) for one in items) and len(set(items)) == len(items)
        for items in lists
    )


def _key_of(*lists: list[Any]) -> str:
    """The member that names each item of three lists; empty where none does."""
    if not all(isinstance(one, dict) for items in lists for one in items):
        return ""
    return next((key for key in _KEYS if all(_names(key, items) for items in lists)), "")


def _names(key: str, items: list[dict[str, Any]]) -> bool:
    named = [one.get(key) for one in items]
    return all(isinstance(name, str) for name in named) and len(set(named)) == len(named)


def _side_by_side(*lists: list[Any]) -> bool:
    """Whether three lists have the same items, so that each can be merged for itself."""
    was, theirs, mine = lists
    every = [*was, *theirs, *mine]
    return len(was) == len(theirs) == len(mine) and all(isinstance(one, dict) for one in every)


def _same(one: object, other: object) -> bool:
    """Equal, and of one type: `1` is not `true`."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


def _text(texts: tuple[str | None, str, str], node: yaml.Node, value: object) -> str:
    """The value as a text: woven line by line where that says it, else written into the author's text."""
    was, theirs, mine = texts
    line_by_line = woven(was or "", theirs, mine) if was is not None else None
    if line_by_line is not None:
        found = _node(line_by_line)
        if found is not None and _same(_value(found), value):
            return line_by_line
    return edited(mine, node, _asked(node, value))


def _node(text: str | None) -> yaml.Node | None:
    """The one document of a text; None where there is none that can be read."""
    try:
        found = compose(Text("", text or ""))
    except InvalidDocuments:
        return None
    return found[0] if len(found) == 1 and isinstance(found[0], yaml.MappingNode) else None


def _value(node: yaml.Node) -> Any:  # noqa: ANN401 - whatever YAML can hold
    if isinstance(node, yaml.ScalarNode):
        return scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item) for item in node.value]
    return {str(key.value): _value(value) for key, value in node.value}


def _asked(node: yaml.Node | None, value: Any) -> Wanted:  # noqa: ANN401 - whatever YAML can hold
    """What the author's text should say, keeping each node that says it."""
    if node is not None and _same(_value(node), value):
        return Keep(node)
    if isinstance(value, dict):
        olds = node.value if isinstance(node, yaml.MappingNode) else []
        places = {str(key.value): number for number, (key, _) in enumerate(olds)}
        ordered = sorted(value, key=lambda key: places.get(key, len(places)))
        return Pairs(
            tuple(
                Pair(key, _asked(olds[places[key]][1], value[key]), places[key])
                if key in places
                else Pair(key, _asked(None, value[key]), -1)
                for key in ordered
            )
        )
    if isinstance(value, list):
        items = node.value if isinstance(node, yaml.SequenceNode) else []
        if len(items) == len(value):
            return Items(tuple((_asked(items[n], one), n) for n, one in enumerate(value)))
        return Items(tuple(_kept(items, value)))
    if isinstance(value, str):
        return Written(value)
    return Written(_said(value), plain=True)


def _kept(items: list[yaml.Node], value: list[Any]) -> Iterator[tuple[Wanted, int]]:
    """Each item, with the one of the author's list that says the same."""
    free = dict(enumerate(items))
    for one in value:
        found = next((n for n, item in free.items() if _same(_value(item), one)), -1)
        yield (Keep(free.pop(found)), found) if found >= 0 else (_asked(None, one), -1)


def _said(value: object) -> str:
    """A value on one line of YAML; nothing for what does not exist."""
    if value is MISSING:
        return ""
    made: str = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, width=10**9, sort_keys=False
    )
    return made.removesuffix("\n").removesuffix("\n...")
