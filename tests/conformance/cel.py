"""cel-spec's simple tests (`*.textproto`): checked by the checker, run by our compiler, compared with types told apart.

Messages are not part of the language of conditions; those that vectors build are lowered to maps before (`messages`).
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cel_expr_python import cel as native

from policies.engine import wire
from policies.engine.cel import NotCompilable, Variable, compile_expression
from policies.engine.values import CelError, Erred, Moment, Span, TypeName, UInt, key
from tests.conformance.messages import PACKAGE, RESERVED, builds, lowered
from tests.conformance.textproto import Message, every, one, parse

PRIMITIVES = {
    "BOOL": native.Type.BOOL,
    "INT64": native.Type.INT,
    "UINT64": native.Type.UINT,
    "DOUBLE": native.Type.DOUBLE,
    "STRING": native.Type.STRING,
    "BYTES": native.Type.BYTES,
}


def run(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each case's name and what is wrong with our answer; nothing wrong is an empty string."""
    for path in sorted(folder.glob("*.textproto")):
        whole = parse(path.read_text(encoding="utf-8"))
        for section in every(whole, "section"):
            for test in every(section, "test"):
                name = "/".join(
                    (path.stem, *(one(m, "name", b"?").decode() for m in (section, test)))
                )
                yield name, _outcome(test)


def _outcome(test: Message) -> str:
    wants_error = one(test, "eval_error") is not None or one(test, "any_eval_errors") is not None
    try:
        got = _evaluate(test)
    except (NotCompilable, wire.NotReadable, RuntimeError, ValueError, KeyError) as error:
        return "" if wants_error else f"not compiled: {str(error).splitlines()[0]}"
    if one(test, "check_only") == "true":
        return ""
    if wants_error:
        return "" if isinstance(got, Erred) else f"gave {got!r}, wanted an error"
    if isinstance(got, Erred):
        return f"failed: {got.message}"
    try:
        wanted = _wanted(test)
    except (CelError, KeyError, ValueError) as error:
        return f"the expected value needs a message type: {error!r}"
    return "" if same(got, wanted) else f"gave {got!r}, wanted {wanted!r}"


def _evaluate(test: Message) -> Any:
    types = {
        one(d, "name").decode(): _type(one(one(d, "ident"), "type"))
        for d in every(test, "type_env")
        if one(d, "ident")
    }
    bound = {
        one(b, "key").decode(): value(one(one(b, "value"), "value", []))
        for b in every(test, "bindings")
    }
    variables = {name: types.get(name, native.Type.DYN) for name in {*types, *bound}}
    container = one(test, "container", b"").decode()
    environment = native.NewEnv(variables=variables, container=container)
    text = one(test, "expr").decode()
    unchecked = one(test, "disable_check") == "true" or builds(text)
    checked = lowered(wire.read(bytes(environment.compile(text, unchecked).serialize())))
    names = sorted(bound)
    slots = {name: Variable(f"c[{i}]") for i, name in enumerate(names)}
    program = compile_expression(checked, slots, "c")
    return program.evaluate([bound[name] for name in names])


def _wanted(test: Message) -> Any:
    typed = one(test, "typed_result")
    if typed is not None:
        return value(one(typed, "result", []))
    wanted = one(test, "value")
    return True if wanted is None else value(wanted)


def _type(message: Message) -> native.Type:
    kind, inner = message[0]
    if kind == "primitive":
        return PRIMITIVES[inner]
    if kind == "well_known":
        return {"TIMESTAMP": native.Type.TIMESTAMP, "DURATION": native.Type.DURATION}.get(
            inner, native.Type.DYN
        )
    if kind == "list_type":
        return native.Type.List(_type(one(inner, "elem_type", [("dyn", [])])))
    if kind == "map_type":
        dyn: Message = [("dyn", [])]
        return native.Type.Map(
            _type(one(inner, "key_type", dyn)), _type(one(inner, "value_type", dyn))
        )
    if kind == "message_type" and inner.startswith(b"google.protobuf."):
        known = {"Timestamp": native.Type.TIMESTAMP, "Duration": native.Type.DURATION}
        return known.get(inner.decode().rpartition(".")[2], native.Type.DYN)
    if kind in ("dyn", "wrapper", "null", "type"):
        return native.Type.DYN
    raise ValueError(f"messages are not part of the language here: {inner!r}")


def value(message: Message) -> Any:
    """A `cel.expr.Value` as our values. Raises ValueError for messages."""
    kind, inner = message[0]
    if kind in _SCALARS:
        return _SCALARS[kind](inner)
    if kind == "list_value":
        return tuple(value(v) for v in every(inner, "values"))
    if kind == "map_value":
        return {key(value(one(e, "key"))): value(one(e, "value")) for e in every(inner, "entries")}
    return _object(inner)


def _object(message: Message) -> Any:
    name, inner = message[0]
    short = name.rpartition("google.protobuf.")[2]
    if short in ("Timestamp", "Duration"):
        nanos = int(one(inner, "seconds", "0")) * 10**9 + int(one(inner, "nanos", "0"))
        return Moment(nanos) if short == "Timestamp" else Span(nanos)
    if short.endswith("Value") and short in _WRAPPERS:
        wrapped, default = _WRAPPERS[short]
        return _SCALARS[wrapped](one(inner, "value", default))
    if name.rpartition("/")[2].startswith(f"{PACKAGE}."):
        fields = {field: text == "true" for field, text in inner if field in RESERVED}
        if len(fields) == len(inner):
            return {"@type": name.rpartition(".")[2], **fields}
    raise ValueError(name)


def _double(text: str) -> float:
    return float(text.removesuffix("f") if text[-1:] == "f" and "inf" not in text else text)


_SCALARS: dict[str, Any] = {
    "null_value": lambda _: None,
    "bool_value": lambda text: text == "true",
    "int64_value": lambda text: int(text, 0),
    "uint64_value": lambda text: UInt(int(text, 0)),
    "double_value": _double,
    "string_value": bytes.decode,
    "bytes_value": bytes,
    "type_value": lambda data: TypeName(data.decode()),
}
_WRAPPERS = {
    "Int64Value": ("int64_value", "0"),
    "Int32Value": ("int64_value", "0"),
    "UInt64Value": ("uint64_value", "0"),
    "UInt32Value": ("uint64_value", "0"),
    "DoubleValue": ("double_value", "0"),
    "FloatValue": ("double_value", "0"),
    "BoolValue": ("bool_value", "false"),
    "StringValue": ("string_value", b""),
    "BytesValue": ("bytes_value", b""),
}


def same(got: Any, wanted: Any) -> bool:
    """Equal in value and in type: 1, 1u and 1.0 are three things; NaN is itself."""
    if type(got) is not type(wanted):
        return False
    if isinstance(got, tuple):
        return len(got) == len(wanted) and all(map(same, got, wanted))
    if isinstance(got, dict):
        return got.keys() == wanted.keys() and all(same(v, wanted[k]) for k, v in got.items())
    if isinstance(got, float) and math.isnan(got):
        return math.isnan(wanted)
    return bool(got == wanted)
