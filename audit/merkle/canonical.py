"""Canonical JSON (RFC 8785): one value, one sequence of bytes. What is hashed or signed anywhere is written by this.

`dumps` is for our own values, which hold no floats: money and large counters are decimal strings. `transform` is for
JSON text of any origin.
"""

import json
from typing import Any

import msgspec
import rfc8785

MAX_INTEGER = 2**53 - 1
"""Beyond it a reader with IEEE doubles would see another number."""

_ENCODER = msgspec.json.Encoder(order="sorted")


class NotCanonical(ValueError):
    """The value has no canonical form that every reader would understand alike."""


def dumps(value: Any) -> bytes:  # noqa: ANN401 - whatever is not JSON is refused
    """The canonical bytes of None, bool, int, str, list, tuple and dict with str keys.

    Raises NotCanonical for anything else: floats, integers beyond ±(2^53 - 1), subclasses, lone surrogates.
    """
    try:
        if _plain(value):
            return _ENCODER.encode(value)
        return rfc8785.dumps(value)
    except (TypeError, UnicodeEncodeError, rfc8785.CanonicalizationError) as error:
        raise NotCanonical(f"not canonical JSON: {error}") from error
    except RecursionError as error:
        raise NotCanonical("not canonical JSON: nested too deeply") from error


def _plain(value: Any) -> bool:  # noqa: ANN401 - whatever is not JSON is refused
    """Refuse what may not be in it; False where msgspec's order of keys, by code point, need not be RFC 8785's."""
    kind = type(value)
    if kind is dict:
        return _plain_members(value)
    if kind is list or kind is tuple:
        # not all(): every item must be looked at, also after the first that is not plain
        return sum(not _plain(item) for item in value if type(item) is not str) == 0
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise NotCanonical(f"{value} is beyond 2^53 - 1; write it as a string")
        return True
    if kind is str or value is None or value is True or value is False:
        return True
    raise NotCanonical(
        f"a {kind.__name__} has no canonical form; use str, int, bool, None, list, dict"
    )


def _plain_members(value: dict[str, object]) -> bool:
    plain = "".join(value).isascii()
    for member in value.values():
        if type(member) is not str and not _plain(member):
            plain = False
    return plain


def transform(text: bytes) -> bytes:
    """JSON text to its canonical form, floats included. Raises NotCanonical, also for duplicate names and NaN."""
    try:
        value = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_number,
            parse_constant=_no_constant,
        )
        return rfc8785.dumps(value)
    except (ValueError, RecursionError) as error:
        raise NotCanonical(f"not JSON with a canonical form: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotCanonical("a name stands twice in one object")
    return members


def _number(digits: str) -> int | float:
    value = int(digits)
    return value if -MAX_INTEGER <= value <= MAX_INTEGER else float(digits)


def _no_constant(name: str) -> float:
    raise NotCanonical(f"{name} is not JSON")
