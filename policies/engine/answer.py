"""What an answer says, as conditions read it: its words, and their value where they are JSON."""

import json
from dataclasses import dataclass
from typing import Any, Final

from policies.documents.limits import ANSWER_VALUES
from policies.engine.values import INT_MAX, INT_MIN, Value

MOST_DEPTH: Final = 64
"""Levels of an answer that is read as JSON; `limits.ANSWER_VALUES` says how many values."""


@dataclass(frozen=True, slots=True)
class Output:
    """What an answer says: content, never recorded. `json` is None where the text is none."""

    text: str = ""
    json: Value = None


def parsed(text: str) -> tuple[Any, bool]:
    """The value of a text, and whether it is JSON (of at most 64 levels and 8,192 values; NaN and Infinity are none)."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None, False
    fits = _fits(value)
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


def _fits(value: object) -> bool:
    """Whether it has no more levels and values than conditions may go through."""
    depth, count, level = 0, 0, [value]
    while level:
        depth, count = depth + 1, count + len(level)
        if depth > MOST_DEPTH or count > ANSWER_VALUES.most:
            return False
        level = [
            inner
            for one in level
            if isinstance(one, list | dict)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return True
