"""Which of the log's keys signed a head: they only go forward, and each change of key is itself in the log before it counts."""

import json
from collections.abc import Sequence

from audit.log.tiles import Cursor
from audit.merkle.checkpoint import BadCheckpoint, Checkpoint
from audit.merkle.note import BadNote, VerifierKey, open_note

_ROTATIONS = """
SELECT l.index, e.body FROM audit_entry e JOIN audit_leaf l ON l.entry = e.id
 WHERE e.call IS NULL AND e.kind = 'log.key-rotated' AND l.log = %s AND l.index < %s ORDER BY l.index
"""


class Keyring:
    """The keys of one log, the oldest first, while its heads are gone through in order."""

    def __init__(self, cursor: Cursor, log: int, keys: Sequence[VerifierKey]) -> None:
        self._cursor = cursor
        self._log = log
        self._keys = list(keys)
        self._at: int | None = None
        self.signer = keys[-1]
        """Who signed the head that was looked at last."""

    def wrong(self, note: str, head: tuple[int, int, bytes], before: int) -> str:
        """What is wrong with a head (seq, size, root) that follows one of size `before`; empty when nothing is."""
        seq, size, root = head
        try:
            opened = open_note(note, self._keys)
            said = Checkpoint.parse(opened.text)
        except (BadNote, BadCheckpoint) as error:
            return f"its note: {error}"
        self.signer = opened.signed_by[0]
        if said != Checkpoint(self.signer.name, size, root):
            return "its note says another origin, size or root"
        return self._moved(seq, size, before)

    def _moved(self, seq: int, size: int, before: int) -> str:
        at, last = self._keys.index(self.signer), self._at
        if last is None:
            last = 0 if seq == 0 else at  # a check may begin in the middle
        self._at = at
        if at < last:
            return f'it is signed by a key of "{self.signer.name}" that was rotated out before'
        if at > last and not self._said(self.signer, size, before):
            return (
                f'it is signed by a new key of "{self.signer.name}" that no entry before it names'
            )
        return ""

    def _said(self, key: VerifierKey, size: int, before: int) -> bool:
        """Whether the old key's last head covers an entry that names the new one; after a restore the new key's first does."""
        self._cursor.execute(_ROTATIONS, [self._log, size])
        for index, body in self._cursor.fetchall():
            data = json.loads(bytes(body))["data"]
            if data.get("new") == str(key) and (index < before or data.get("restored") is True):
                return True
        return False
