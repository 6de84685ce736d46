"""No byte of the log changes, vanishes or moves without `verify` naming it (invariant 6)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from audit.log.running import connect
from audit.log.sequence import Sequencer
from audit.log.tiles import TileReader
from audit.merkle.checkpoint import Checkpoint
from audit.merkle.note import open_note
from audit.merkle.proof import BadProof, consistency, verify_consistency
from audit.merkle.tiles import Nodes
from audit.verify import Finding, Source, Verification, order_of_effect, verify
from tests.audit.conftest import APPEND, IDS, LogDatabase, an_entry, row_of

TABLES = ("audit_entry", "audit_leaf", "audit_tile", "audit_checkpoint", "audit_tree_state")
INTEGER = "{0} # 256"
XID = "({0}::text::bigint # 1)::text::xid8"
TIME = "{0} + interval '1 microsecond'"
BYTES = "set_byte({0}, length({0}) / 2, get_byte({0}, length({0}) / 2) # 1)"
TEXT = "overlay({0} placing chr(ascii(right({0}, 7)) # 1) from length({0}) - 6 for 1)"
UUID_ = (
    "overlay({0}::text placing to_hex(('x' || right({0}::text, 1))::bit(4)::int # 1) from 36)::uuid"
)
EXTRA_LEAF = """
INSERT INTO audit_leaf SELECT gen_random_uuid(), 600, xid, recorded_at, log, hash FROM audit_leaf WHERE index = 0
"""
AT = 300  # the place of the entry and leaf that are touched; in the second checkpoint, the second tile

# (table, column, how one byte of it is flipped, which row, what must be named first)
FLIPS: list[tuple[str, str, str, str, tuple[str, int | None]]] = [
    *(
        ("audit_entry", column, how, "id = %(entry)s", ("entry", AT))
        for column, how in {
            "id": UUID_,
            "call": UUID_,
            "xid": XID,
            "recorded_at": TIME,
            "log": INTEGER,
            "kind": TEXT,
            "tenant": TEXT,
            "body": BYTES,
        }.items()
    ),
    *(
        ("audit_leaf", column, how, f"index = {AT}", ("entry", AT))
        for column, how in {
            "entry": UUID_,
            "xid": XID,
            "recorded_at": TIME,
            "hash": BYTES,
        }.items()
    ),
    ("audit_leaf", "index", "{0} # 4096", f"index = {AT}", ("leaf", AT)),
    ("audit_leaf", "log", INTEGER, f"index = {AT}", ("leaf", AT)),
    ("audit_tile", "index", INTEGER, "index = 1", ("tile", 1)),
    ("audit_tile", "log", INTEGER, "index = 1", ("tile", 1)),
    ("audit_tile", "level", "{0} # 1", "index = 1", ("tile", 1)),
    ("audit_tile", "hashes", BYTES, "index = 1", ("tile", 1)),
    *(
        ("audit_checkpoint", column, how, "seq = 1", ("checkpoint", 1))
        for column, how in {
            "seq": INTEGER,
            "size": INTEGER,
            "horizon": XID,
            "signed_at": TIME,
            "log": INTEGER,
            "root": BYTES,
            "seal": BYTES,
            "note": TEXT,
        }.items()
    ),
    *(
        ("audit_tree_state", column, how, "true", ("tree_state", None))
        for column, how in {
            "size": "{0} # 1",
            "seq": INTEGER,
            "horizon": XID,
            "log": INTEGER,
            "open_tiles": BYTES,
        }.items()
    ),
]


@pytest.fixture
def full_log(log_db: LogDatabase) -> LogDatabase:
    """600 entries, some of them of calls of a tenant, in three checkpoints."""
    for count in (200, 200, 200):
        log_db.append(count, kind="call.admitted", call=IDS.new(), tenant="insurance")
        log_db.sequence()
    return log_db


@contextmanager
def tampered(log: LogDatabase, *changes: str, **values: Any) -> Iterator[psycopg.Cursor[Any]]:
    """What an owner of the database could do, undone at the end."""
    with log.owner() as db, db.transaction(force_rollback=True), db.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for change in changes:
            cursor.execute(change, values)
            assert cursor.rowcount >= 1
        yield cursor


def check(log: LogDatabase, cursor: psycopg.Cursor[Any], start: int | None = None) -> Verification:
    return verify(start, source=Source(cursor, log.key.verifier))


def test_one_flipped_byte_of_every_column_is_named(full_log: LogDatabase) -> None:
    with full_log.app() as db:
        columns = {
            (table, name)
            for table in TABLES
            for (name,) in db.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
                [table],
            )
        }
    entry = full_log.one("SELECT entry FROM audit_leaf WHERE index = %s", AT)
    assert {(table, column) for table, column, *_ in FLIPS} == columns
    assert full_log.verify().ok
    for table, column, how, where, expected in FLIPS:
        change = f"UPDATE {table} SET {column} = {how.format(column)} WHERE {where}"
        with tampered(full_log, change, entry=entry) as cursor:
            findings = check(full_log, cursor).findings
        assert findings, f"{table}.{column}: nothing was found"
        assert (findings[0].what, findings[0].index) == expected, (table, column, findings)
    assert full_log.verify().ok


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("audit_entry", "body"),
        ("audit_leaf", "hash"),
        ("audit_checkpoint", "root"),
        ("audit_checkpoint", "seal"),
        ("audit_checkpoint", "note"),
        ("audit_tree_state", "open_tiles"),
    ],
)
def test_every_byte_counts(log_db: LogDatabase, table: str, column: str) -> None:
    log_db.append(2)
    log_db.sequence()
    read = f"SELECT length({column}) FROM {table} LIMIT 1"
    flip = "set_byte({0}, {1}, get_byte({0}, {1}) # 1)"
    if column == "note":
        read = f"SELECT length(convert_to({column}, 'UTF8')) FROM {table}"
        flip = "encode(set_byte(convert_to({0}, 'UTF8'), {1}, get_byte(convert_to({0}, 'UTF8'), {1}) # 1), 'escape')"
    length = log_db.one(read)
    for at in range(length):
        change = f"UPDATE {table} SET {column} = {flip.format(column, at)}"
        with tampered(log_db, change) as cursor:
            assert not check(log_db, cursor).ok, f"byte {at} of {column}"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (["DELETE FROM audit_entry WHERE id = %(entry)s"], ("entry", AT)),
        (["DELETE FROM audit_leaf WHERE index = 300"], ("leaf", AT)),
        (
            [
                "DELETE FROM audit_entry WHERE id = %(entry)s",
                "DELETE FROM audit_leaf WHERE index = 300",
                "UPDATE audit_leaf SET index = index - 1 WHERE index > 300",
            ],
            ("tile", 1),
        ),
        (["DELETE FROM audit_tile WHERE index = 1"], ("tile", 1)),
        (["DELETE FROM audit_checkpoint WHERE seq = 1"], ("checkpoint", 1)),
        (["DELETE FROM audit_checkpoint WHERE seq = 2"], ("tree_state", None)),
        (["DELETE FROM audit_tree_state"], ("tree_state", None)),
        (
            [
                "UPDATE audit_leaf SET index = 5000 WHERE index = 300",
                "UPDATE audit_leaf SET index = 300 WHERE index = 301",
                "UPDATE audit_leaf SET index = 301 WHERE index = 5000",
            ],
            ("leaf", 301),
        ),
        (
            [EXTRA_LEAF],
            ("leaf", None),
        ),
        (
            ["INSERT INTO audit_tile SELECT 0, log, 1, hashes FROM audit_tile WHERE index = 0"],
            ("tile", None),
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_vanishes_moves_or_is_slipped_in_is_named(
    full_log: LogDatabase, changes: list[str], expected: tuple[str, int | None]
) -> None:
    entry = full_log.one("SELECT entry FROM audit_leaf WHERE index = %s", AT)
    with tampered(full_log, *changes, entry=entry) as cursor:
        findings = check(full_log, cursor).findings
    assert expected in {(finding.what, finding.index) for finding in findings}
    assert len(findings) <= 20


def test_columns_that_are_forged_together_with_the_leaf_break_the_seal(
    full_log: LogDatabase,
) -> None:
    with tampered(
        full_log,
        "UPDATE audit_leaf SET recorded_at = recorded_at - interval '1 day' WHERE index = 300",
        "UPDATE audit_entry SET recorded_at = recorded_at - interval '1 day' WHERE id ="
        " (SELECT entry FROM audit_leaf WHERE index = 300)",
    ) as cursor:
        findings = check(full_log, cursor).findings
    assert [(finding.what, finding.index) for finding in findings] == [
        ("entry", 300),
        ("checkpoint", 1),
    ]


def test_an_entry_outside_the_tree_is_named_after_a_minute(full_log: LogDatabase) -> None:
    entry = an_entry()
    with full_log.app() as db:
        db.execute(APPEND, row_of(entry))
    assert full_log.verify().ok
    age = "UPDATE audit_entry SET recorded_at = recorded_at - interval '61 s' WHERE id = %(entry)s"
    with tampered(full_log, age, entry=entry.id) as cursor:
        findings = check(full_log, cursor).findings
    assert [(finding.what, str(entry.id) in finding.message) for finding in findings] == [
        ("outside", True)
    ]


def test_in_a_demo_what_was_recorded_in_the_past_may_wait_for_the_next_checkpoint(
    full_log: LogDatabase,
) -> None:
    entry = an_entry()
    with full_log.app() as db:
        db.execute(APPEND, row_of(entry))
    demo = "INSERT INTO demo_installation DEFAULT VALUES"
    age = (
        "UPDATE audit_entry SET recorded_at = recorded_at - interval '3 days' WHERE id = %(entry)s"
    )
    passed = "UPDATE audit_entry SET xid = '3' WHERE id = %(entry)s"
    with tampered(full_log, demo, age, entry=entry.id) as cursor:
        assert check(full_log, cursor).findings == ()
    with tampered(full_log, demo, age, passed, entry=entry.id) as cursor:
        assert [finding.what for finding in check(full_log, cursor).findings] == ["outside"]


def test_from_a_checkpoint_on(full_log: LogDatabase) -> None:
    found = full_log.verify(1)
    assert (found.ok, found.first, found.size, found.checkpoints) == (True, 400, 600, 1)
    early = "UPDATE audit_entry SET kind = 'x' WHERE id = (SELECT entry FROM audit_leaf WHERE index = 3)"
    with tampered(full_log, early) as cursor:
        assert check(full_log, cursor, 0).ok
        assert check(full_log, cursor).findings[0].index == 3
    with tampered(full_log, early.replace("= 3)", "= 450)")) as cursor:
        assert check(full_log, cursor, 1).findings[0].index == 450
    tile = f"UPDATE audit_tile SET hashes = {BYTES.format('hashes')} WHERE index = 1"
    with tampered(full_log, tile) as cursor:
        assert check(full_log, cursor, 1).findings[0].what == "tile"
    assert full_log.verify(9).findings[0] == Finding(
        "checkpoint", 9, "there is no such checkpoint to start from"
    )


def test_an_empty_log_and_one_of_another_key(log_db: LogDatabase) -> None:
    assert log_db.verify().ok
    log_db.append(1)
    log_db.sequence()
    key, log_db.key = log_db.key, type(log_db.key).generate("log.example/1")
    assert log_db.verify().findings[0].message == "its note: no known key signed this note"
    log_db.key = key
    assert log_db.verify().ok


def test_the_result_is_a_value_for_json_and_progress_is_told(full_log: LogDatabase) -> None:
    told: list[tuple[int, int]] = []
    found = full_log.verify(progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (600, 600)
    value = found.as_dict()
    assert value["ok"] is True
    assert (value["size"], value["checkpoints"], value["findings"]) == (600, 3, ())
    assert value["root"] == found.root


def test_a_rewrite_with_the_real_key_is_convicted_by_an_older_checkpoint(
    full_log: LogDatabase,
) -> None:
    old_note = full_log.one("SELECT note FROM audit_checkpoint WHERE seq = 1")
    forged = an_entry("call.admitted", call=IDS.new(), tenant="insurance")
    with full_log.owner() as owner:
        for table in TABLES:
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE audit_entry SET id = %s, call = %s, body = %s WHERE id ="
            " (SELECT entry FROM audit_leaf WHERE index = 5)",
            [forged.id, forged.call, forged.body],
        )
        owner.execute("TRUNCATE audit_leaf, audit_tile, audit_checkpoint")
        owner.execute(
            "UPDATE audit_tree_state SET size = 0, seq = -1, horizon = '0', open_tiles = ''"
        )
    full_log.sequence()
    assert full_log.verify().ok
    old = Checkpoint.parse(open_note(old_note, [full_log.key.verifier]).text)
    with connect(full_log.app_dsn) as db, db.cursor() as cursor:
        nodes = Nodes(TileReader(cursor, 1))
        size = Sequencer(db, full_log.key).size()
        note = full_log.one("SELECT note FROM audit_checkpoint ORDER BY seq DESC LIMIT 1")
        new = Checkpoint.parse(open_note(note, [full_log.key.verifier]).text)
        with pytest.raises(BadProof):
            verify_consistency(
                old.size, size, consistency(nodes, old.size, size), old.root, new.root
            )


def test_order_of_effect(log_db: LogDatabase) -> None:
    def append(kind: str, **data: int | str) -> None:
        call = IDS.new() if kind.startswith(("call", "attempt")) else None
        with log_db.app() as db:
            db.execute(APPEND, row_of(an_entry(kind, call=call, data=data)))

    append("call.admitted", revision=1, epoch=0)
    append("bundle.activated", revision=2)
    append("call.admitted", revision=2, epoch=0)
    append("stop.set", epoch=1)
    append("attempt.started", revision=2, epoch=1)
    append("call.denied", revision=2, epoch=1)
    append("call.failed", revision=2, epoch=1, code="policy_changed")
    append("call.failed", revision=1, epoch=0, code="timeout")  # rests on no decision of its own
    with log_db.app() as db, db.cursor() as cursor:
        source = Source(cursor, log_db.key.verifier)
        assert order_of_effect(source) == ()
        append("bundle.activated", revision=3)
        append("attempt.started", revision=2, epoch=1)
        append("stop.lifted", epoch=1)
        append("call.failed", revision=2, epoch=1, code="policy_changed")
        append("call.failed", revision=2, epoch=0, code="policy_changed")
        wrong = [finding.message.partition(": ")[2] for finding in order_of_effect(source)]
    assert wrong == [
        "decided under revision 2 while 3 was in force",
        "epoch 1 comes after 1",
        "decided under epoch 0 while 1 was in force",
    ]


def test_a_body_whose_clock_is_far_off_is_named(log_db: LogDatabase) -> None:
    log_db.append(1, at=datetime.now(tz=UTC) - timedelta(minutes=11))
    log_db.sequence()
    assert "PostgreSQL recorded it at" in log_db.verify().findings[0].message
