"""Publish what is signed, in an order that a crash cannot hurt: tiles and entries, witnesses, then the checkpoint.

1. Read the newest signed head. 2. It must extend what the register holds and what the folder shows: else nothing is
written but the evidence. 3. Write tiles and bundles that are new. 4. Hand the head to the witnesses. 5. Replace
`checkpoint`. 6. Drop partial tiles that have become full.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from audit.log.tiles import Cursor
from audit.merkle.checkpoint import BadCheckpoint, Checkpoint
from audit.merkle.note import BadNote, VerifierKey, open_note
from audit.merkle.proof import consistency
from audit.merkle.tiles import MissingNode, Nodes, bundle_path, tile_path
from audit.merkle.tree import TILE_WIDTH
from audit.publication.folder import Folder
from audit.publication.reading import Newest, bundle, newest, tile, tiles_between
from audit.register.base import Ahead, Forked, Registered, extends

Cosign = Callable[[Newest], Sequence[str]]
"""The signature lines that witnesses gave for a head."""


class Refused(RuntimeError):
    """The log is not what was published or signed before; nothing new is shown."""


@dataclass(frozen=True, slots=True)
class Published:
    """What the folder shows now."""

    size: int
    checkpoint: str
    cosignatures: int


def nobody(_newest: Newest) -> Sequence[str]:
    """No witnesses."""
    return ()


class Publisher:
    """Brings one folder up to its log."""

    def __init__(
        self, folder: Folder, known: Iterable[VerifierKey], register: Registered | None = None
    ) -> None:
        self._folder = folder
        self._known = tuple(known)
        self._register = register

    def publish(self, cursor: Cursor, cosign: Cosign = nobody, log: int = 1) -> Published | None:
        """Publish the newest head; None before the first is signed.

        Raises Refused, RegisterError, reading.Missing, folder.Altered, OSError.
        """
        found = newest(cursor, log)
        if found is None:
            return None
        shown = self._shown(found.head.origin)
        self._compare(found, shown)
        old = shown[0].size if shown else 0
        self._folder.drop_drafts()
        self._write(cursor, log, found, old)
        lines = cosign(found)
        note = found.note + "".join(lines)
        if shown is None or shown[1] != note:
            self._folder.point(note)
        self._clean(old, found.head.size)
        return Published(found.head.size, note, len(lines))

    def _shown(self, origin: str) -> tuple[Checkpoint, str] | None:
        note = self._folder.checkpoint()
        if note is None:
            return None
        try:
            head = Checkpoint.parse(open_note(note, self._known).text)
        except (BadNote, BadCheckpoint) as error:
            raise Refused(f"the published checkpoint is none of ours: {error}") from error
        if head.origin != origin:
            raise Refused(
                f'the folder shows "{head.origin}"; set it aside before "{origin}" is published'
            )
        return head, note

    def _compare(self, found: Newest, shown: tuple[Checkpoint, str] | None) -> None:
        """Hold the head against the register and the folder; keep the evidence where they part."""
        try:
            open_note(found.note, self._known)
        except BadNote as error:
            raise Refused(
                f"the newest checkpoint is not signed by this log's key: {error}"
            ) from error
        held = self._register.held(found.head.origin) if self._register else None
        note = self._register.note if self._register else None
        for where, head, text in (
            ("register", held, note),
            ("published", shown[0] if shown else None, shown[1] if shown else None),
        ):
            # INVARIANT: what is shown only ever grows out of what was signed and shown before
            if head is None or text is None:
                continue
            try:
                extends(head, found.head, found.tiles.root)
            except Forked as error:
                path = self._folder.accuse(_evidence(where, head, text, found))
                raise Refused(f"{error} (evidence: forks/{path.name})") from error
            except Ahead as error:
                # the register moves just before the sequencer's commit; one that stays ahead the sequencer tells of
                if where == "published":
                    raise Refused(f"published: {error}") from error

    def _write(self, cursor: Cursor, log: int, found: Newest, old: int) -> None:
        for level, index, width in tiles_between(old, found.head.size):
            hashes = tile(found.tiles, level, index, width)
            self._folder.keep(tile_path(level, index, width), hashes)
            if level == 0:
                self._folder.keep(bundle_path(index, width), bundle(cursor, log, index, hashes))

    def _clean(self, old: int, new: int) -> None:
        level = 0
        while new >> (8 * (level + 1)):
            before, now = old >> (8 * level), new >> (8 * level)
            for index in range(max(0, before // TILE_WIDTH - 1), now // TILE_WIDTH):
                self._folder.drop_partial(tile_path(level, index))
                if level == 0:
                    self._folder.drop_partial(bundle_path(index))
            level += 1


def _evidence(where: str, held: Checkpoint, note: str, found: Newest) -> dict[str, object]:
    """Two signed notes that cannot both be true, and the proof that this database gives between their sizes."""
    try:
        path = consistency(Nodes(found.tiles), held.size, found.head.size)
    except MissingNode:
        path = []
    both = (note + found.note).encode()
    return {
        "where": where,
        "held": note,
        "held_size": held.size,
        "offered": found.note,
        "offered_size": found.head.size,
        "proof": [value.hex() for value in path],
        "digest": sha256(both).hexdigest()[:16],
    }
