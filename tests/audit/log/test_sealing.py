"""Sealing from Python, and what `check --deploy` says of the guard."""

import json
from contextlib import AbstractContextManager, nullcontext

import psycopg
import pytest
from django.core.management import call_command

from audit.log.sealing import Sealed, Standing, seal, standing
from tests.audit.conftest import LogDatabase


class Nobody:
    """A connection that is not used."""

    def cursor(self) -> AbstractContextManager[None]:
        return nullcontext()


def stands(log: LogDatabase) -> Standing:
    with log.app() as db, db.cursor() as cursor:
        return standing(cursor)


def sealed(log: LogDatabase) -> Sealed:
    with log.owner() as db, db.transaction(), db.cursor() as cursor:
        return seal(cursor)


def test_a_database_without_the_guard_says_so(log_db: LogDatabase) -> None:
    assert stands(log_db) == Standing(installed=False)
    assert sealed(log_db) is Sealed.NO_GUARD


def test_a_sealed_log_is_whole_and_watched(sealed_db: LogDatabase) -> None:
    whole = Standing(installed=True, sealed=True, whole=True, watching=True)
    assert stands(sealed_db) == whole
    assert sealed(sealed_db) is Sealed.ALREADY
    assert sealed_db.one("SELECT count(*) FROM audit_entry") == 0


def test_sealing_again_is_an_entry(sealed_db: LogDatabase) -> None:
    with sealed_db.superuser() as db:
        db.execute("SELECT mandate_guard.unseal('upgrade')")
    open_now = Standing(installed=True, whole=True, watching=True, reason="upgrade")
    assert stands(sealed_db) == open_now
    assert sealed(sealed_db) is Sealed.AGAIN
    with sealed_db.app() as db:
        rows = db.execute(
            "SELECT convert_from(body, 'UTF8') FROM audit_entry ORDER BY xid"
        ).fetchall()
    told = [
        (said["kind"], said["actor"], said["data"]) for said in (json.loads(row[0]) for row in rows)
    ]
    assert told == [
        ("log.unsealed", "cli:postgres", {"reason": "upgrade"}),
        ("log.sealed", "cli:migrator", {}),
    ]
    sealed_db.sequence()
    assert sealed_db.verify().ok


@pytest.mark.parametrize(
    ("statements", "wrong"),
    [
        (["DROP EVENT TRIGGER mandate_guard_rewrite"], {"watching": False}),
        (["ALTER EVENT TRIGGER mandate_guard_watch ENABLE"], {"watching": False}),
        (["ALTER EVENT TRIGGER mandate_guard_watch DISABLE"], {"watching": False}),
        (
            [
                "ALTER EVENT TRIGGER mandate_guard_watch DISABLE",
                "ALTER TABLE audit_tile DISABLE TRIGGER refuse_change",
                "ALTER EVENT TRIGGER mandate_guard_watch ENABLE ALWAYS",
            ],
            {"whole": False, "open_tables": ("audit_tile",)},
        ),
    ],
)
def test_a_superuser_who_went_round_the_guard_is_seen(
    sealed_db: LogDatabase, statements: list[str], wrong: dict[str, object]
) -> None:
    with sealed_db.superuser() as db:
        for statement in statements:
            db.execute(statement.encode())
    given = {"installed": True, "sealed": True, "whole": True, "watching": True}
    assert stands(sealed_db) == Standing(**{**given, **wrong})  # type: ignore[arg-type]  # by name
    if "whole" in wrong:
        with pytest.raises(psycopg.Error, match="what was sealed is not what is there"):
            sealed(sealed_db)


def test_the_command_says_where_nobody_ran_the_guard(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = iter([Sealed.NO_GUARD, Sealed.FIRST])
    monkeypatch.setattr("audit.management.commands.seal.seal", lambda _: next(told))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("audit.management.commands.seal.transaction.atomic", nullcontext)
        patch.setattr("audit.management.commands.seal.connections", {"owner": Nobody()})
        call_command("seal")
        call_command("seal")
    said = capsys.readouterr()
    assert said.out == "the log is sealed\n"
    assert "a superuser must run deploy/guard.sql" in said.err
