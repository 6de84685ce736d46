"""Inclusion and consistency proofs: made from tiles, checked as RFC 9162 (2.1.3.2, 2.1.4.2) says, and strictly."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from audit.merkle.checkpoint import Checkpoint, parse_size
from audit.merkle.note import VerifierKey, decode_base64, open_note
from audit.merkle.tiles import Nodes
from audit.merkle.tree import HASH_BYTES, leaf_hash, node_hash

_HEADER = "c2sp.org/tlog-proof@v1"


class BadProof(ValueError):
    """The proof does not show what it is said to show."""


def inclusion(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """Return the path from leaf `index` to the root of the tree of `size` leaves, the leaf's sibling first."""
    if not 0 <= index < size:
        raise BadProof(f"there is no leaf {index} in a tree of size {size}")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split_point(end - begin)
        if index < middle:
            path.append(nodes.range_root(middle, end))
            end = middle
        else:
            path.append(nodes.range_root(begin, middle))
            begin = middle
    return path[::-1]


def consistency(nodes: Nodes, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of `new` leaves begins with the one of `old` leaves."""
    if not 0 <= old <= new:
        raise BadProof(f"a tree of size {old} is not the beginning of one of size {new}")
    if old in {0, new}:
        return []
    path: list[bytes] = []
    begin, end, whole = 0, new, True
    while old != end:
        middle = begin + _split_point(end - begin)
        if old <= middle:
            path.append(nodes.range_root(middle, end))
            end = middle
        else:
            path.append(nodes.range_root(begin, middle))
            begin, whole = middle, False
    if not whole:
        path.append(nodes.range_root(begin, end))
    return path[::-1]


def verify_inclusion(
    index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes
) -> None:
    """Check that the leaf hash is the `index`-th of the tree with this size and root. Raises BadProof."""
    if not 0 <= index < size:
        raise BadProof(f"there is no leaf {index} in a tree of size {size}")
    _check_hashes([leaf, *path])
    position, last, value = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise BadProof("the path is too long")
        if position & 1 or position == last:
            value = node_hash(sibling, value)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise BadProof("the path is too short")
    if value != root:
        raise BadProof("the path leads to another root")


def verify_consistency(
    old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Check that the tree of `new` leaves begins with that of `old` leaves. Raises BadProof."""
    if not 0 <= old <= new:
        raise BadProof(f"a tree of size {old} is not the beginning of one of size {new}")
    _check_hashes(path)
    if old in {0, new}:
        if path:
            raise BadProof("this proof must be empty")
        if old == new and old_root != new_root:
            raise BadProof("trees of the same size have different roots")
        return
    whole = [old_root] if old & (old - 1) == 0 else []
    if _fold(old, new, [*whole, *path]) != (old_root, new_root):
        raise BadProof("the proof leads to other roots")


def _fold(old: int, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the roots of both trees that the proof leads to; its first hash is a node of both."""
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    if not path:
        raise BadProof("the proof is too short")
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise BadProof("the proof is too long")
        if position & 1 or position == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise BadProof("the proof is too short")
    return first, second


@dataclass(frozen=True, slots=True)
class ProofFile:
    """A `.tlog-proof` (C2SP tlog-proof): everything needed to check one entry offline, but for the entry and the keys."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def __str__(self) -> str:
        extra = [] if self.extra is None else [f"extra {_encode(self.extra)}"]
        path = [_encode(value) for value in self.path]
        return "\n".join([_HEADER, *extra, f"index {self.index}", *path, "", self.checkpoint])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take the text apart. Raises BadProof."""
        head, separator, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if not separator or lines.pop(0) != _HEADER:
            raise BadProof(f'a proof begins with the line "{_HEADER}" and holds an empty one')
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = _decode(lines.pop(0).removeprefix("extra "))
        if not lines or not lines[0].startswith("index "):
            raise BadProof("the line with the index is missing")
        index = parse_size(lines.pop(0).removeprefix("index "))
        return cls(index, tuple(_decode(line) for line in lines), checkpoint, extra)

    def verify(self, data: bytes, known: Iterable[VerifierKey]) -> Checkpoint:
        """Check that `data` is this entry of a log whose key is known; return the signed checkpoint.

        Raises BadProof and `note.BadNote`.
        """
        head = Checkpoint.parse(open_note(self.checkpoint, known).text)
        verify_inclusion(self.index, head.size, leaf_hash(data), self.path, head.root)
        return head


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _decode(text: str) -> bytes:
    try:
        return decode_base64(text)
    except ValueError as error:
        raise BadProof(str(error)) from error


def _split_point(width: int) -> int:
    return 1 << (width - 1).bit_length() - 1


def _check_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(value) != HASH_BYTES for value in hashes):
        raise BadProof(f"a hash has {HASH_BYTES} bytes")
