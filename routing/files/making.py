"""The job: take the file that has waited longest, have it made, and write its bytes piece by piece."""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Final
from uuid import UUID

from controlplane.kernel.errors import MandateError
from controlplane.kernel.principal import Principal
from routing.files import commands
from routing.files.kinds import Kind
from routing.files.models import File

PIECE_BYTES: Final = 1_048_576
Make = Callable[[File, Principal], Iterable[bytes]]
"""The bytes of a file, in pieces of any size. It says how far it is by `said`, or sets `done` of the row."""


class TakenAwayError(Exception):
    """Another worker has the file now."""


def make_next(kind: Kind, make: Make) -> UUID | None:
    """Make a file to its end; None when none waits, or another worker took it. What has expired goes first."""
    commands.expire(kind)
    claimed = commands.claim(kind)
    if claimed is None:
        return None
    row, principal = claimed
    digest = sha256()
    try:
        for piece in pieces(make(row, principal)):
            digest.update(piece)
            if not commands.keep(row, piece):
                return None
        commands.finish(row, digest.hexdigest())
    except MandateError as error:
        commands.broke(row, error.message)
    except TakenAwayError:
        return None
    return row.id


def said(row: File, *, rows: int, done: int) -> None:
    """Say how far it is. Raises TakenAwayError."""
    if not commands.progress(row, rows=rows, done=done):
        raise TakenAwayError


def pieces(data: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a stream into pieces of one size."""
    held = bytearray()
    for each in data:
        held += each
        while len(held) >= PIECE_BYTES:
            yield bytes(held[:PIECE_BYTES])
            del held[:PIECE_BYTES]
    if held:
        yield bytes(held)
