"""Everything that a proof needs is read at once, however large the tree is."""

from hashlib import sha256
from typing import Any

import pytest

from audit.log.tiles import TileReader
from audit.merkle.proof import inclusion, verify_inclusion
from audit.merkle.tiles import Nodes, tiles_of
from audit.merkle.tree import TILE_WIDTH, root_of

SIZE = 66_000
LEAVES = [sha256(n.to_bytes(4, "big")).digest() for n in range(SIZE)]


def _levels() -> list[list[bytes]]:
    """The hashes that stand in the tiles of each level."""
    levels = [LEAVES]
    while len(levels[-1]) >= TILE_WIDTH:
        below = levels[-1]
        whole = range(0, len(below) // TILE_WIDTH * TILE_WIDTH, TILE_WIDTH)
        levels.append([root_of(below[at : at + TILE_WIDTH]) for at in whole])
    return levels


LEVELS = _levels()


class Rows:
    """A cursor over the full tiles; counts what is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self._rows: list[Any] = []

    def execute(self, query: str, params: Any = ()) -> None:
        assert "unnest" in query
        self.asked += 1
        levels, indexes, _ = params
        self._rows = [
            (level, index, b"".join(tile))
            for level, index in zip(levels, indexes, strict=True)
            if level < len(LEVELS)
            and len(tile := LEVELS[level][index * TILE_WIDTH : (index + 1) * TILE_WIDTH])
            == TILE_WIDTH
        ]

    def fetchone(self) -> Any:
        return None

    def fetchall(self) -> list[Any]:
        return self._rows


def _open_tiles() -> bytes:
    return b"".join(
        b"".join(LEVELS[level][index * TILE_WIDTH : index * TILE_WIDTH + width])
        for level, index, width in tiles_of(SIZE)
    )


@pytest.mark.parametrize("size", [1, 255, 256, 257, 30_000, 65_535, 65_536, 65_537, SIZE])
@pytest.mark.parametrize("at", [0, 0.37, 0.99, 1])
def test_one_query_brings_every_tile_of_a_proof(size: int, at: float) -> None:
    leaf = min(size - 1, int(size * at))
    rows = Rows()
    reader = TileReader(rows, 1, (SIZE, _open_tiles()))
    reader.fetch(leaf, size)
    nodes = Nodes(reader)
    path = inclusion(nodes, leaf, size)
    assert rows.asked <= 1
    root = nodes.range_root(0, size)
    verify_inclusion(leaf, size, LEAVES[leaf], path, root)
