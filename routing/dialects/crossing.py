"""What both dialects need to read a request as a `Conversation`: nothing of it may be dropped unseen."""

import json
from collections.abc import Container
from typing import Any, NoReturn

from controlplane.kernel.errors import InvalidRequest
from routing.exchange import Conversation

EMPTY: Container[object] = (None, "", [], {})


class Unplaced:
    """Collects what a Conversation has no place for (`extras`) and what may be left out (`hints`), each named once."""

    def __init__(self) -> None:
        self._extras: dict[str, None] = {}
        self._hints: dict[str, None] = {}

    def refuse(self, name: str) -> None:
        """This cannot be carried to another dialect."""
        self._extras[name] = None

    def skip(self, name: str) -> None:
        """This may be left out, and is reported."""
        self._hints[name] = None

    def rest(
        self, found: dict[str, Any], where: str, known: Container[str], hints: Container[str] = ()
    ) -> None:
        """Everything of an object that is not known: a field with an empty value asks for nothing."""
        for name, value in found.items():
            if name in known or value in EMPTY:
                continue
            if name in hints:
                self.skip(where + name)
            else:
                self.refuse(where + name)

    @property
    def extras(self) -> tuple[str, ...]:
        """In the order found."""
        return tuple(self._extras)

    @property
    def hints(self) -> tuple[str, ...]:
        """In the order found."""
        return tuple(self._hints)


def loaded(raw: bytes) -> dict[str, Any]:
    """A received body as values. Raises InvalidRequest for a number that no one could write again."""
    found: dict[str, Any] = json.loads(raw, parse_float=_finite)
    return found


def _finite(text: str) -> float:
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        raise InvalidRequest(
            f"the number {text[:20]} is too large to be carried to another dialect"
        )
    return value


def wrong(where: str, expected: str) -> NoReturn:
    """Refuse a request whose form is not the dialect's. Content is not quoted, its place is."""
    raise InvalidRequest(f'"{where}" is not as expected; send {expected}')


def text_of(found: dict[str, Any], name: str, where: str) -> str:
    """A string that must be there. Raises InvalidRequest."""
    value = found.get(name)
    if type(value) is not str:
        wrong(f"{where}.{name}", "a string")
    return value


def list_of(value: object, where: str) -> list[dict[str, Any]]:
    """A list of objects. Raises InvalidRequest."""
    if type(value) is not list or any(type(item) is not dict for item in value):
        wrong(where, "a list of objects")
    return value


def number_refusals(conversation: Conversation, *, fields: tuple[str, ...]) -> list[str]:
    """Of these number fields, those that ask for something: set, and not zero."""
    return [name for name in fields if getattr(conversation, name) not in (None, 0)]
