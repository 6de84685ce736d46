"""Read tiles out of the database: full ones from their rows, open ones from the tree's state."""

from typing import Any, Protocol

from audit.merkle.tiles import tiles_of
from audit.merkle.tree import HASH_BYTES


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

    def __init__(self, cursor: Cursor, log: int) -> None:
        """Take the state first: every tile that is full in it has its row already."""
        self._cursor = cursor
        self._log = log
        self._open: dict[tuple[int, int], bytes] = {}
        cursor.execute("SELECT size, open_tiles FROM audit_tree_state WHERE log = %s", [log])
        size, hashes = cursor.fetchone() or (0, b"")
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

    def open_tiles(self, size: int) -> bytes:
        """Return the open tiles that the tree had when it had `size` leaves, level 0 first."""
        return b"".join(
            self(level, index)[: width * HASH_BYTES] for level, index, width in tiles_of(size)
        )
