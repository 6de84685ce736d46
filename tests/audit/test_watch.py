"""The log checks itself, says so, and stays loud until what is wrong is right."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from audit.verify import Source
from audit.watch import ACTOR, Outcome, Scope, check_log
from tests.audit.conftest import APPEND, IDS, LogDatabase, an_entry, row_of

VERDICTS = (
    "SELECT convert_from(body, 'UTF8') FROM audit_entry WHERE kind = 'log.verified' ORDER BY id"
)
ROW = "SELECT seq, size, revision, epoch, findings, held_at = checked_at FROM audit_verified WHERE scope = %s"


@contextmanager
def broken(log: LogDatabase, table: str, change: str, back: str) -> Iterator[None]:
    """What an owner of the database could do, and undo."""
    with log.owner() as db:
        db.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        assert db.execute(change.encode()).rowcount == 1
        yield
        assert db.execute(back.encode()).rowcount == 1


def check(log: LogDatabase, scope: Scope = Scope.RECENT) -> Outcome:
    with log.app() as db, db.cursor() as cursor:
        found = check_log(scope, Source(cursor, log.key.verifier))
    assert found is not None
    return found


def row(log: LogDatabase, scope: str = "recent") -> tuple[Any, ...]:
    with log.app() as db:
        found: tuple[Any, ...] | None = db.execute(ROW, [scope]).fetchone()
    assert found is not None
    return found


def verdicts(log: LogDatabase) -> list[tuple[str, str, bool]]:
    with log.app() as db:
        said = [json.loads(body) for (body,) in db.execute(VERDICTS.encode())]
    return [(one["actor"], one["data"]["scope"], one["data"]["ok"]) for one in said]


def act(log: LogDatabase, kind: str, **data: int) -> None:
    call = IDS.new() if kind.startswith(("call", "attempt")) else None
    with log.app() as db:
        db.execute(APPEND, row_of(an_entry(kind, call=call, data=data)))


def test_each_check_goes_on_where_the_last_one_held(log_db: LogDatabase) -> None:
    log_db.append(300)
    log_db.sequence()
    first = check(log_db)
    assert (first.ok, first.verified.first, first.verified.size) == (True, 0, 300)
    seq = first.reached.seq
    log_db.append(7)
    log_db.sequence()
    second = check(log_db)
    assert (second.ok, second.verified.first, second.verified.size) == (True, 300, 307)
    assert second.verified.checkpoints == second.reached.seq - seq >= 1
    assert row(log_db) == (second.reached.seq, 307, None, None, [], True)
    third = check(log_db)  # nothing new
    assert (third.ok, third.verified.first, third.verified.checkpoints) == (True, 307, 0)
    assert verdicts(log_db) == []  # what was expected is no news


def test_what_is_wrong_is_said_until_it_is_right(log_db: LogDatabase) -> None:
    log_db.append(20)
    log_db.sequence()
    check(log_db)
    before = row(log_db)
    (entry, *_) = log_db.append(5)
    log_db.sequence()
    tamper = f"UPDATE audit_entry SET tenant = 'x' WHERE id = '{entry.id}'"
    restore = f"UPDATE audit_entry SET tenant = '' WHERE id = '{entry.id}'"
    with broken(log_db, "audit_entry", tamper, restore), capture_logs() as heard:
        for _ in range(2):
            found = check(log_db)
            assert [(one.what, one.index) for one in found.findings] == [("entry", 20)]
    loud = [one for one in heard if one["event"] == "audit.log_does_not_hold"]
    assert [(one["log_level"], one["scope"], one["wrong"]) for one in loud] == [
        ("critical", "recent", 1)
    ] * 2
    # the place of the last check that held stays, so that the next one looks again
    seq, size, _, _, findings, held_now = row(log_db)
    assert ((seq, size), held_now) == (before[:2], False)
    assert findings == found.in_words() != []
    assert verdicts(log_db) == [(ACTOR, "recent", False)]  # said once, not every minute
    assert check(log_db).ok
    assert verdicts(log_db) == [(ACTOR, "recent", False), (ACTOR, "recent", True)]


def acknowledged(log: LogDatabase) -> list[str]:
    with log.app() as db:
        return [f for (f,) in db.execute("SELECT finding FROM audit_acknowledged ORDER BY at")]


def test_what_a_person_has_acknowledged_stays_named_and_the_checks_go_on(
    log_db: LogDatabase,
) -> None:
    log_db.append(20)
    log_db.sequence()
    check(log_db)
    (entry, *_) = log_db.append(5)
    log_db.sequence()
    tamper = f"UPDATE audit_entry SET tenant = 'x' WHERE id = '{entry.id}'"
    restore = f"UPDATE audit_entry SET tenant = '' WHERE id = '{entry.id}'"
    with broken(log_db, "audit_entry", tamper, restore):
        (finding,) = check(log_db).in_words()
        with log_db.app() as db:
            db.execute(
                "INSERT INTO audit_acknowledged VALUES (clock_timestamp(), 1, %s, 'member:ada@acme.example', 'known')",
                [finding],
            )
        with capture_logs() as heard:
            assert check(log_db).in_words() == [finding]  # named once more, and then behind us
            assert row(log_db)[1] == 25
            assert check(log_db).ok
            night = check(log_db, Scope.WHOLE)
        assert night.in_words() == [finding]
        assert [one for one in heard if one["event"] == "audit.log_does_not_hold"] == []
        assert acknowledged(log_db) == [finding]
        # another finding is an alarm again
        (other, *_) = log_db.append(1)
        log_db.sequence()
        with broken(
            log_db,
            "audit_entry",
            tamper.replace(str(entry.id), str(other.id)),
            restore.replace(str(entry.id), str(other.id)),
        ):
            place = row(log_db)[:2]
            with capture_logs() as heard:
                assert len(check(log_db).findings) == 1
            assert [one["wrong"] for one in heard] == [1]
            assert row(log_db)[:2] == place
    # put right: a check of all forgets, so that the same again would be an alarm again
    assert check(log_db, Scope.WHOLE).ok
    assert acknowledged(log_db) == []


def test_a_byte_from_long_ago_is_found_by_night(log_db: LogDatabase) -> None:
    (entry, *_) = log_db.append(20)
    log_db.sequence()
    assert check(log_db).ok
    tamper = f"UPDATE audit_entry SET tenant = 'x' WHERE id = '{entry.id}'"
    restore = f"UPDATE audit_entry SET tenant = '' WHERE id = '{entry.id}'"
    with broken(log_db, "audit_entry", tamper, restore):
        assert check(log_db).ok
        night = check(log_db, Scope.WHOLE)
        assert [(one.what, one.index) for one in night.findings] == [("entry", 0)]
    assert verdicts(log_db) == [(ACTOR, "whole", False)]
    assert row(log_db, "whole")[:2] == (-1, 0)
    assert row(log_db)[4] == []
    assert check(log_db, Scope.WHOLE).ok
    assert verdicts(log_db)[1:] == [(ACTOR, "whole", True)]


def test_the_row_that_remembers_is_no_evidence(log_db: LogDatabase) -> None:
    """Whoever moves it to another checkpoint still meets that checkpoint's signature; the night sees everything."""
    log_db.append(20)
    log_db.sequence()
    assert check(log_db).ok
    with log_db.app() as db:
        db.execute("UPDATE audit_verified SET seq = 99")
    assert [one.message for one in check(log_db).findings] == [
        "there is no such checkpoint to start from"
    ]


def test_order_of_effect_is_folded_on_from_check_to_check(log_db: LogDatabase) -> None:
    act(log_db, "bundle.activated", revision=2)
    act(log_db, "stop.set", epoch=5)
    act(log_db, "call.admitted", revision=2, epoch=5)
    log_db.sequence()
    assert check(log_db).ok
    assert row(log_db)[2:4] == (2, 5)
    act(log_db, "call.admitted", revision=2, epoch=5)
    log_db.sequence()
    assert check(log_db).ok
    act(log_db, "bundle.activated", revision=3)
    log_db.sequence()
    assert check(log_db).ok
    assert row(log_db)[2:4] == (3, 5)
    # somebody went round the lock: the record says 2 although 3 is in force
    act(log_db, "attempt.started", revision=2, epoch=5)
    log_db.sequence()
    (finding,) = check(log_db).findings
    assert finding.message.partition(": ")[2] == "decided under revision 2 while 3 was in force"
    assert row(log_db)[2:4] == (3, 5)
    (finding,) = check(log_db, Scope.WHOLE).findings
    assert finding.message.partition(": ")[2] == "decided under revision 2 while 3 was in force"


def test_what_is_not_yet_below_the_horizon_waits_for_the_next_check(log_db: LogDatabase) -> None:
    """A transaction that is still open may commit an entry that belongs before those that were seen."""
    act(log_db, "bundle.activated", revision=2)
    log_db.sequence()
    assert check(log_db).ok
    with log_db.app() as late, late.transaction():
        late.execute(
            APPEND, row_of(an_entry("call.admitted", call=IDS.new(), data={"revision": 2}))
        )
        act(log_db, "bundle.activated", revision=3)
        assert check(log_db).ok
        assert row(log_db)[2] == 2
    log_db.sequence()
    assert check(log_db).ok
    assert row(log_db)[2] == 3


def test_only_one_check_runs_at_a_time(log_db: LogDatabase) -> None:
    log_db.append(1)
    log_db.sequence()
    with log_db.app() as other:
        other.execute("SELECT pg_advisory_lock(7001, 201)")
        with log_db.app() as db, db.cursor() as cursor:
            source = Source(cursor, log_db.key.verifier)
            assert check_log(Scope.RECENT, source) is None
            assert log_db.one("SELECT count(*) FROM audit_verified") == 0
            other.execute("SELECT pg_advisory_unlock(7001, 201)")
            assert check_log(Scope.RECENT, source) is not None


def test_the_lock_is_given_back_when_a_check_breaks_off(log_db: LogDatabase) -> None:
    with log_db.owner() as owner:
        owner.execute("REVOKE SELECT ON audit_checkpoint FROM mandate_app")
    with log_db.app() as db, db.cursor() as cursor:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            check_log(Scope.RECENT, Source(cursor, log_db.key.verifier))
        assert log_db.one("SELECT pg_try_advisory_lock(7001, 201)") is True
