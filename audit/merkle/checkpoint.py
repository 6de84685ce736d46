"""Checkpoints (C2SP tlog-checkpoint): the text of a signed tree head."""

import base64
from dataclasses import dataclass
from typing import Self

from audit.merkle.note import decode_base64
from audit.merkle.tree import HASH_BYTES


class BadCheckpoint(ValueError):
    """The text is no checkpoint: origin, size and root, a line each."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: which log, how many leaves, which root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return what is signed. We write no extension lines: nobody could audit them."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode('ascii')}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a note's text; extension lines are allowed and left out. Raises BadCheckpoint."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() or not all(lines):
            raise BadCheckpoint("a checkpoint has three lines or more, none of them empty")
        try:
            size, root = parse_size(lines[1]), decode_base64(lines[2])
        except ValueError as error:
            raise BadCheckpoint(str(error)) from error
        if len(root) != HASH_BYTES:
            raise BadCheckpoint(f"a root has {HASH_BYTES} bytes, not {len(root)}")
        return cls(lines[0], size, root)


def parse_size(text: str) -> int:
    """Read a whole number without sign or leading zeroes, below 2^63. Raises BadCheckpoint."""
    if not (text.isascii() and text.isdigit() and len(text) < 20) or str(int(text)) != text:
        raise BadCheckpoint(f'"{text[:40]}" is no size: write it in digits, without leading zeroes')
    if int(text) >= 2**63:
        raise BadCheckpoint(f'"{text}" is no size that a log could have')
    return int(text)
