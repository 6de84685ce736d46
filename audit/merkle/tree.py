"""The Merkle tree of RFC 6962 over SHA-256, kept as tiles of 256 hashes so that it grows in small steps."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

HASH_BYTES = 32
TILE_WIDTH = 256
TILE_BYTES = TILE_WIDTH * HASH_BYTES
TILE_HEIGHT = 8
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash a leaf's data; the first byte keeps leaves apart from nodes."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two children."""
    return hashlib.sha256(b"\1" + left + right).digest()


def split(hashes: bytes) -> list[bytes]:
    """Take apart hashes that lie end to end."""
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes, all at once: level by level, an odd last one is carried up."""
    level = list(leaves)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        pairs = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = pairs + level[len(level) & ~1 :]
    return level[0]


@dataclass(frozen=True, slots=True)
class FullTile:
    """256 hashes of one tile level: level 0 holds leaves, level n the roots of full tiles of level n - 1."""

    level: int
    index: int
    hashes: bytes


class BadTree(ValueError):
    """The open tiles do not fit the size they are said to belong to."""


class Tree:
    """A tree that only grows: its size and the tiles that are not full yet, at most 255 hashes a level."""

    def __init__(self, size: int = 0, open_tiles: bytes = b"") -> None:
        """Take up a tree where `size` and `open_tiles` (level 0 first) left it. Raises BadTree."""
        widths = open_widths(size)
        if len(open_tiles) != sum(widths) * HASH_BYTES:
            raise BadTree(f"{len(open_tiles)} bytes of open tiles do not belong to size {size}")
        self.size = size
        self._open: list[bytearray] = []
        at = 0
        for width in widths:
            self._open.append(bytearray(open_tiles[at : at + width * HASH_BYTES]))
            at += width * HASH_BYTES
        # the roots of the perfect subtrees that the leaves fall into, the largest first
        self._perfect = [
            root for tile in reversed(self._open) for root in _perfect_parts(split(bytes(tile)))
        ]

    @property
    def open_tiles(self) -> bytes:
        """The hashes of all tiles that are not full, level 0 first."""
        return b"".join(self._open)

    def extend(self, leaves: Iterable[bytes]) -> list[FullTile]:
        """Append leaf hashes; return the tiles that became full, in the order in which they did."""
        full: list[FullTile] = []
        for leaf in leaves:
            self._push(leaf, full)
        return full

    def root(self) -> bytes:
        """Return the root over all leaves so far: one hash for each perfect subtree."""
        if not self._perfect:
            return EMPTY_ROOT
        value = self._perfect[-1]
        for left in reversed(self._perfect[:-1]):
            value = node_hash(left, value)
        return value

    def _push(self, leaf: bytes, full: list[FullTile]) -> None:
        value, height, position = leaf, 0, self.size
        self.size += 1
        self._add(0, leaf)
        while position & 1:
            value = node_hash(self._perfect.pop(), value)
            position >>= 1
            height += 1
            if height % TILE_HEIGHT == 0:
                level = height // TILE_HEIGHT
                full.append(FullTile(level - 1, position, bytes(self._open[level - 1])))
                self._open[level - 1].clear()
                self._add(level, value)
        self._perfect.append(value)

    def _add(self, level: int, value: bytes) -> None:
        if level == len(self._open):
            self._open.append(bytearray())
        self._open[level] += value


def open_widths(size: int) -> list[int]:
    """How many hashes the open tile of each level holds in a tree of this size, level 0 first."""
    widths = []
    while size:
        widths.append(size % TILE_WIDTH)
        size //= TILE_WIDTH
    return widths


def _perfect_parts(hashes: list[bytes]) -> Iterator[bytes]:
    """Yield the roots of the perfect subtrees over the hashes, the first and largest first."""
    begin, end = 0, len(hashes)
    while begin < end:
        width = 1 << (end - begin).bit_length() - 1
        yield root_of(hashes[begin : begin + width])
        begin += width
