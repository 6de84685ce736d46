"""What is published, read out of the log's tables: the newest signed head, the tiles under it, bundles of entries."""

from collections.abc import Iterator
from dataclasses import dataclass

from audit.log.tiles import Cursor, TileReader
from audit.merkle.bundle import pack
from audit.merkle.checkpoint import Checkpoint
from audit.merkle.tree import HASH_BYTES, TILE_WIDTH, leaf_hash, split

_NEWEST = """
SELECT c.size, c.root, c.note, s.size, s.open_tiles FROM audit_tree_state s
  JOIN LATERAL (SELECT size, root, note FROM audit_checkpoint WHERE log = s.log ORDER BY seq DESC LIMIT 1) c ON true
 WHERE s.log = %s
"""
_BODIES = """
SELECT e.body FROM audit_leaf l JOIN audit_entry e ON e.id = l.entry
 WHERE l.log = %s AND l.index >= %s AND l.index < %s ORDER BY l.index
"""


class Missing(LookupError):
    """Entries or tiles that should be there are not, or do not fit their hashes."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest signed head, its note, and the tiles under it."""

    head: Checkpoint
    note: str
    tiles: TileReader


def newest(cursor: Cursor, log: int = 1) -> Newest | None:
    """The newest checkpoint; None before the first. One statement, so that state and checkpoint belong together."""
    cursor.execute(_NEWEST, [log])
    row = cursor.fetchone()
    if row is None:
        return None
    size, root, note, tree_size, open_tiles = row
    origin = note.partition("\n")[0]
    reader = TileReader(cursor, log, (tree_size, bytes(open_tiles)))
    return Newest(Checkpoint(origin, size, bytes(root)), note, reader)


def tile(tiles: TileReader, level: int, index: int, width: int) -> bytes:
    """The first `width` hashes of a tile. Raises Missing."""
    hashes = tiles(level, index)[: width * HASH_BYTES]
    if len(hashes) != width * HASH_BYTES:
        raise Missing(f"tile {level}/{index} has fewer than {width} hashes")
    return hashes


def bundle(cursor: Cursor, log: int, index: int, hashes: bytes) -> bytes:
    """The bundle of entries whose leaves have these hashes. Raises Missing, also where an entry does not fit its hash."""
    first, wanted = index * TILE_WIDTH, split(hashes)
    cursor.execute(_BODIES, [log, first, first + len(wanted)])
    bodies = [bytes(row[0]) for row in cursor.fetchall()]
    if [leaf_hash(body) for body in bodies] != wanted:
        raise Missing(
            f"the entries from {first} to {first + len(wanted) - 1} do not fit their hashes"
        )
    return pack(bodies)


def tiles_between(old: int, new: int) -> Iterator[tuple[int, int, int]]:
    """Yield (level, index, width) of every tile that a tree of `new` leaves has and one of `old` has not, or not so wide."""
    level = 0
    while new >> (8 * level):
        before, now = old >> (8 * level), new >> (8 * level)
        for index in range(before // TILE_WIDTH, -(-now // TILE_WIDTH)):
            yield level, index, min(TILE_WIDTH, now - index * TILE_WIDTH)
        level += 1
