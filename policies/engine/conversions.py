"""CEL's conversions between types, and the parts of timestamps and durations. Each raises CelError."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from policies.engine.calendar import offset_at
from policies.engine.values import (
    CelError,
    Moment,
    Span,
    UInt,
    Value,
    double_text,
    moment,
    moment_text,
    no_overload,
    ranged,
    span,
    span_text,
)  # fmt: skip

_SECOND: Final = 10**9


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


def getter(
    of_moment: Callable[[Value], int], of_span: Callable[[int], int] | None = None
) -> Callable[..., int]:
    """A function for one part of a timestamp in a zone, or of a duration."""

    def get(value: Value, zone: str = "UTC") -> int:
        if isinstance(value, Span) and of_span is not None:
            return of_span(value.ns)
        if not isinstance(value, Moment):
            raise no_overload("a part of a timestamp")
        try:
            return of_moment(value.local(_offset(value, zone)))
        except OverflowError:
            raise CelError("timestamp out of range in this zone") from None

    return get


def _offset(value: Moment, zone: str) -> timedelta:
    try:
        return offset_at(value.ns // _SECOND, zone)
    except ValueError as error:
        raise CelError(str(error)) from error


def milliseconds(value: Value, zone: str = "UTC") -> int:
    """The milliseconds within the second."""
    if isinstance(value, Moment):
        _offset(value, zone)
        return value.ns % _SECOND // 10**6
    if isinstance(value, Span):
        return toward_zero(10**6)(value.ns) - 1000 * toward_zero(_SECOND)(value.ns)
    raise no_overload("getMilliseconds")


def toward_zero(unit: int) -> Callable[[int], int]:
    """Whole units in a number of nanoseconds."""
    return lambda ns: (abs(ns) // unit) * (1 if ns >= 0 else -1)
