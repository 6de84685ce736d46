"""Hold the log against a checkpoint that somebody kept: the one check that its owner, with the key, cannot prepare for."""

from collections.abc import Iterable

from audit.log.tiles import Cursor
from audit.merkle.checkpoint import BadCheckpoint, Checkpoint
from audit.merkle.note import BadNote, VerifierKey, open_note
from audit.publication.reading import newest
from audit.register.base import RegisterError, extends


def compare(cursor: Cursor, note: str, known: Iterable[VerifierKey], log: int = 1) -> str:
    """Say what is wrong; empty when the log's newest head grew out of the kept one."""
    try:
        held = Checkpoint.parse(open_note(note, known).text)
    except (BadNote, BadCheckpoint) as error:
        return f"the kept checkpoint is none of this log: {error}"
    found = newest(cursor, log)
    if found is None:
        return f"size {held.size} was signed before, the log has no checkpoint"
    try:
        extends(held, found.head, found.tiles.root)
    except RegisterError as error:
        return str(error)
    return ""
