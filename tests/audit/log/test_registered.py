"""The sequencer and its register: a database that went back, or another way, gets no signature."""

from pathlib import Path

import pytest

from audit.log.running import connect
from audit.log.sequence import Refused, Sequencer
from audit.merkle.checkpoint import Checkpoint
from audit.merkle.note import SignerKey, open_note
from audit.merkle.tree import root_of
from audit.register.base import (
    Ahead,
    Forked,
    Registered,
    RegisterError,
    Unreachable,
    extends,
)
from audit.register.file import FileRegister
from tests.audit.conftest import LogDatabase, an_entry, copy_of, row_of

ORIGIN = "log.example/1"


class Failing(FileRegister):
    """Fails at the next swap, having written or not."""

    fail = ""

    def swap(self, origin: str, old: str | None, new: str) -> None:
        how, self.fail = self.fail, ""
        if how != "before":
            super().swap(origin, old, new)
        if how:
            raise Unreachable("no answer in time")


def tick(log: LogDatabase, register: FileRegister) -> int:
    """One tick by a fresh process; returns the tree's size."""
    with connect(log.app_dsn) as db:
        made = Sequencer(db, log.key, register=Registered(register, log.key.known))
        for _ in range(50):
            made.tick()
            if not made.lag_seconds():
                break
        return made.size()


def refusal(log: LogDatabase, register: FileRegister) -> str:
    """Why a tick signed nothing; empty when it signed."""
    try:
        tick(log, register)
    except Refused as error:
        return str(error)
    return ""


def held(log: LogDatabase, register: FileRegister) -> Checkpoint:
    note = register.load(ORIGIN)
    assert note is not None
    return Checkpoint.parse(open_note(note, log.key.known).text)


def test_the_register_follows_every_head(log_db: LogDatabase, tmp_path: Path) -> None:
    register = FileRegister(tmp_path)
    log_db.append(7)
    assert tick(log_db, register) == 7
    assert held(log_db, register).size == 7
    assert log_db.one(
        "SELECT note FROM audit_checkpoint ORDER BY seq DESC LIMIT 1"
    ) == register.load(ORIGIN)
    log_db.append(3)
    assert tick(log_db, register) == 10
    assert held(log_db, register).size == 10


@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("more", [0, 5])
def test_a_swap_of_unknown_outcome_is_made_good(
    log_db: LogDatabase, tmp_path: Path, how: str, more: int
) -> None:
    """The register failed, having moved or not; then the same entries again, or more of them."""
    register = Failing(tmp_path)
    log_db.append(4)
    tick(log_db, register)
    log_db.append(4)
    register.fail = how
    with pytest.raises(Refused, match="no answer in time"):
        tick(log_db, register)
    assert log_db.one("SELECT size FROM audit_tree_state") == 4
    assert held(log_db, register).size == (8 if how == "after" else 4)
    log_db.append(more)
    assert tick(log_db, register) == 8 + more
    assert held(log_db, register).size == 8 + more
    assert log_db.verify().ok


def forge(log: LogDatabase, statement: str) -> None:
    with log.owner() as owner:
        for table in ("audit_entry", "audit_leaf", "audit_tile", "audit_checkpoint"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        owner.execute("ALTER TABLE audit_tree_state DISABLE TRIGGER USER")
        owner.execute(statement.encode())


def test_a_restored_backup_signs_nothing(
    log_db: LogDatabase, backup: LogDatabase, tmp_path: Path
) -> None:
    """Twice: as it was restored, and when it has grown beyond what was signed, another way."""
    register = FileRegister(tmp_path)
    log_db.append(6)
    tick(log_db, register)
    copy_of(log_db, backup)
    log_db.append(4)
    tick(log_db, register)
    before = register.load(ORIGIN)

    backup.append(2)
    assert "size 10 was signed before, the database would have 8" in refusal(backup, register)
    backup.append(5)
    assert "at size 10 another root was signed before" in refusal(backup, register)
    assert backup.one("SELECT size FROM audit_tree_state") == 6
    assert backup.one("SELECT count(*) FROM audit_leaf") == 6
    assert register.load(ORIGIN) == before
    log_db.append(1)
    assert tick(log_db, register) == 11


def test_of_two_signers_with_one_key_one_goes_on(
    log_db: LogDatabase, backup: LogDatabase, tmp_path: Path
) -> None:
    register = FileRegister(tmp_path)
    log_db.append(2)
    tick(log_db, register)
    copy_of(log_db, backup)
    for log in (log_db, backup):
        log.append(3)
    assert tick(log_db, register) == 5
    with pytest.raises(Refused, match="this is a second history"):
        tick(backup, register)
    assert backup.one("SELECT size FROM audit_tree_state") == 2


def test_what_was_deleted_before_its_turn_is_missed(log_db: LogDatabase, tmp_path: Path) -> None:
    """An entry that vanishes between the register's move and the commit that died."""
    register = Failing(tmp_path)
    log_db.append(3)
    register.fail = "after"
    with pytest.raises(Refused):
        tick(log_db, register)
    forge(
        log_db, "DELETE FROM audit_entry WHERE id = (SELECT max(id::text)::uuid FROM audit_entry)"
    )
    with pytest.raises(Refused, match="size 3 was signed before, the database would have 2"):
        tick(log_db, register)
    assert log_db.one("SELECT count(*) FROM audit_checkpoint") == 0


def test_a_register_that_holds_something_else_refuses(log_db: LogDatabase, tmp_path: Path) -> None:
    register = FileRegister(tmp_path)
    register.swap(ORIGIN, None, "no note at all")
    log_db.append(1)
    with pytest.raises(Refused, match="what the register holds is no checkpoint of ours"):
        tick(log_db, register)
    stranger = SignerKey.generate(ORIGIN)
    with pytest.raises(RegisterError):
        Registered(register, [stranger.verifier]).held(ORIGIN)
    assert log_db.one("SELECT count(*) FROM audit_checkpoint") == 0


def test_two_sequencers_that_take_turns_do_not_accuse_each_other(
    log_db: LogDatabase, tmp_path: Path
) -> None:
    register = FileRegister(tmp_path)
    with connect(log_db.app_dsn) as one, connect(log_db.app_dsn) as two:
        turns = [
            Sequencer(db, log_db.key, register=Registered(register, log_db.key.known))
            for db in (one, two)
        ]
        for number in range(6):
            with log_db.app() as db:
                db.execute("SELECT audit_append(%s, %s, %s, %s, %s)", row_of(an_entry()))
            until = 50
            while turns[number % 2].size() < number + 1 and until:
                turns[number % 2].tick()
                until -= 1
    assert held(log_db, register).size == 6


def test_extends_compares_size_and_root() -> None:
    leaves = [bytes([n]) * 32 for n in range(9)]

    def root(size: int) -> bytes:
        return root_of(leaves[:size])

    def head(size: int, value: bytes | None = None) -> Checkpoint:
        return Checkpoint(ORIGIN, size, value or root(size))

    extends(head(0), head(9), root)
    extends(head(5), head(9), root)
    extends(head(9), head(9), root)
    with pytest.raises(Ahead):
        extends(head(9), head(8), root)
    with pytest.raises(Forked):
        extends(head(5, b"x" * 32), head(9), root)
    with pytest.raises(Forked):
        extends(head(9, b"x" * 32), head(9), root)
