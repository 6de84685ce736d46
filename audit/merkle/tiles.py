"""Tiles as C2SP tlog-tiles names them, and the tree's nodes read out of tiles."""

import re
from collections.abc import Callable

from audit.merkle.tree import (
    HASH_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    node_hash,
    open_widths,
    root_of,
    split,
)

ReadTile = Callable[[int, int], bytes]
"""(tile level, tile index) to its hashes, end to end; an open tile gives as many as it has."""


_PATH = re.compile(
    r"tile/(entries|[0-7])/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII
)


class MissingNode(LookupError):
    """A tile is not there or is too short for the node that a proof needs."""


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return `tile/0/x001/x234/067`, with `.p/<width>` behind it for a partial tile."""
    return _path(str(level), index, width)


def bundle_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return `tile/entries/x001/x234/067`, with `.p/<width>` behind it for a partial bundle."""
    return _path("entries", index, width)


def parse_path(path: str) -> tuple[int | None, int, int]:
    """Read what the two functions above write: (level, or None for entries; index; width). Raises ValueError."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise ValueError(f'"{path[:80]}" names no tile')
    first, groups, partial = match.groups()
    level = None if first == "entries" else int(first)
    index = int(groups.replace("/", "").replace("x", ""))
    width = int(partial) if partial else TILE_WIDTH
    if (
        path != _path(first, index, width)
        or width > TILE_WIDTH
        or (partial and width == TILE_WIDTH)
    ):
        raise ValueError(f'"{path[:80]}" names no tile')
    return level, index, width


def _path(first: str, index: int, width: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{first}/{'/'.join(groups)}{partial}"


def tiles_of(size: int) -> list[tuple[int, int, int]]:
    """Return (level, index, width) of every tile of a tree of this size that is not full."""
    return [
        (level, size >> (TILE_HEIGHT * (level + 1)), width)
        for level, width in enumerate(open_widths(size))
        if width
    ]


class Nodes:
    """The nodes of a tree, read from tiles; every tile is read once."""

    def __init__(self, read_tile: ReadTile) -> None:
        self._read_tile = read_tile
        self._tiles: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        """Return the root of the perfect subtree of 2^level leaves that is `index`-th. Raises MissingNode."""
        tile_level, height = divmod(level, TILE_HEIGHT)
        first = index << height
        hashes = self._tile(tile_level, first // TILE_WIDTH)
        at = first % TILE_WIDTH * HASH_BYTES
        part = hashes[at : at + (HASH_BYTES << height)]
        if len(part) != HASH_BYTES << height:
            raise MissingNode(f"no node {index} at level {level}: tile {tile_level} is too short")
        return root_of(split(part))

    def range_root(self, begin: int, end: int) -> bytes:
        """Return the root over the leaves [begin, end); `begin` is a multiple of a power of 2 ≥ end - begin."""
        width = 1 << (end - begin - 1).bit_length() if end - begin > 1 else 1
        if width == end - begin:
            return self.node(width.bit_length() - 1, begin // width)
        middle = begin + width // 2
        return node_hash(self.range_root(begin, middle), self.range_root(middle, end))

    def _tile(self, level: int, index: int) -> bytes:
        key = (level, index)
        if key not in self._tiles:
            self._tiles[key] = self._read_tile(level, index)
        return self._tiles[key]
