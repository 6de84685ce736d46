"""The body of `add-checkpoint` (C2SP tlog-witness): an old size, a consistency proof, an empty line, a signed checkpoint."""

import base64
from dataclasses import dataclass
from typing import Self

from audit.merkle.checkpoint import parse_size
from audit.merkle.note import decode_base64
from audit.merkle.tree import HASH_BYTES

MOST_PROOF_LINES = 63
MOST_BODY_BYTES = 64 * 1024


class BadRequest(ValueError):
    """The body is no such request."""


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """One request."""

    old: int
    proof: tuple[bytes, ...]
    note: str

    def __str__(self) -> str:
        lines = [base64.b64encode(value).decode("ascii") for value in self.proof]
        return "\n".join([f"old {self.old}", *lines, "", self.note])

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Take the body apart. Raises BadRequest."""
        try:
            head, separator, note = body.decode("utf-8").partition("\n\n")
        except UnicodeDecodeError as error:
            raise BadRequest("the body is not UTF-8") from error
        lines = head.split("\n")
        if not separator or not lines[0].startswith("old "):
            raise BadRequest('a request begins with a line "old SIZE" and holds an empty one')
        if len(lines) > MOST_PROOF_LINES + 1:
            raise BadRequest(f"a proof has at most {MOST_PROOF_LINES} lines")
        try:
            old = parse_size(lines[0].removeprefix("old "))
            proof = tuple(decode_base64(line) for line in lines[1:])
        except ValueError as error:
            raise BadRequest(str(error)) from error
        if any(len(value) != HASH_BYTES for value in proof):
            raise BadRequest(f"a hash has {HASH_BYTES} bytes")
        return cls(old, proof, note)
