"""Check a published folder by itself: from its entries to its signed root. No database; what it needs is the log's key."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from audit.merkle.bundle import BadBundle, unpack
from audit.merkle.checkpoint import BadCheckpoint, Checkpoint
from audit.merkle.note import BadNote, VerifierKey, open_note
from audit.merkle.tiles import bundle_path, tile_path
from audit.merkle.tree import HASH_BYTES, TILE_WIDTH, Tree, leaf_hash, open_widths, split
from audit.publication.folder import Folder

MOST_WRONG = 20


@dataclass(frozen=True, slots=True)
class Checked:
    """What a folder holds: the size of its log, its root, and what is wrong."""

    size: int
    root: str
    wrong: tuple[str, ...]


def check(folder: Folder, known: Iterable[VerifierKey], *, minimum: int = 0) -> Checked:
    """Derive every tile from the entries; below `minimum`, whose entries may have been pruned, from the leaves' tiles."""
    try:
        note = folder.checkpoint()
        if note is None:
            return Checked(0, "", ("there is no checkpoint",))
        head = Checkpoint.parse(open_note(note, known).text)
    except (BadNote, BadCheckpoint, OSError, UnicodeDecodeError) as error:
        return Checked(0, "", (f"checkpoint: {error}",))
    tree, wrong = Tree(), []
    for message in _walk(folder, head.size, tree, minimum):
        wrong.append(message)
        if len(wrong) == MOST_WRONG:
            break
    else:
        if tree.size == head.size and tree.root() != head.root:
            wrong.append("the entries lead to another root than the signed one")
    return Checked(head.size, tree.root().hex(), tuple(wrong))


def _walk(folder: Folder, size: int, tree: Tree, minimum: int) -> Iterator[str]:
    for index in range(-(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - index * TILE_WIDTH)
        try:
            leaves = _leaves(folder, index, width, pruned=(index + 1) * TILE_WIDTH <= minimum)
        except BadBundle as error:
            yield str(error)
            return
        for full in tree.extend(leaves):
            yield from _same(folder, tile_path(full.level, full.index), full.hashes)
    at = 0
    for level, width in enumerate(open_widths(size)):
        name = tile_path(level, size >> (8 * (level + 1)), width)
        end = at + width * HASH_BYTES
        if width:
            yield from _same(folder, name, tree.open_tiles[at:end])
        at = end


def _leaves(folder: Folder, index: int, width: int, *, pruned: bool) -> list[bytes]:
    """The leaf hashes of one bundle, from its entries, or from the tile where those are pruned. Raises BadBundle."""
    name = tile_path(0, index, width) if pruned else bundle_path(index, width)
    data = _read(folder, name)
    if data is None:
        raise BadBundle(f"{name} is missing")
    leaves = split(data) if pruned else [leaf_hash(entry) for entry in unpack(data)]
    if len(leaves) != width:
        raise BadBundle(f"{name} holds {len(leaves)} entries, not {width}")
    return leaves


def _same(folder: Folder, name: str, hashes: bytes) -> Iterator[str]:
    if _read(folder, name) != hashes:
        yield f"{name} is missing or does not follow from the entries"


def _read(folder: Folder, name: str) -> bytes | None:
    try:
        return (folder.root / name).read_bytes()
    except OSError:
        return None
