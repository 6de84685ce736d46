"""The messages that cel-spec's vectors build, for the runner alone: the language of conditions has none.

An expression that builds one is parsed and not type-checked (no process of ours has its descriptor). Before our compiler
sees it, a literal becomes a map of the fields it sets (and `@type`), and the selection of a field a choice between
what was set and its default. What the vectors ask about is the rest: grammar, whitespace, names, nesting. A message
anywhere else is a miss.
"""

from dataclasses import replace
from typing import Any, Final

from policies.engine.values import UInt
from policies.engine.wire import Checked, Node

PACKAGE: Final = "cel.expr.conformance.proto3"
_SCALARS: Final[dict[str, Any]] = {
    **dict.fromkeys(("int32", "int64", "sint32", "sint64", "sfixed32", "sfixed64"), 0),
    **dict.fromkeys(("uint32", "uint64", "fixed32", "fixed64"), UInt(0)),
    **dict.fromkeys(("float", "double"), 0.0),
    "bool": False,
    "string": "",
    "bytes": b"",
}
_WRAPPED: Final = (
    "int64",
    "int32",
    "double",
    "float",
    "uint64",
    "uint32",
    "string",
    "bool",
    "bytes",
)
RESERVED: Final = (
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace",
    "return", "var", "void", "while",
)  # fmt: skip
DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "TestAllTypes": {
        **{f"single_{name}": default for name, default in _SCALARS.items()},
        **{f"repeated_{name}": () for name in _SCALARS},
        **{f"single_{name}_wrapper": None for name in _WRAPPED},
        **dict.fromkeys(RESERVED, False),
        "single_value": None,
    },
    "NestedTestAllTypes": {"child": "NestedTestAllTypes", "payload": "TestAllTypes"},
}
"""By message: its fields with their defaults; a message's own is named."""


def builds(text: str) -> bool:
    """Whether an expression names one of them."""
    return any(name in text for name in DEFAULTS)


def lowered(checked: Checked) -> Checked:
    """The expression without messages."""
    return replace(checked, root=_lower(checked.root))


def _lower(node: Node) -> Node:
    if node.kind == "struct":
        unknown = set(node.names) - set(DEFAULTS[_short(node.name)])
        if unknown:
            raise ValueError(f"{node.name} has no fields {sorted(unknown)}")
        names = ("@type", *node.names)
        values = (Node("const", 0, value=_short(node.name)), *map(_lower, node.parts))
        pairs = [p for n, v in zip(names, values, strict=True) for p in (Node("const", 0, value=n), v)]  # fmt: skip
        return Node("map", node.id, parts=tuple(pairs))
    message = _message(node.parts[0]) if node.kind == "select" else ""
    parts = tuple(map(_lower, node.parts))
    if not message:
        return replace(node, parts=parts)
    default = DEFAULTS[message][node.name]
    absent = _lower(Node("struct", 0, default)) if default in DEFAULTS else _constant(default)
    set_ = Node("test", 0, node.name, parts)
    return Node("call", node.id, "_?_:_", (set_, replace(node, parts=parts), absent))


def _constant(value: Any) -> Node:
    return Node("list", 0) if value == () else Node("const", 0, value=value)


def _message(node: Node) -> str:
    """The message that a part is, if it is one."""
    if node.kind == "struct":
        return _short(node.name)
    of = _message(node.parts[0]) if node.kind == "select" else ""
    found = DEFAULTS[of][node.name] if of else ""
    return found if isinstance(found, str) and found in DEFAULTS else ""


def _short(name: str) -> str:
    short = name.removeprefix(".").removeprefix(f"{PACKAGE}.")
    if short not in DEFAULTS:
        raise ValueError(f"messages are not part of the language here: {name}")
    return short
