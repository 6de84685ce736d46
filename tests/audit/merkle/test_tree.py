import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.merkle.tree import (
    EMPTY_ROOT,
    TILE_BYTES,
    BadTree,
    FullTile,
    Tree,
    leaf_hash,
    node_hash,
    root_of,
    split,
)


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(count)]


def reference(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962, 2.1, word by word."""
    if len(hashes) == 1:
        return hashes[0]
    middle = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(reference(hashes[:middle]), reference(hashes[middle:]))


def test_hashes_are_those_of_rfc_6962() -> None:
    assert EMPTY_ROOT.hex().startswith("e3b0c44298fc1c149afbf4c8996fb924")
    assert leaf_hash(b"").hex().startswith("6e340b9cffb37a989ca544e6bb780a2c")
    assert node_hash(b"a", b"b") == hashlib.sha256(b"\x01ab").digest()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 255, 256, 257, 511, 512, 513, 1000])
def test_the_root_is_the_one_of_the_rfc(size: int) -> None:
    hashes = leaves(size)
    tree = Tree()
    tree.extend(hashes)
    assert tree.root() == root_of(hashes) == reference(hashes)


def test_an_empty_tree() -> None:
    assert (Tree().root(), Tree().open_tiles, root_of([])) == (EMPTY_ROOT, b"", EMPTY_ROOT)


@given(st.lists(st.integers(0, 300), max_size=12))
def test_growing_in_steps_equals_growing_at_once(steps: list[int]) -> None:
    hashes = leaves(sum(steps))
    at_once = Tree()
    tiles_at_once = at_once.extend(hashes)
    size, open_tiles, tiles, done = 0, b"", list[FullTile](), 0
    for step in steps:
        tree = Tree(size, open_tiles)
        tiles += tree.extend(hashes[done : done + step])
        done += step
        size, open_tiles = tree.size, tree.open_tiles
    assert (size, open_tiles, tiles) == (at_once.size, at_once.open_tiles, tiles_at_once)
    assert Tree(size, open_tiles).root() == root_of(hashes)


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 70_000])
def test_full_tiles_over_three_levels(size: int) -> None:
    hashes = leaves(size)
    tree = Tree()
    tiles = tree.extend(hashes)
    assert tree.root() == root_of(hashes)
    counts = [sum(tile.level == level for tile in tiles) for level in (0, 1, 2)]
    assert counts == [size // 256, size // 65_536, 0]
    assert all(len(tile.hashes) == TILE_BYTES for tile in tiles)
    first = next(tile for tile in tiles if tile.level == 0)
    assert (first.index, split(first.hashes)) == (0, hashes[:256])
    assert [tile.index for tile in tiles if tile.level == 0] == list(range(size // 256))


@pytest.mark.parametrize(("size", "open_tiles"), [(1, b""), (0, b"x" * 32), (256, b""), (3, b"y")])
def test_open_tiles_that_do_not_fit_the_size_are_refused(size: int, open_tiles: bytes) -> None:
    with pytest.raises(BadTree):
        Tree(size, open_tiles)
