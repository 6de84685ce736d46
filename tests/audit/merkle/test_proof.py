from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.merkle.checkpoint import Checkpoint
from audit.merkle.note import BadNote, SignerKey, sign_note
from audit.merkle.proof import (
    BadProof,
    ProofFile,
    consistency,
    inclusion,
    verify_consistency,
    verify_inclusion,
)
from audit.merkle.tiles import MissingNode, Nodes, tile_path, tiles_of
from audit.merkle.tree import Tree, leaf_hash, node_hash, root_of
from tests.audit.merkle.test_tree import leaves
from tests.conformance import merkle


def nodes_of(size: int) -> Nodes:
    """Read nodes as a log does: full tiles as they were written, open ones from the tree's state."""
    tree = Tree()
    tiles = {(tile.level, tile.index): tile.hashes for tile in tree.extend(leaves(size))}
    at = 0
    for level, index, width in tiles_of(size):
        tiles[level, index] = tree.open_tiles[at : at + width * 32]
        at += width * 32
    return Nodes(lambda level, index: tiles.get((level, index), b""))


def test_every_proof_of_every_small_tree() -> None:
    for size in range(1, 70):
        hashes, nodes, root = leaves(size), nodes_of(size), root_of(leaves(size))
        for index in range(size):
            verify_inclusion(index, size, hashes[index], inclusion(nodes, index, size), root)
        for old in range(size + 1):
            path = consistency(nodes, old, size)
            verify_consistency(old, size, path, root_of(hashes[:old]), root)


@pytest.mark.parametrize("size", [255, 256, 257, 65_537, 70_000])
def test_proofs_across_tiles(size: int) -> None:
    hashes, nodes = leaves(size), nodes_of(size)
    root = root_of(hashes)
    for index in {0, 1, 254, size // 2, size - 1}:
        verify_inclusion(index, size, hashes[index], inclusion(nodes, index, size), root)
    for old in {1, 128, 200, 255, size // 3, size - 1, size}:
        path = consistency(nodes, old, size)
        verify_consistency(old, size, path, root_of(hashes[:old]), root)


def test_proofs_against_an_older_tree_come_from_the_tiles_of_the_newer() -> None:
    hashes, nodes = leaves(700), nodes_of(700)
    for size in (1, 255, 256, 300, 512, 699):
        root = root_of(hashes[:size])
        verify_inclusion(size - 1, size, hashes[size - 1], inclusion(nodes, size - 1, size), root)


@given(st.data())
def test_a_changed_proof_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 40))
    index = data.draw(st.integers(0, size - 1))
    hashes, path = leaves(size), inclusion(nodes_of(size), index, size)
    root = root_of(hashes)
    at, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
    changed = list(path)
    changed[at] = (int.from_bytes(path[at]) ^ 1 << bit).to_bytes(32)
    for bad in (changed, path[:-1], path[1:], [*path, hashes[0]], [*path, root]):
        with pytest.raises(BadProof):
            verify_inclusion(index, size, hashes[index], bad, root)
    other = data.draw(st.integers(-1, size).filter(lambda value: value != index))
    with pytest.raises(BadProof):
        verify_inclusion(other, size, hashes[index], path, root)


@given(st.integers(2, 60), st.data())
def test_a_changed_consistency_proof_is_refused(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size - 1))
    hashes, path = leaves(size), consistency(nodes_of(size), old, size)
    roots = root_of(hashes[:old]), root_of(hashes)
    for bad in (path[:-1], [*path, hashes[0]], [hashes[0], *path], path[::-1]):
        if bad != path:
            with pytest.raises(BadProof):
                verify_consistency(old, size, bad, *roots)
    with pytest.raises(BadProof):
        verify_consistency(old, size, path, hashes[-1], roots[1])
    with pytest.raises(BadProof):
        verify_consistency(size, old, path, *roots)


def test_a_node_is_no_leaf() -> None:
    hashes = leaves(4)
    inner = node_hash(hashes[0], hashes[1])
    with pytest.raises(BadProof):
        verify_inclusion(0, 4, leaf_hash(hashes[0] + hashes[1]), [inner], root_of(hashes))
    with pytest.raises(BadProof):
        verify_inclusion(0, 1, b"short", [], b"short")


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_there_is_no_proof_for_what_is_not_there(index: int, size: int) -> None:
    with pytest.raises(BadProof):
        inclusion(nodes_of(3), index, size)
    with pytest.raises(BadProof):
        consistency(nodes_of(3), 3, 2)


def test_a_missing_tile_is_named() -> None:
    with pytest.raises(MissingNode, match="tile 0 is too short"):
        inclusion(nodes_of(3), 0, 8)


def test_tiles_are_named_as_c2sp_does() -> None:
    assert tile_path(0, 0) == "tile/0/000"
    assert tile_path(1, 1_234_067, 77) == "tile/1/x001/x234/067.p/77"
    # the example of the specification: a tree of 70,000 leaves
    assert tiles_of(70_000) == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]


@pytest.fixture
def key() -> SignerKey:
    return SignerKey.generate("log.example/1")


def proof_file(key: SignerKey, extra: bytes | None = None) -> ProofFile:
    note = sign_note(Checkpoint("log.example/1", 9, root_of(leaves(9))).text(), key)
    return ProofFile(4, tuple(inclusion(nodes_of(9), 4, 9)), note, extra)


@pytest.mark.parametrize("extra", [None, b"", b"more"])
def test_a_proof_file_is_checked_offline(key: SignerKey, extra: bytes | None) -> None:
    made = proof_file(key, extra)
    text = str(made)
    assert text.startswith("c2sp.org/tlog-proof@v1\n")
    assert ProofFile.parse(text) == made
    assert ProofFile.parse(text).verify(b"4", [key.verifier]).size == 9
    with pytest.raises(BadProof):
        made.verify(b"5", [key.verifier])
    with pytest.raises(BadNote):
        made.verify(b"4", [SignerKey.generate("log.example/1").verifier])


def test_every_byte_of_a_proof_file_counts(key: SignerKey) -> None:
    text = str(proof_file(key)).encode()
    for at in range(len(text)):
        changed = text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :]
        with pytest.raises(ValueError, match=r"."):
            ProofFile.parse(changed.decode()).verify(b"4", [key.verifier])


@pytest.mark.needs_shared
def test_every_vector_of_rfc_6962(shared: Path) -> None:
    results = dict(merkle.run(shared / "vectors" / "merkle"))
    assert len(results) >= 92
    assert {name: wrong for name, wrong in results.items() if wrong} == {}
