"""A checked expression (`google.protobuf.Any` of `cel.expr.CheckedExpr`) read from its bytes, without protobuf.

A `ParsedExpr`, which has no types, is read too.

Field numbers are those of cel-spec's `checked.proto` and `syntax.proto`.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.engine.values import UInt

CelType = tuple[Any, ...]
"""`("int",)`, `("list", element)`, `("map", key, value)`; anything unknown here is `("dyn",)`."""

DYN: Final[CelType] = ("dyn",)
_PRIMITIVES: Final = {1: "bool", 2: "int", 3: "uint", 4: "double", 5: "string", 6: "bytes"}
_WELL_KNOWN: Final = {2: "timestamp", 3: "duration"}


class NotReadable(ValueError):
    """The bytes are not a checked expression."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node: `kind` is const, ident, select, test, call, list, map, fold or struct.

    `name` is the function, field or identifier, `parts` the children in order (target first), `value` a constant.
    """

    kind: str
    id: int
    name: str = ""
    parts: tuple["Node", ...] = ()
    value: Any = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """An expression with the type of every node and the code-point offset at which it was written."""

    root: Node
    types: Mapping[int, CelType]
    positions: Mapping[int, int]

    def type_of(self, node: Node) -> CelType:
        """The static type, dyn where the checker noted none."""
        return self.types.get(node.id, DYN)


Raw = Any
"""The value of a field: a whole number or bytes, by its number."""
Fields = list[tuple[int, Raw]]


def read(data: bytes) -> Checked:
    """The checked expression of the bytes. Raises NotReadable."""
    try:
        envelope = _fields(data)
        fields = _fields(_first(envelope, 2, b""))
        parsed_only = _first(envelope, 1, b"").endswith(b"ParsedExpr")
        source = _fields(_first(fields, 3 if parsed_only else 5, b""))
        pairs = [_fields(entry) for number, entry in source if number == 4]
        types = [_fields(entry) for number, entry in fields if number == 3 and not parsed_only]
        return Checked(
            root=_node(_first(fields, 2 if parsed_only else 4, b"")),
            types={_first(t, 1, 0): _type(_first(t, 2, b"")) for t in types},
            positions={_first(p, 1, 0): _first(p, 2, 0) for p in pairs},
        )
    except (
        LookupError,
        struct.error,
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise NotReadable(f"not a checked expression: {error!r}") from error


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it."""
    todo = [node]
    while todo:
        current = todo.pop()
        yield current
        todo += current.parts


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes) -> Fields:
    found: Fields = []
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, form = tag >> 3, tag & 7
        value: Raw
        if form == 0:
            value, at = _varint(data, at)
        elif form == 2:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        elif form == 1:
            value, at = data[at : at + 8], at + 8
        else:
            value, at = data[at : at + 4], at + 4
        found.append((number, value))
    return found


def _first(fields: Fields, number: int, default: Raw) -> Raw:
    return next((value for n, value in fields if n == number), default)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _type(data: bytes) -> CelType:
    fields: Fields = _fields(data) or [(1, b"")]
    number, value = fields[0]
    if number == 3:
        return (_PRIMITIVES[value],)
    if number == 5:
        return (_WELL_KNOWN.get(value, "dyn"),)
    if number == 6:
        return ("list", _type(_first(_fields(value), 1, b"")))
    if number == 7:
        inner = _fields(value)
        return ("map", _type(_first(inner, 1, b"")), _type(_first(inner, 2, b"")))
    return {2: ("null",), 11: ("type",)}.get(number, DYN)


def _node(data: bytes) -> Node:
    fields = _fields(data)
    node_id = _first(fields, 2, 0)
    for number, value in fields:
        if number in _READERS:
            return _READERS[number](node_id, _fields(value))
    return Node("const", node_id)


def _const(node_id: int, fields: Fields) -> Node:
    number, value = fields[0] if fields else (1, 0)
    return Node("const", node_id, value=_CONSTANTS[number](value))


_CONSTANTS: Final[Mapping[int, Callable[[Raw], Any]]] = {
    1: lambda _: None,
    2: bool,
    3: _signed,
    4: UInt,
    5: lambda raw: struct.unpack("<d", raw)[0],
    6: bytes.decode,
    7: bytes,
}


def _ident(node_id: int, fields: Fields) -> Node:
    return Node("ident", node_id, _first(fields, 1, b"").decode())


def _select(node_id: int, fields: Fields) -> Node:
    kind = "test" if _first(fields, 3, 0) else "select"
    return Node(kind, node_id, _first(fields, 2, b"").decode(), (_node(_first(fields, 1, b"")),))


def _call(node_id: int, fields: Fields) -> Node:
    targets = [_node(v) for n, v in fields if n == 1]
    arguments = [_node(v) for n, v in fields if n == 3]
    return Node("call", node_id, _first(fields, 2, b"").decode(), tuple(targets + arguments))


def _list(node_id: int, fields: Fields) -> Node:
    return Node("list", node_id, parts=tuple(_node(v) for n, v in fields if n == 1))


def _struct(node_id: int, fields: Fields) -> Node:
    name = _first(fields, 1, b"").decode()
    entries = [_fields(v) for n, v in fields if n == 2]
    if name:
        names = tuple(_first(e, 2, b"").decode() for e in entries)
        return Node(
            "struct", node_id, name, tuple(_node(_first(e, 4, b"")) for e in entries), names=names
        )
    parts = [_node(_first(e, number, b"")) for e in entries for number in (3, 4)]
    return Node("map", node_id, parts=tuple(parts))


def _fold(node_id: int, fields: Fields) -> Node:
    names = tuple(_first(fields, n, b"").decode() for n in (1, 3, 8))
    parts = tuple(_node(_first(fields, n, b"")) for n in (2, 4, 5, 6, 7))
    return Node("fold", node_id, parts=parts, names=names)


_READERS: Final[Mapping[int, Callable[[int, Fields], Node]]] = {
    3: _const, 4: _ident, 5: _select, 6: _call, 7: _list, 8: _struct, 9: _fold,
}  # fmt: skip
