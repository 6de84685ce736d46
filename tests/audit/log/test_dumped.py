"""A real dump, really restored: it verifies, what was erased is erased again, and nothing that was signed is signed otherwise."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from pytest_django import DjangoDbBlocker

from audit.log.sealing import Sealed, seal, standing
from audit.register.file import FileRegister
from audit.retention.repeating import repeat_if_behind
from audit.vault.keys import Erased
from audit.vault.store import KeyStore
from tests import elsewhere
from tests.audit.conftest import IDS, LogDatabase, database, with_name
from tests.audit.log.test_registered import ORIGIN, refusal, tick
from tests.audit.retention.conftest import connected
from tests.audit.retention.test_erasing import Place, erase, opened, sealed

ENTRIES = 6


@pytest.fixture
def restored(sealed_db: LogDatabase) -> Iterator[LogDatabase]:
    """A database with nothing in it, into which a dump goes; who signs has the same key."""
    with database() as made:
        made.key = sealed_db.key
        yield made


def superuser_of(log: LogDatabase) -> str:
    name = urlsplit(log.app_dsn).path.lstrip("/")
    return with_name(os.environ["DATABASE_SUPERUSER_URL"], name)


def run(log: LogDatabase, name: str, *arguments: str) -> None:
    """A program of the server's own release, which has nothing to complain of."""
    with log.app() as db:
        major = db.info.server_version // 10_000
    program = str(elsewhere.installed()[major].binaries / name)
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def dump(log: LogDatabase, file: Path) -> None:
    run(log, "pg_dump", "--format=custom", f"--file={file}", superuser_of(log))


def restore(file: Path, into: LogDatabase) -> None:
    options = ("--exit-on-error", "--clean", "--if-exists", f"--dbname={superuser_of(into)}")
    run(into, "pg_restore", *options, str(file))


def guard_of(log: LogDatabase) -> tuple[bool, bool, bool]:
    """Whether the log is sealed, is what was sealed, and has its event triggers; no table is open and nothing may be changed."""
    with log.app() as db, db.cursor() as cursor:
        found = standing(cursor)
    assert found.open_tables == ()
    with log.owner() as owner, pytest.raises(psycopg.DatabaseError, match="the log is sealed"):
        owner.execute("ALTER TABLE audit_leaf DISABLE TRIGGER USER")
    return found.sealed, found.whole, found.watching


def seal_anew(log: LogDatabase) -> Sealed:
    with log.superuser() as db:
        db.execute("SELECT mandate_guard.unseal('restored from a dump')")
    with log.owner() as owner, owner.cursor() as cursor:
        return seal(cursor)


def test_a_restored_dump_verifies_forgets_and_goes_on(
    sealed_db: LogDatabase,
    restored: LogDatabase,
    tmp_path: Path,
    django_db_blocker: DjangoDbBlocker,
) -> None:
    """The database is of now, the key store of before an erasure: as docs/runbooks.md tells it, step by step."""
    register, store = FileRegister(tmp_path / "register"), KeyStore(tmp_path / "store")
    Place.tenant = f"insurance-{IDS.new().hex[-8:]}"
    mine, key = sealed(sealed_db, store, "customer-17", b"what is owed")
    other, _ = sealed(sealed_db, store, "customer-18", b"what is paid")
    shutil.copytree(store.folder, tmp_path / "yesterday")
    sealed_db.append(ENTRIES)
    with connected(sealed_db, django_db_blocker):
        erase(store, key)
    assert tick(sealed_db, register) == ENTRIES + 2  # it was asked for, and confirmed
    dump(sealed_db, tmp_path / "dump")

    restore(tmp_path / "dump", restored)
    assert (restored.verify().findings, restored.verify().size) == ((), ENTRIES + 2)
    old = KeyStore(tmp_path / "yesterday")
    with connected(restored, django_db_blocker):
        assert opened(restored, old, mine) == b"what is owed"
        assert repeat_if_behind(old, "cli:ops") == 1
        with pytest.raises(Erased):
            opened(restored, old, mine)
        assert opened(restored, old, other) == b"what is paid"
    # what was sealed had other numbers in the catalogue: `check --deploy` says so until it is sealed anew, which is two entries
    assert guard_of(restored) == (True, False, True)
    assert seal_anew(restored) is Sealed.AGAIN
    assert guard_of(restored) == (True, True, True)
    assert tick(restored, register) == ENTRIES + 5
    assert restored.verify().findings == ()
    assert register.load(ORIGIN) == restored.one(
        "SELECT note FROM audit_checkpoint ORDER BY seq DESC LIMIT 1"
    )


def test_a_dump_older_than_what_was_signed_is_not_signed_over(
    sealed_db: LogDatabase, restored: LogDatabase, tmp_path: Path
) -> None:
    register = FileRegister(tmp_path / "register")
    sealed_db.append(ENTRIES)
    assert tick(sealed_db, register) == ENTRIES
    dump(sealed_db, tmp_path / "dump")
    sealed_db.append(4)
    assert tick(sealed_db, register) == ENTRIES + 4
    signed = register.load(ORIGIN)

    restore(tmp_path / "dump", restored)
    restored.append(2)
    assert "size 10 was signed before, the database would have 8" in refusal(restored, register)
    restored.append(5)
    assert "at size 10 another root was signed before" in refusal(restored, register)
    assert restored.one("SELECT count(*) FROM audit_leaf") == ENTRIES
    assert register.load(ORIGIN) == signed
    assert (restored.verify().findings, restored.verify().size) == ((), ENTRIES)
