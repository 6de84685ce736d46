"""One pass over a JSON object: the values of its members and the exact places where they lie.

The standard library's C scanner reads each value, so a place costs no second parse. Places are indices into the text.
"""

import re
from collections.abc import Callable
from json import decoder
from json.decoder import JSONDecodeError, JSONDecoder
from typing import Any, Final, NamedTuple, cast

MAX_DEPTH: Final = 64

_MEMBER: Final = re.compile(r'[ \t\n\r]*"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*').match
_KEY: Final = re.compile(r'[ \t\n\r]*"').match
_COLON: Final = re.compile(r"[ \t\n\r]*:[ \t\n\r]*").match
_NEXT: Final = re.compile(r"[ \t\n\r]*([,}])").match
_OPEN: Final = re.compile(r"[ \t\n\r]*\{").match
_EMPTY: Final = re.compile(r"[ \t\n\r]*\}").match
_END: Final = re.compile(r"[ \t\n\r]*\Z").match
_string: Final = decoder.scanstring  # type: ignore[attr-defined]  # there since 2.6, not in typeshed


class NotReadable(Exception):
    """The text is not a JSON object as we accept it; `place` is an index into it, or None for the whole."""

    def __init__(self, reason: str, place: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.place = place


class Place(NamedTuple):
    """Where a member lies: its key's opening quote, its value's first character, the end of its value."""

    key: int
    start: int
    end: int


class Scanned(NamedTuple):
    """The members of one object."""

    values: dict[str, Any]
    places: dict[str, Place]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # add() is the side effect
        raise NotReadable(f'"{twice[:64]}" stands twice in one object; write it once')
    return found


def _no_constant(name: str) -> Any:  # noqa: ANN401  # the decoder's hook has this type
    raise NotReadable(f"{name} is not a JSON number")


Scan = Callable[[str, int], tuple[Any, int]]


def _scanner(decoder: JSONDecoder) -> Scan:
    return cast("Scan", decoder.scan_once)  # type: ignore[attr-defined]  # there since 2.6, not in typeshed


STRICT: Final = _scanner(JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant))
"""For callers: a key that stands twice could be read one way by us and another way by a model's provider."""

PLAIN: Final = _scanner(JSONDecoder())
"""For upstreams."""


def scan_object(text: str, scan: Scan, at: int = 0) -> Scanned:
    """The members of the object that is the whole text from `at`. Raises NotReadable."""
    opened = _OPEN(text, at)
    if opened is None:
        raise NotReadable("a JSON object is expected", at)
    values: dict[str, Any] = {}
    places: dict[str, Place] = {}
    here = opened.end()
    empty = _EMPTY(text, here)
    if empty is not None:
        return _ended(text, empty.end(), Scanned(values, places))
    while True:
        key, key_at, start = _member(text, here)
        if key in values:
            raise NotReadable(f'"{key[:64]}" stands twice in one object; write it once', key_at)
        values[key], end = _value(text, start, scan)
        places[key] = Place(key_at, start, end)
        follows = _NEXT(text, end)
        if follows is None:
            raise NotReadable('"," or "}" is expected', end)
        here = follows.end()
        if follows[1] == "}":
            return _ended(text, here, Scanned(values, places))


def _ended(text: str, at: int, scanned: Scanned) -> Scanned:
    if _END(text, at) is None:
        raise NotReadable("something follows the JSON object", at)
    return scanned


def _member(text: str, here: int) -> tuple[str, int, int]:
    plain = _MEMBER(text, here)
    if plain is not None:
        return plain[1], plain.start(1) - 1, plain.end()
    quote = _KEY(text, here)
    if quote is None:
        raise NotReadable("a member's name in double quotes is expected", here)
    try:
        key, end = _string(text, quote.end(), True)  # noqa: FBT003  # the C function takes no keywords
    except JSONDecodeError as problem:
        raise NotReadable(problem.msg.lower(), problem.pos) from None
    colon = _COLON(text, end)
    if colon is None:
        raise NotReadable('":" is expected', end)
    return key, quote.end() - 1, colon.end()


def _value(text: str, start: int, scan: Scan) -> tuple[Any, int]:
    try:
        return scan(text, start)
    except StopIteration as problem:
        raise NotReadable("a value is expected", problem.value) from None
    except JSONDecodeError as problem:
        raise NotReadable(problem.msg[0].lower() + problem.msg[1:], problem.pos) from None
    except RecursionError:
        raise NotReadable(f"it is nested deeper than {MAX_DEPTH} levels", start) from None
    except NotReadable as problem:
        raise NotReadable(problem.reason, start) from None
    except ValueError:
        # int() refuses numbers of more than 4,300 digits
        raise NotReadable("a number in it has too many digits", start) from None


def deeper_than(value: object, limit: int) -> bool:
    """Whether lists and objects nest deeper than `limit` levels. Walks level by level, without recursion."""
    level: list[Any] = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def without_member(text: str, place: Place) -> tuple[int, int]:
    """The stretch to cut so that the member, and one comma beside it, is gone."""
    before = len(text[: place.key].rstrip(" \t\n\r"))
    if text[before - 1] == ",":
        return before - 1, place.end
    after = _NEXT(text, place.end)
    if after is not None and after[1] == ",":
        return place.key, after.end()
    return place.key, place.end
