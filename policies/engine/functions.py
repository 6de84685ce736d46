"""CEL's operators and functions over values whose types are known only when they run. Each raises CelError."""

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final

from policies.engine.conversions import (
    getter,
    milliseconds,
    to_bool,
    to_bytes,
    to_double,
    to_int,
    to_moment,
    to_span,
    to_string,
    to_uint,
    toward_zero,
)
from policies.engine.values import (
    CelError,
    Moment,
    Span,
    UInt,
    Value,
    at_most,
    contains,
    equal,
    from_json,
    key,
    less,
    no_overload,
    ranged,
    type_of,
    unkey,
)

_SECOND: Final = 10**9


def fail(message: str) -> Value:
    """An error where an expression is reached that cannot have a value."""
    raise CelError(message)


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
    "getFullYear": getter(lambda t: t.year),
    "getMonth": getter(lambda t: t.month - 1),
    "getDate": getter(lambda t: t.day),
    "getDayOfMonth": getter(lambda t: t.day - 1),
    "getDayOfWeek": getter(lambda t: t.isoweekday() % 7),
    "getDayOfYear": getter(lambda t: t.timetuple().tm_yday - 1),
    "getHours": getter(lambda t: t.hour, toward_zero(3600 * _SECOND)),
    "getMinutes": getter(lambda t: t.minute, toward_zero(60 * _SECOND)),
    "getSeconds": getter(lambda t: t.second, toward_zero(_SECOND)),
    "getMilliseconds": milliseconds,
    "from_json": from_json,
}
"""By the name the checked expression gives them."""
