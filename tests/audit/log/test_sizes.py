"""The sizes at which tiles fill up: the tree in the database grows step by step to what it would be if it were made at once."""

import hashlib
from collections.abc import Iterator

import pytest

from audit.log.running import connect
from audit.log.sequence import Sequencer
from audit.merkle.tree import leaf_hash, root_of
from tests.audit.conftest import IDS, LogDatabase, an_entry

SIZES = (1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000)
COPY = "COPY audit_entry (id, kind, tenant, body) FROM STDIN"


def grow(log: LogDatabase, count: int) -> None:
    """So many entries at once, each with its own id in its bytes."""
    made = an_entry()
    old = made.id.hex.encode()
    with log.app() as db, db.cursor() as cursor, cursor.copy(COPY) as rows:
        for _ in range(count):
            new = IDS.new()
            rows.write_row((new, made.kind, "", made.body.replace(old, new.hex.encode())))


def heads(log: LogDatabase) -> Iterator[tuple[int, bytes]]:
    """Grow to each size and sign it: the newest checkpoint's size and root."""
    before = 0
    for size in SIZES:
        grow(log, size - before)
        before = size
        log.sequence()
        with log.app() as db:
            yield from db.execute(
                "SELECT size, root FROM audit_checkpoint ORDER BY seq DESC LIMIT 1"
            ).fetchall()


@pytest.mark.slow
def test_the_tree_is_the_same_however_it_grew(log_db: LogDatabase) -> None:
    signed = list(heads(log_db))
    with log_db.app() as db:
        bodies = db.execute(
            "SELECT e.body FROM audit_leaf l JOIN audit_entry e ON e.id = l.entry ORDER BY l.index"
        ).fetchall()
        tiles = db.execute(
            "SELECT level, index, hashes FROM audit_tile ORDER BY level, index"
        ).fetchall()
    leaves = [leaf_hash(bytes(body)) for (body,) in bodies]
    assert signed == [(size, root_of(leaves[:size])) for size in SIZES]
    assert [level for level, *_ in tiles] == [0] * (70_000 // 256) + [1]
    assert [hashes for level, _, hashes in tiles if level == 0] == [
        b"".join(leaves[at : at + 256]) for at in range(0, 70_000 - 255, 256)
    ]
    (upper,) = [hashes for level, _, hashes in tiles if level == 1]
    assert upper == b"".join(root_of(leaves[at : at + 256]) for at in range(0, 65_536, 256))
    assert log_db.verify().findings == ()


def test_an_entry_that_looks_like_a_node_is_hashed_as_a_leaf(log_db: LogDatabase) -> None:
    """A body made of two hashes would be their parent, if leaves and nodes were hashed alike."""
    left, right = (hashlib.sha256(bytes([0, n])).digest() for n in (1, 2))
    with log_db.app() as db:
        db.execute(
            "INSERT INTO audit_entry (id, kind, tenant, body) VALUES (%s, 'key.created', '', %s)",
            [IDS.new(), left + right],
        )
    with connect(log_db.app_dsn) as db:
        sequencer = Sequencer(db, log_db.key)
        while sequencer.size() < 1:
            sequencer.tick()
    parent = hashlib.sha256(b"\x01" + left + right).digest()
    root = log_db.one("SELECT root FROM audit_checkpoint ORDER BY seq DESC LIMIT 1")
    assert root == hashlib.sha256(b"\x00" + left + right).digest() != parent
