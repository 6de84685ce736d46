"""What an answer says, as conditions read it: its words, and their value where they are JSON."""

import json
from typing import Any, Final

from policies.engine.values import INT_MAX, INT_MIN, Value
from policies.engine.weigh import Output

MOST_DEPTH: Final = 64


def parsed(text: str) -> tuple[Any, bool]:
    """The value of a text, and whether it is JSON (of at most 64 levels; NaN and Infinity are none)."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None, False
    fits = _depth(value) <= MOST_DEPTH
    return (value if fits else None), fits


def output_of(text: str) -> Output:
    """An answer's text as conditions read it."""
    value, is_json = parsed(text)
    return Output(text, cel_value(value) if is_json else None)


def cel_value(value: Any) -> Value:  # noqa: ANN401  # any JSON value
    """A JSON value as conditions have it: lists are tuples, whole numbers beyond 64 bits are doubles."""
    if isinstance(value, list):
        return tuple(cel_value(one) for one in value)
    if isinstance(value, dict):
        return {name: cel_value(one) for name, one in value.items()}
    if isinstance(value, int) and not isinstance(value, bool):
        return value if INT_MIN <= value <= INT_MAX else float(value)
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _depth(value: object) -> int:
    """How deep a value is nested, up to one more than is allowed."""
    deepest, level = 0, [value]
    while level and deepest <= MOST_DEPTH:
        deepest += 1
        level = [
            inner
            for one in level
            if isinstance(one, list | dict)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return deepest
