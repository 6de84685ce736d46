"""What the checker hands to the compiler: the checked expression of every condition, and where its text stands."""

from collections.abc import Mapping
from hashlib import sha256

import msgspec

from policies.documents.spans import Span


class Form(msgspec.Struct, frozen=True, array_like=True):
    """One checked condition. `line` is that of its key; `spans` place its characters in the file."""

    checked: bytes
    text: str
    file: str
    line: int
    spans: tuple[tuple[int, int, int], ...]

    def line_at(self, offset: int) -> int:
        """The line of the character at an offset of the text."""
        found = self.line
        for start, line, _ in self.spans:
            if start > offset:
                break
            found = line
        return found


class CheckedForms(msgspec.Struct, frozen=True):
    """Every condition of a bundle by its identity; `checker` names who checked them.

    `places` has file and line of each Permission, for those that have no condition.
    """

    checker: str
    forms: Mapping[str, Form]
    places: Mapping[str, tuple[str, int]]

    def encode(self) -> bytes:
        """The bytes that are stored and whose SHA-256 `bundle.activated` carries."""
        return msgspec.msgpack.encode(self)

    def digest(self) -> bytes:
        """SHA-256 of the bytes."""
        return sha256(self.encode()).digest()


def decode(data: bytes) -> CheckedForms:
    """The reverse of `encode`. Raises msgspec.MsgspecError."""
    return msgspec.msgpack.decode(data, type=CheckedForms)


def form_key(identity: tuple[str, str, str], path: str) -> str:
    """The identity of a condition: kind, tenant and name of its document, and its path."""
    return "/".join((*identity, path))


def spans_of(spans: tuple[Span, ...]) -> tuple[tuple[int, int, int], ...]:
    """Spans as plain triples."""
    return tuple((s.offset, s.line, s.column) for s in spans)
