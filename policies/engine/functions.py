"""CEL's operators and functions over values whose types are known only when they run. Each raises CelError."""

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Final

from policies.engine.calendar import offset_at
from policies.engine.values import (
    INT_MAX,
    INT_MIN,
    UINT_MAX,
    CelError,
    Moment,
    Span,
    UInt,
    Value,
    at_most,
    contains,
    double_text,
    equal,
    from_json,
    key,
    less,
    moment,
    moment_text,
    span,
    span_text,
    type_of,
    unkey,
)  # fmt: skip

_SECOND: Final = 10**9


def no_overload(name: str) -> CelError:
    """The error of an operator that these types do not have."""
    return CelError(f"no such overload: {name}")


def fail(message: str) -> Value:
    """An error where an expression is reached that cannot have a value."""
    raise CelError(message)


def ranged(value: int, like: Value) -> int:
    """A result of integer arithmetic, kept in the 64 bits of its operands."""
    if isinstance(like, UInt):
        if not 0 <= value <= UINT_MAX:
            raise CelError("unsigned integer overflow")
        return UInt(value)
    if not INT_MIN <= value <= INT_MAX:
        raise CelError("integer overflow")
    return value


def _same_number(left: Value, right: Value) -> bool:
    return type(left) is type(right) and type(left) in (int, UInt)


def _arithmetic(name: str, on: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    def apply(left: Value, right: Value) -> Value:
        if _same_number(left, right):
            return ranged(on(left, right), left)
        if type(left) is float and type(right) is float:
            return on(left, right)
        return _other(name, left, right)

    return apply


def _other(name: str, left: Value, right: Value) -> Value:
    kinds = (type(left), type(right))
    if name == "_+_" and kinds in ((str, str), (bytes, bytes), (tuple, tuple)):
        return left + right
    sign = {"_+_": 1, "_-_": -1}.get(name)
    if sign and kinds == (Moment, Span):
        return Moment(left.ns + sign * right.ns)
    if name == "_+_" and kinds == (Span, Moment):
        return Moment(left.ns + right.ns)
    if sign and kinds == (Span, Span):
        return Span(left.ns + sign * right.ns)
    if name == "_-_" and kinds == (Moment, Moment):
        return Span(left.ns - right.ns)
    raise no_overload(name)


def divide(left: Value, right: Value) -> Value:
    """Division: whole numbers toward zero, doubles as IEEE 754 says."""
    if _same_number(left, right):
        if right == 0:
            raise CelError("division by zero")
        whole = abs(left) // abs(right)
        return ranged(whole if (left < 0) == (right < 0) else -whole, left)
    if type(left) is not float or type(right) is not float:
        raise no_overload("_/_")
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1, right)


def modulo(left: Value, right: Value) -> Value:
    """The remainder; its sign is the dividend's."""
    if not _same_number(left, right):
        raise no_overload("_%_")
    if right == 0:
        raise CelError("modulus by zero")
    rest = abs(left) % abs(right)
    return ranged(-rest if left < 0 else rest, left)


def negate(value: Value) -> Value:
    """The opposite of an int or a double."""
    if type(value) is int:
        return ranged(-value, value)
    if type(value) is float:
        return -value
    raise no_overload("-_")


def invert(value: Value) -> bool:
    """`!value`."""
    if isinstance(value, bool):
        return not value
    raise no_overload("!_")


def index(container: Value, at: Value) -> Value:
    """`container[at]`."""
    if isinstance(container, dict):
        return field(container, key(at))
    if not isinstance(container, tuple) or isinstance(at, bool) or not isinstance(at, int | float):
        raise no_overload("_[_]")
    if at != at // 1 or not 0 <= at < len(container):
        raise CelError("index out of bounds")
    return container[int(at)]


def field(container: Value, name: Value) -> Value:
    """`container.name` of a map."""
    if not isinstance(container, dict):
        raise CelError("no such field: not a map")
    try:
        return container[name]
    except KeyError:
        raise CelError(f'no such key: "{str(name)[:40]}"') from None


def has(container: Value, name: str) -> bool:
    """`has(container.name)`."""
    if not isinstance(container, dict):
        raise CelError("no such field: not a map")
    return name in container


def condition(value: Value) -> bool:
    """A value where a boolean must stand."""
    if isinstance(value, bool):
        return value
    raise no_overload("a condition must be a bool")


def items(value: Value) -> tuple[Value, ...]:
    """What a comprehension goes through."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, dict):
        return tuple(map(unkey, value))
    raise no_overload("comprehension")


def size(value: Value) -> int:
    """Code points, bytes, items or entries."""
    if isinstance(value, str | bytes | tuple | dict):
        return len(value)
    raise no_overload("size")


def both(left: Callable[[], Value], right: Callable[[], Value]) -> bool:
    """`&&`: false wins over an error on either side."""
    try:
        if not condition(left()):
            return False
    except CelError:
        if condition(right()):
            raise
        return False
    return condition(right())


def either(left: Callable[[], Value], right: Callable[[], Value]) -> bool:
    """`||`: true wins over an error on either side."""
    try:
        if condition(left()):
            return True
    except CelError:
        if condition(right()):
            return True
        raise
    return condition(right())


def exists(values: Iterable[Value], test: Callable[[Value], Value]) -> bool:
    """Whether one value passes; an error counts only if none does."""
    failed = None
    for value in values:
        try:
            if condition(test(value)):
                return True
        except CelError as error:
            failed = error
    if failed:
        raise failed
    return False


def every(values: Iterable[Value], test: Callable[[Value], Value]) -> bool:
    """Whether all pass; an error counts only if none fails."""
    failed = None
    for value in values:
        try:
            if not condition(test(value)):
                return False
        except CelError as error:
            failed = error
    if failed:
        raise failed
    return True


def once(values: Iterable[Value], test: Callable[[Value], Value]) -> bool:
    """Whether exactly one passes; any error is the result."""
    return sum(condition(test(value)) for value in values) == 1


def entries(*pairs: Value) -> dict[Value, Value]:
    """A map literal: key, value, key, value."""
    made: dict[Value, Value] = {}
    for name, value in zip(pairs[::2], pairs[1::2], strict=True):
        if isinstance(name, float) or key(name) in made:
            raise CelError("duplicate or unsupported key")
        made[key(name)] = value
    return made


def _text(name: str, on: Callable[[str, str], bool]) -> Callable[[Value, Value], bool]:
    def apply(left: Value, right: Value) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return on(left, right)
        raise no_overload(name)

    return apply


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> re.Pattern[str]:
    # RE2's `$` is the end of the text; Python's also stands before a last newline
    try:
        return re.compile(re.sub(r"((?:\\.|\[[^\]]*\]|[^\\$])*)\$", r"\1\\Z", pattern), re.ASCII)
    except (re.error, RecursionError, OverflowError) as error:
        raise CelError(f"not a regular expression: {error}") from error


def _matches(text: str, pattern: str) -> bool:
    return _pattern(pattern).search(text) is not None


def to_int(value: Value) -> int:
    """`int(value)`."""
    if isinstance(value, bool):
        raise no_overload("int")
    if isinstance(value, str):
        if not re.fullmatch(r"-?[0-9]{1,20}", value):
            raise CelError("cannot convert string to int")
        return ranged(int(value), 0)
    if isinstance(value, Moment):
        return value.ns // _SECOND
    if isinstance(value, float):
        if not -(2.0**63) < value < 2.0**63:
            raise CelError("double out of int range")
        return int(value)
    if isinstance(value, int):
        return ranged(int(value), 0)
    raise no_overload("int")


def to_uint(value: Value) -> UInt:
    """`uint(value)`."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,20}", value):
        return UInt(ranged(int(value), UInt(0)))
    if isinstance(value, float) and -1 < value < 2.0**64:
        return UInt(ranged(int(value), UInt(0)))
    if isinstance(value, int) and not isinstance(value, bool):
        return UInt(ranged(int(value), UInt(0)))
    raise CelError("cannot convert to uint")


def to_double(value: Value) -> float:
    """`double(value)`."""
    if isinstance(value, str):
        if not re.fullmatch(r"[-+]?([0-9.eE+-]+|inf|Inf|INF|infinity|Infinity|nan|NaN|NAN)", value):
            raise CelError("cannot convert string to double")
        try:
            return float(value)
        except ValueError:
            raise CelError("cannot convert string to double") from None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise no_overload("double")


def to_string(value: Value) -> str:
    """`string(value)`."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise CelError("invalid UTF-8") from None
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    raise no_overload("string")


_WRITERS: Final[tuple[tuple[type, Callable[[Value], str]], ...]] = (
    (bool, lambda v: "true" if v else "false"),
    (int, lambda v: str(int(v))),
    (float, double_text),
    (str, str),
    (Moment, moment_text),
    (Span, span_text),
)


def to_bytes(value: Value) -> bytes:
    """`bytes(value)`."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    raise no_overload("bytes")


_TRUE: Final = frozenset({"1", "t", "true", "TRUE", "True"})
_FALSE: Final = frozenset({"0", "f", "false", "FALSE", "False"})


def to_bool(value: Value) -> bool:
    """`bool(value)`."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _TRUE | _FALSE:
        return value in _TRUE
    raise CelError("cannot convert to bool")


def to_moment(value: Value) -> Moment:
    """`timestamp(value)`."""
    if isinstance(value, Moment):
        return value
    if isinstance(value, str):
        return moment(value)
    if type(value) is int:
        return Moment(value * _SECOND)
    raise no_overload("timestamp")


def to_span(value: Value) -> Span:
    """`duration(value)`."""
    if isinstance(value, Span):
        return value
    if isinstance(value, str):
        return span(value)
    raise no_overload("duration")


def _getter(
    of_moment: Callable[[Value], int], of_span: Callable[[int], int] | None = None
) -> Callable[..., int]:
    def get(value: Value, zone: str = "UTC") -> int:
        if isinstance(value, Span) and of_span is not None:
            return of_span(value.ns)
        if not isinstance(value, Moment):
            raise no_overload("a part of a timestamp")
        return of_moment(value.local(_offset(value, zone)))

    return get


def _offset(value: Moment, zone: str) -> timedelta:
    try:
        return offset_at(value.ns // _SECOND, zone)
    except ValueError as error:
        raise CelError(str(error)) from error


def _milliseconds(value: Value, zone: str = "UTC") -> int:
    if isinstance(value, Moment | Span):
        _ = _offset(value, zone) if isinstance(value, Moment) else None
        return int(math.fmod(value.ns, _SECOND)) // 10**6
    raise no_overload("getMilliseconds")


def _toward_zero(unit: int) -> Callable[[int], int]:
    return lambda ns: (abs(ns) // unit) * (1 if ns >= 0 else -1)


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "_==_": equal,
    "_!=_": lambda a, b: not equal(a, b),
    "_<_": less,
    "_<=_": at_most,
    "_>_": lambda a, b: less(b, a),
    "_>=_": lambda a, b: at_most(b, a),
    "@in": lambda value, container: contains(container, value),
    "_+_": _arithmetic("_+_", operator.add),
    "_-_": _arithmetic("_-_", operator.sub),
    "_*_": _arithmetic("_*_", operator.mul),
    "_/_": divide,
    "_%_": modulo,
    "-_": negate,
    "!_": invert,
    "_[_]": index,
    "size": size,
    "contains": _text("contains", operator.contains),
    "startsWith": _text("startsWith", str.startswith),
    "endsWith": _text("endsWith", str.endswith),
    "matches": _text("matches", _matches),
    "int": to_int,
    "uint": to_uint,
    "double": to_double,
    "string": to_string,
    "bytes": to_bytes,
    "bool": to_bool,
    "timestamp": to_moment,
    "duration": to_span,
    "dyn": lambda value: value,
    "type": type_of,
    "getFullYear": _getter(lambda t: t.year),
    "getMonth": _getter(lambda t: t.month - 1),
    "getDate": _getter(lambda t: t.day),
    "getDayOfMonth": _getter(lambda t: t.day - 1),
    "getDayOfWeek": _getter(lambda t: t.isoweekday() % 7),
    "getDayOfYear": _getter(lambda t: t.timetuple().tm_yday - 1),
    "getHours": _getter(lambda t: t.hour, _toward_zero(3600 * _SECOND)),
    "getMinutes": _getter(lambda t: t.minute, _toward_zero(60 * _SECOND)),
    "getSeconds": _getter(lambda t: t.second, _toward_zero(_SECOND)),
    "getMilliseconds": _milliseconds,
    "from_json": from_json,
}
"""By the name the checked expression gives them."""
