"""The values of CEL in Python. Lists are tuples, maps are dicts whose boolean keys are BoolKey, int is int, uint is UInt."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Any, Final

Value = Any
"""None, bool, int, UInt, float, str, bytes, tuple, dict, Moment, Span, TypeName."""

INT_MIN, INT_MAX, UINT_MAX = -(2**63), 2**63 - 1, 2**64 - 1
_SECOND: Final = 10**9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT_MIN: Final = -62_135_596_800 * _SECOND
MOMENT_MAX: Final = 253_402_300_800 * _SECOND - 1
SPAN_MAX: Final = 315_537_897_599 * _SECOND - 1


class CelError(Exception):
    """An evaluation that failed: overflow, no such key, no such overload, division by zero."""


@dataclass(frozen=True, slots=True)
class Erred:
    """The error value of a condition: it neither holds nor does not hold."""

    message: str


def no_overload(name: str) -> CelError:
    """The error of an operator that these types do not have."""
    return CelError(f"no such overload: {name}")


class UInt(int):
    """An unsigned 64-bit integer."""

    __slots__ = ()


def ranged(value: int, like: Value) -> int:
    """A result of integer arithmetic, kept in the 64 bits of its operands."""
    if isinstance(like, UInt):
        if not 0 <= value <= UINT_MAX:
            raise CelError("unsigned integer overflow")
        return UInt(value)
    if not INT_MIN <= value <= INT_MAX:
        raise CelError("integer overflow")
    return value


class BoolKey(Enum):
    """A boolean as the key of a map: Python's own would be the same key as 1 and 0."""

    FALSE = False
    TRUE = True


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """A timestamp in nanoseconds since 1970."""

    ns: int

    def __post_init__(self) -> None:
        if not MOMENT_MIN <= self.ns <= MOMENT_MAX:
            raise CelError("timestamp out of range")

    def local(self, offset: timedelta) -> datetime:
        """The calendar's view at an offset from UTC, without the nanoseconds."""
        return _EPOCH.replace(tzinfo=None) + timedelta(seconds=self.ns // _SECOND) + offset


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A duration in nanoseconds."""

    ns: int

    def __post_init__(self) -> None:
        if abs(self.ns) > SPAN_MAX:
            raise CelError("duration out of range")


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type as a value."""

    name: str


def key(value: Value) -> Value:
    """A value as the key of a map. A double that is a whole number finds the integer. Raises CelError."""
    if isinstance(value, bool):
        return BoolKey(value)
    if isinstance(value, int | str):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, float):
        return ("no such key", value)
    raise CelError("unsupported key type")


def unkey(value: Value) -> Value:
    """The reverse of `key`."""
    return value.value if isinstance(value, BoolKey) else value


def keys(value: Mapping[Value, Value]) -> tuple[Value, ...]:
    """What a comprehension over a map goes through."""
    return tuple(map(unkey, value))


def from_json(value: object) -> Value:
    """A value of JSON as CEL sees it: numbers are doubles, as in every CEL over JSON."""
    if isinstance(value, list | tuple):
        return tuple(map(from_json, value))
    if isinstance(value, Mapping):
        return {k: from_json(v) for k, v in value.items()}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


_NUMBERS: Final = (int, float)


def _rank(value: Value) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, _NUMBERS) else type(value).__name__


def equal(left: Value, right: Value) -> bool:
    """CEL's equality: numbers across their types, nothing else across types."""
    if _rank(left) != _rank(right):
        return False
    if isinstance(left, tuple):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equal(v, right[k]) for k, v in left.items())
    return bool(left == right)


def less(left: Value, right: Value) -> bool:
    """CEL's order; NaN is less than nothing. Raises CelError for what has no order."""
    if _rank(left) != _rank(right) or isinstance(left, tuple | dict | TypeName) or left is None:
        raise CelError("no such overload")
    return bool(left < right)


def at_most(left: Value, right: Value) -> bool:
    """`<=`, which for NaN is not the opposite of `>`."""
    return less(left, right) or bool(left == right)


def contains(container: Value, value: Value) -> bool:
    """`value in container`. Raises CelError."""
    if isinstance(container, tuple):
        return any(equal(value, item) for item in container)
    if isinstance(container, dict):
        return key(value) in container
    raise CelError("no such overload")


def type_of(value: Value) -> TypeName:
    """`type(value)`."""
    for kind, name in _TYPE_NAMES:
        if isinstance(value, kind):
            return TypeName(name)
    raise CelError("no such type")


_TYPE_NAMES: Final[Iterable[tuple[type, str]]] = (
    (bool, "bool"), (UInt, "uint"), (int, "int"), (float, "double"), (str, "string"), (bytes, "bytes"),
    (type(None), "null_type"), (tuple, "list"), (dict, "map"), (TypeName, "type"),
    (Moment, "google.protobuf.Timestamp"), (Span, "google.protobuf.Duration"),
)  # fmt: skip

_WHOLE: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d", re.ASCII)
_REST: Final = re.compile(r"(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII)
_SPAN: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|ns)", re.ASCII)
_UNITS: Final = {
    "h": 3600 * _SECOND,
    "m": 60 * _SECOND,
    "s": _SECOND,
    "ms": 10**6,
    "us": 1000,
    "ns": 1,
}


def moment(text: str) -> Moment:
    """A timestamp from RFC 3339. Raises CelError."""
    try:
        # one more than a rest can have: what is longer is none, and is not kept
        ns = _seconds(text[:19]) * _SECOND + _rest_ns(text[19:36])
    except ValueError:
        raise CelError(f'"{text[:40]}" is not a timestamp') from None
    return Moment(ns)


@lru_cache(maxsize=4096)
def _seconds(text: str) -> int:
    """Whole seconds since 1970 of `2026-11-28T12:00:00` in UTC: what calls of one second have in common. Raises ValueError."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(text)
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)


@lru_cache(maxsize=4096)
def _rest_ns(text: str) -> int:
    """What `.123Z` or `+01:00` after that adds. Raises ValueError."""
    match = _REST.fullmatch(text)
    if match is None:
        raise ValueError(text)
    offset = (int(match[3]) * 60 + int(match[4])) * 60 if match[2] else 0
    part_ns = int((match[1] or "0").ljust(9, "0"))
    return part_ns + (offset if match[2] == "-" else -offset) * _SECOND


def moment_text(value: Moment) -> str:
    """RFC 3339 in UTC, as many digits as needed."""
    base = value.local(timedelta())
    rest = value.ns % _SECOND
    digits = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{base.year:04d}-{base:%m-%dT%H:%M:%S}{digits}Z"


def span(text: str) -> Span:
    """A duration like `1h30m` or `-1.5s`. Raises CelError."""
    body = text[1:] if text[:1] in ("-", "+") else text
    if body == "0":
        return Span(0)
    parts = _SPAN.findall(body)
    if not parts or "".join(n + u for n, u in parts) != body:
        raise CelError(f'"{text[:40]}" is not a duration')
    total = 0
    for number, unit in parts:
        whole, _, fraction = number.partition(".")
        total += int(whole or 0) * _UNITS[unit]
        total += int(fraction or 0) * _UNITS[unit] // 10 ** len(fraction)
    return Span(-total if text.startswith("-") else total)


def span_text(value: Span) -> str:
    """Seconds with as many digits as needed, `1.5s`."""
    whole, rest = divmod(abs(value.ns), _SECOND)
    digits = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{'-' if value.ns < 0 else ''}{whole}{digits}s"


def double_text(value: float) -> str:
    """The shortest text of a double."""
    if math.isinf(value) or math.isnan(value):
        return {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
    return repr(value).removesuffix(".0")
