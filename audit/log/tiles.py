"""Read tiles out of the database: full ones from their rows, open ones from the tree's state."""

from typing import Any, Protocol

from audit.merkle.tiles import tiles_of
from audit.merkle.tree import HASH_BYTES, TILE_HEIGHT, Tree


class Cursor(Protocol):
    """What is needed of a database cursor, Django's or psycopg's."""

    def execute(self, query: Any, params: Any = ..., /) -> object:  # noqa: ANN401 - two libraries' own
        """Run the query."""

    def fetchone(self) -> Any:  # noqa: ANN401 - a row of any shape
        """Return the next row or None."""

    def fetchall(self) -> list[Any]:
        """Return all rows."""


class TileReader:
    """The `ReadTile` of a log, for `Nodes`."""

    def __init__(self, cursor: Cursor, log: int, state: tuple[int, bytes] | None = None) -> None:
        """Take the state first, unless it was read already: every tile that is full in it has its row already."""
        self._cursor = cursor
        self._log = log
        self._open: dict[tuple[int, int], bytes] = {}
        if state is None:
            cursor.execute("SELECT size, open_tiles FROM audit_tree_state WHERE log = %s", [log])
            state = cursor.fetchone() or (0, b"")
        size, hashes = state
        at = 0
        for level, index, width in tiles_of(size):
            self._open[level, index] = bytes(hashes[at : at + width * HASH_BYTES])
            at += width * HASH_BYTES

    def __call__(self, level: int, index: int) -> bytes:
        """Return the tile's hashes end to end, as many as there are."""
        return self._open.get((level, index)) or self.full(level, index) or b""

    def full(self, level: int, index: int) -> bytes | None:
        """Return a full tile as it is stored; None when there is none."""
        self._cursor.execute(
            "SELECT hashes FROM audit_tile WHERE log = %s AND level = %s AND index = %s",
            [self._log, level, index],
        )
        row = self._cursor.fetchone()
        return None if row is None else bytes(row[0])

    def fetch(self, leaf: int, size: int) -> None:
        """Read at once every tile that the proof of a leaf in a tree of this size can need."""
        wanted = set()
        for level in range(size.bit_length() // TILE_HEIGHT + 1):
            shift = TILE_HEIGHT * (level + 1)
            wanted |= {(level, leaf >> shift), (level, size >> shift)}
        missing = sorted(wanted - self._open.keys())
        if not missing:
            return
        self._cursor.execute(
            "SELECT t.level, t.index, t.hashes FROM unnest(%s::smallint[], %s::bigint[]) w (level, index) "
            "JOIN audit_tile t ON t.log = %s AND t.level = w.level AND t.index = w.index",
            [[level for level, _ in missing], [index for _, index in missing], self._log],
        )
        for level, index, hashes in self._cursor.fetchall():
            self._open[level, index] = bytes(hashes)

    def open_tiles(self, size: int) -> bytes:
        """Return the open tiles that the tree had when it had `size` leaves, level 0 first."""
        return b"".join(
            self(level, index)[: width * HASH_BYTES] for level, index, width in tiles_of(size)
        )

    def root(self, size: int) -> bytes:
        """Return the root that the tree had at this size. Raises BadTree where tiles are missing."""
        return Tree(size, self.open_tiles(size)).root()
