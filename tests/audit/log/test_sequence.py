from datetime import timedelta

import psycopg
import pytest

from audit.log.running import connect
from audit.log.sequence import Outcome, Refused, Sequencer
from audit.merkle.checkpoint import Checkpoint
from audit.merkle.note import SignerKey, open_note
from audit.merkle.tree import leaf_hash, root_of
from tests.audit.conftest import APPEND, LogDatabase, an_entry, row_of


def test_every_entry_gets_its_place_in_order(log_db: LogDatabase) -> None:
    entries = log_db.append(600)
    log_db.sequence()
    with log_db.app() as db:
        placed = db.execute("SELECT index, entry, hash FROM audit_leaf ORDER BY index").fetchall()
        assert placed == [
            (place, entry.id, leaf_hash(entry.body)) for place, entry in enumerate(entries)
        ]
        tiles = db.execute("SELECT level, index, hashes FROM audit_tile ORDER BY index").fetchall()
        hashes = [row[2] for row in placed]
        assert tiles == [(0, n, b"".join(hashes[256 * n : 256 * n + 256])) for n in (0, 1)]
        heads = db.execute("SELECT note, size FROM audit_checkpoint ORDER BY seq DESC").fetchall()
        note, size = heads[0]
        said = Checkpoint.parse(open_note(note, [log_db.key.verifier]).text)
        assert said == Checkpoint("log.example/1", 600, root_of(hashes))
        assert size == 600


def test_an_empty_log_is_signed_at_once_and_then_every_hour(log_db: LogDatabase) -> None:
    with connect(log_db.app_dsn) as db:
        sequencer = Sequencer(db, log_db.key)
        assert [sequencer.tick().outcome for _ in range(2)] == [Outcome.SIGNED, Outcome.IDLE]
    with log_db.owner() as owner, owner.transaction(force_rollback=True):
        owner.execute("ALTER TABLE audit_checkpoint DISABLE TRIGGER USER")
        # the seal covers the time: a heartbeat that somebody dated back is noticed
        owner.execute("UPDATE audit_checkpoint SET signed_at = signed_at - interval '61 minutes'")
        with pytest.raises(Refused, match="seal"):
            Sequencer(owner, log_db.key).tick()
    assert log_db.verify().ok


def test_the_heartbeat_is_a_checkpoint_of_the_same_size(
    log_db: LogDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_db.append(3)
    log_db.sequence()
    monkeypatch.setattr("audit.log.sequence.HEARTBEAT", timedelta(0))
    monkeypatch.setattr(Sequencer, "_work", lambda _: True)
    with connect(log_db.app_dsn) as db:
        tick = Sequencer(db, log_db.key).tick()
    assert (tick.outcome, tick.sequenced, tick.size) == (Outcome.SIGNED, 0, 3)
    assert log_db.verify().ok


def test_an_open_transaction_holds_the_horizon_back_and_nothing_is_lost(
    log_db: LogDatabase,
) -> None:
    early, late = an_entry(), an_entry()
    with log_db.app() as slow, connect(log_db.app_dsn) as db:
        sequencer = Sequencer(db, log_db.key)
        sequencer.tick()
        with slow.transaction():
            slow.execute(APPEND, row_of(early))
            with log_db.app() as quick:
                quick.execute(APPEND, row_of(late))
            assert sequencer.tick().sequenced == 0
            assert sequencer.lag_seconds() > 0
    log_db.sequence()
    with log_db.app() as db:
        placed = db.execute("SELECT entry FROM audit_leaf ORDER BY index").fetchall()
    assert placed == [(early.id,), (late.id,)]


def test_the_order_is_that_of_transactions_not_of_ids(log_db: LogDatabase) -> None:
    first, second = an_entry(), an_entry()
    with log_db.app() as db:
        db.execute(APPEND, row_of(second))
        db.execute(APPEND, row_of(first))
    log_db.sequence()
    with log_db.app() as db:
        placed = db.execute("SELECT entry FROM audit_leaf ORDER BY index").fetchall()
    assert placed == [(second.id,), (first.id,)]


def test_a_batch_never_tears_a_transaction_apart(
    log_db: LogDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.log.sequence.BATCH", 4)
    with log_db.app() as db:
        for size in (3, 3, 7, 1, 4, 4):
            with db.transaction():
                for _ in range(size):
                    db.execute(APPEND, row_of(an_entry()))
    log_db.sequence()
    found = log_db.verify()
    assert (found.size, found.findings, found.late) == (22, (), 0)


def test_two_at_once_one_works(log_db: LogDatabase) -> None:
    log_db.append(1)
    with connect(log_db.app_dsn) as one, connect(log_db.app_dsn) as other, one.transaction():
        one.execute("SELECT pg_advisory_xact_lock(7001, 101)")
        assert Sequencer(other, log_db.key).tick().outcome is Outcome.STANDBY
        assert Sequencer(other, log_db.key).sweep_recent().outcome is Outcome.IDLE
    log_db.sequence()


def test_the_sweep_brings_in_what_the_horizon_passed_by(log_db: LogDatabase) -> None:
    log_db.append(5)
    log_db.sequence()
    log_db.append_behind(an_entry())
    with connect(log_db.app_dsn) as db:
        sequencer = Sequencer(db, log_db.key)
        assert sequencer.tick().outcome is Outcome.IDLE
        assert [finding.what for finding in log_db.verify().findings] == ["outside"]
        assert [sequencer.sweep_recent().sequenced for _ in range(2)] == [1, 0]
    found = log_db.verify()
    assert (found.size, found.late, found.findings) == (6, 1, ())


def test_the_sweep_of_all_goes_through_every_hour_since_the_first_entry(
    log_db: LogDatabase,
) -> None:
    log_db.append(1)
    log_db.sequence()
    with connect(log_db.app_dsn) as db:
        sequencer = Sequencer(db, log_db.key)
        ((since, until),) = sequencer.history()
        first = log_db.one("SELECT recorded_at FROM audit_entry")
        assert since <= first + timedelta(seconds=1)
        assert until == since + timedelta(hours=1)
        log_db.append_behind(an_entry())
        hour = timedelta(hours=1)
        assert sequencer.sweep(since - hour, until - hour).sequenced == 0
        assert sequencer.sweep(since, until).sequenced == 1


def test_two_at_once_one_sweeps(log_db: LogDatabase) -> None:
    log_db.append(1)
    log_db.sequence()
    log_db.append_behind(an_entry())
    with connect(log_db.app_dsn) as one, connect(log_db.app_dsn) as other, one.transaction():
        one.execute("SELECT pg_advisory_xact_lock(7001, 101)")
        assert Sequencer(other, log_db.key).sweep().outcome is Outcome.STANDBY


def test_the_sweep_leaves_alone_what_is_young_or_in_its_place(log_db: LogDatabase) -> None:
    log_db.append(5)
    log_db.sequence()
    log_db.append(5)
    with connect(log_db.app_dsn) as db:
        assert Sequencer(db, log_db.key).sweep().outcome is Outcome.IDLE


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_tree_state SET open_tiles = decode(repeat('00', 96), 'hex')",
        "UPDATE audit_tree_state SET horizon = '4'",
        "UPDATE audit_tree_state SET size = 2, open_tiles = substr(open_tiles, 1, 64)",
        "UPDATE audit_tree_state SET seq = seq + 1",
        "UPDATE audit_checkpoint SET root = decode(repeat('00', 32), 'hex')",
        "UPDATE audit_checkpoint SET seal = decode(repeat('00', 64), 'hex')",
        "UPDATE audit_leaf SET recorded_at = recorded_at + interval '1 microsecond'",
        "DELETE FROM audit_checkpoint",
        "DELETE FROM audit_tree_state",
    ],
)
def test_nothing_is_signed_on_top_of_a_state_that_was_changed(
    log_db: LogDatabase, change: str
) -> None:
    log_db.append(3)
    log_db.sequence()
    log_db.append(1)
    with log_db.owner() as owner:
        for table in ("audit_tree_state", "audit_checkpoint", "audit_leaf"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        owner.execute(change)
    with connect(log_db.app_dsn) as db:
        sequencer = Sequencer(db, log_db.key)
        sequencer._work = lambda: True  # type: ignore[method-assign]
        with pytest.raises(Refused):
            sequencer.tick()
        assert db.execute("SELECT count(*) FROM audit_leaf").fetchone() == (3,)


def test_another_key_does_not_sign_on(log_db: LogDatabase) -> None:
    log_db.append(1)
    log_db.sequence()
    log_db.append(1)
    log_db.key = SignerKey.generate("log.example/1")
    with pytest.raises(Refused):
        log_db.sequence()


def test_the_state_only_grows(log_db: LogDatabase) -> None:
    log_db.append(2)
    log_db.sequence()
    with log_db.app() as db:
        for change in ("size = 1, seq = seq + 1", "size = 3", "seq = seq + 2"):
            update = f"UPDATE audit_tree_state SET {change}"
            with pytest.raises(psycopg.Error) as refused:
                db.execute(update)
            assert refused.value.sqlstate == "MD009"
