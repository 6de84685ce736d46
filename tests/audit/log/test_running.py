import threading
import time
from pathlib import Path

import pytest

from audit.log.running import Due, Loop, Rhythm
from audit.log.seen import Seen
from audit.log.sequence import Refused
from audit.merkle.note import SignerKey
from tests.audit.conftest import LogDatabase, an_entry

FAST = Rhythm(tick=0.02, sweep=0.05, report=0.0, retry=0.05)


def run_until(loop: Loop, done: threading.Event, seconds: float = 60) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=loop.run, args=[stop])
    thread.start()
    happened = done.wait(seconds)
    stop.set()
    thread.join(60)
    assert happened
    assert not thread.is_alive()


def seen(log: LogDatabase) -> tuple[int, int, int, str]:
    """What the sequencer's row says, which must be young."""
    with log.app() as db:
        row = db.execute(
            "SELECT sequenced, stragglers, refusals, refusal, clock_timestamp() - seen_at < interval '20 s' FROM audit_sequencer"
        ).fetchone()
    assert row is not None
    *counts, young = row
    assert young is True
    return tuple(counts)


def test_a_refusal_that_is_over_is_no_longer_said(log_db: LogDatabase) -> None:
    with log_db.app() as db:
        Seen(refusals=1).told(db, "it is not what this key signed last")
        assert seen(log_db) == (0, 0, 1, "it is not what this key signed last")
        assert Seen(sequenced=4, stragglers=2).told(db) == Seen()
    assert seen(log_db) == (4, 2, 1, "")


def test_it_sequences_until_it_is_told_to_stop(log_db: LogDatabase) -> None:
    log_db.append(12)
    said: list[str] = []
    done = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        if "size 12" in line:
            done.set()

    run_until(Loop(log_db.app_dsn, log_db.key, say, FAST), done)
    assert said[0] == "log log.example/1: sequencing"
    assert seen(log_db) == (12, 0, 0, "")
    assert log_db.verify().ok


def test_what_was_appended_before_the_end_is_signed_at_the_end(log_db: LogDatabase) -> None:
    log_db.append(1)
    log_db.sequence()
    stop = threading.Event()
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if line.endswith("sequencing"):
            log_db.append(3)
            stop.set()

    Loop(log_db.app_dsn, log_db.key, say, FAST).run(stop)
    assert said[0] == "log log.example/1: sequencing"
    assert log_db.one("SELECT size FROM audit_tree_state") in {1, 4}  # 1: held back from outside
    assert log_db.verify().ok


def test_once_takes_all_that_is_there(log_db: LogDatabase) -> None:
    log_db.append(30)
    loop = Loop(log_db.app_dsn, log_db.key, lambda _: None)
    size, until = 0, time.monotonic() + 20
    while size < 30 and time.monotonic() < until:
        size = loop.once()
    assert size == 30
    assert log_db.verify().ok


def test_a_refusal_is_said_counted_and_tried_again(log_db: LogDatabase) -> None:
    log_db.append(1)
    log_db.sequence()
    log_db.append(1)
    said: list[str] = []
    done = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        if len([each for each in said if each.startswith("refusing")]) == 2:
            done.set()

    stranger = SignerKey.generate("log.example/1")
    run_until(Loop(log_db.app_dsn, stranger, say, FAST), done)
    sequenced, stragglers, refusals, refusal = seen(log_db)
    assert (sequenced, stragglers) == (0, 0)
    assert refusals >= 2
    assert refusal.startswith("the tree's state is not what this key signed last")
    with pytest.raises(Refused):
        Loop(log_db.app_dsn, stranger, say).once()


def test_a_database_that_is_away_is_waited_for(tmp_path: Path) -> None:
    said: list[str] = []
    done = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        if len(said) == 2:
            done.set()

    dsn = f"postgresql://nobody@/nowhere?host={tmp_path}"
    run_until(Loop(dsn, SignerKey.generate("log.example/1"), say, FAST), done)
    assert {line.partition(":")[0] for line in said} == {"PostgreSQL"}


def test_stragglers_raise_an_alarm(log_db: LogDatabase, caplog: pytest.LogCaptureFixture) -> None:
    log_db.append(1)
    log_db.sequence()
    log_db.append_behind(an_entry())
    said: list[str] = []
    done = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("ALARM"):
            done.set()

    run_until(Loop(log_db.app_dsn, log_db.key, say, FAST), done)
    assert "ALARM: 1 entries were outside the tree and are in now" in said
    assert seen(log_db)[1] == 1
    assert "look for a restore" in caplog.text


def test_a_thing_is_due_at_once_and_then_after_its_time() -> None:
    due = Due(60.0)
    assert (due.now(), due.now()) == (True, False)
    due.at -= 60.0
    assert due.now() is True


def test_a_key_rotated_between_the_look_and_the_tick_is_no_alarm(log_db: LogDatabase) -> None:
    """The new key has signed: the old one is refused, and its process ends as it would have at the next look."""
    log_db.append(1)
    log_db.sequence()
    old, log_db.key = log_db.key, SignerKey.generate("log.example/1")
    log_db.key.earlier = (old.verifier,)
    log_db.append(1)
    log_db.sequence()
    log_db.append(1)
    said: list[str] = []
    loop, looks = Loop(log_db.app_dsn, old, said.append, FAST), iter([False, False])
    loop.rotated = lambda: next(looks, True)
    loop.run(threading.Event())
    assert said == ["log log.example/1: sequencing"]
    assert log_db.one("SELECT count(*) FROM audit_sequencer WHERE refusals > 0") == 0
    assert log_db.one("SELECT size FROM audit_tree_state") == 2
