"""Every register keeps the same promise: it moves by compare-and-swap, or it does not move."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from moto import mock_aws
from psycopg import sql

from audit.register.base import Moved, Register, Unreachable
from audit.register.bucket import BucketRegister
from audit.register.choose import register
from audit.register.database import DatabaseRegister
from audit.register.file import FileRegister
from tests.audit.conftest import LogDatabase

ORIGIN, OTHER = "log.example/1", "log.example/2"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(
            Bucket="acme", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        yield client


@pytest.fixture(params=["file", "database", "bucket"])
def made(
    request: pytest.FixtureRequest, tmp_path: Path, log_db: LogDatabase, bucket: Any
) -> Register:
    if request.param == "file":
        return FileRegister(tmp_path / "register")
    if request.param == "bucket":
        return BucketRegister("acme", "mandate/")
    with log_db.owner() as owner:
        owner.execute(
            sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier("mandate_app"))
        )
    return DatabaseRegister(log_db.app_dsn)


def test_it_moves_from_what_it_holds_and_from_nothing_else(made: Register) -> None:
    assert made.load(ORIGIN) is None
    with pytest.raises(Moved):
        made.swap(ORIGIN, "never there", "one")
    assert made.load(ORIGIN) is None
    made.swap(ORIGIN, None, "one\n")
    assert made.load(ORIGIN) == "one\n"
    for old in (None, "one", "two\n"):
        with pytest.raises(Moved):
            made.swap(ORIGIN, old, "forged\n")
    assert made.load(ORIGIN) == "one\n"
    made.swap(ORIGIN, "one\n", "two — ü\n")
    assert (made.load(ORIGIN), made.load(OTHER)) == ("two — ü\n", None)


def test_of_those_who_race_one_moves_it(tmp_path: Path) -> None:
    made = FileRegister(tmp_path)
    outcomes: list[str] = []

    def race(name: str) -> None:
        try:
            made.swap(ORIGIN, None, name)
            outcomes.append("moved")
        except Moved:
            outcomes.append("refused")

    threads = [threading.Thread(target=race, args=[f"note {n}"]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["moved"] + ["refused"] * 7


def test_what_is_away_is_said_to_be_unreachable(tmp_path: Path, bucket: Any) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    away = (
        FileRegister(tmp_path / "file"),
        DatabaseRegister(f"postgresql://nobody@/nowhere?host={tmp_path}"),
        BucketRegister("not-there", ""),
    )
    for made in away:
        with pytest.raises(Unreachable):
            made.load(ORIGIN)
        with pytest.raises(Unreachable):
            made.swap(ORIGIN, None, "one")


def test_a_line_says_which_it_is_and_shows_no_password(bucket: Any) -> None:
    places = [
        register(text).place
        for text in ("/var/register", "postgresql://me:secret@db.example/reg", "s3://acme/mandate/")
    ]
    assert places == ["folder /var/register", "database db.example/reg", "bucket acme/mandate/"]
    with pytest.raises(ValueError, match='"ftp" is no register'):
        register("ftp://host/")


def test_the_database_needs_its_table_once(log_db: LogDatabase) -> None:
    """Whoever may not make the table is told so as unreachable, not let through."""
    made = DatabaseRegister(log_db.app_dsn)
    with pytest.raises(Unreachable, match="InsufficientPrivilege"):
        made.load(ORIGIN)
    with psycopg.connect(log_db.app_dsn) as db:
        assert db.execute("SELECT to_regclass('mandate_checkpoint_register')").fetchone() == (None,)
