"""`check --deploy` names what would break an invariant. Each finding is provoked for real, inside a rolled-back transaction."""

from pathlib import Path

import psycopg
import pytest
from django.core.checks import Error
from django.db import connection

from audit.log.sealing import Standing
from controlplane import checks


def ids(found: list[Error]) -> list[str]:
    return [str(one.id) for one in found]


@pytest.mark.django_db
def test_a_sound_installation_has_nothing_to_say() -> None:
    assert checks.role() == []
    assert checks.triggers() == []
    assert checks.durability() == []
    assert checks.constraints() == []


@pytest.mark.django_db
def test_commits_that_do_not_wait_are_named() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
    (found,) = checks.durability()
    assert (found.id, found.msg) == ("mandate.E003", "synchronous_commit is off")


def _as_owner(
    monkeypatch: pytest.MonkeyPatch, owner_dsn: str, *statements: str
) -> psycopg.Connection:
    """A transaction of the owner, in which the checks then look; rolled back by the caller."""
    link = psycopg.connect(owner_dsn)
    for statement in ("SET ROLE mandate_owner", *statements):
        link.execute(statement)
    monkeypatch.setattr(
        checks,
        "_rows",
        lambda statement, parameters=(): link.execute(statement, parameters or None).fetchall(),
    )
    return link


def test_an_owner_may_not_be_the_application(
    monkeypatch: pytest.MonkeyPatch, owner_dsn: str
) -> None:
    link = _as_owner(monkeypatch, owner_dsn)
    assert ids(checks.role()) == ["mandate.E002"]
    link.close()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("ALTER TABLE audit_leaf DISABLE TRIGGER refuse_change", "audit_leaf"),
        ("DROP TRIGGER refuse_truncate ON audit_tile", "audit_tile"),
        ("ALTER TABLE audit_checkpoint ENABLE TRIGGER refuse_change", "audit_checkpoint"),
    ],
)
def test_a_log_whose_guards_are_gone_is_named(
    monkeypatch: pytest.MonkeyPatch, owner_dsn: str, statement: str, named: str
) -> None:
    link = _as_owner(monkeypatch, owner_dsn, statement)
    found = checks.triggers()
    link.rollback()
    link.close()
    assert [(one.id, one.msg) for one in found] == [
        ("mandate.E004", f'"{named}" does not refuse changes')
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE policies_bundle DISABLE TRIGGER needs_entry",
        "DROP TRIGGER needs_entry ON policies_bundle",
        "ALTER TABLE policies_bundle ENABLE REPLICA TRIGGER needs_entry",
    ],
)
def test_a_constraint_that_is_gone_is_named(
    monkeypatch: pytest.MonkeyPatch, owner_dsn: str, statement: str
) -> None:
    link = _as_owner(monkeypatch, owner_dsn, statement)
    found = checks.constraints()
    link.rollback()
    link.close()
    assert [(one.id, one.msg) for one in found] == [
        ("mandate.E008", '"policies_bundle" takes rows without their entry')
    ]


def test_a_partition_whose_guards_are_gone_is_named(
    monkeypatch: pytest.MonkeyPatch, owner_dsn: str
) -> None:
    link = _as_owner(monkeypatch, owner_dsn)
    (partition,) = link.execute(
        "SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'audit_entry'::regclass"
    ).fetchone() or ("",)
    link.execute(f"DROP TRIGGER refuse_truncate ON {partition}")
    found = checks.triggers()
    link.rollback()
    link.close()
    assert [one.msg for one in found] == [f'"{partition}" does not refuse changes']


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"installed": False}, "nothing keeps the owner of the tables from changing the log"),
        ({"watching": False}, "an event trigger of the log's guard is missing or not ALWAYS"),
        ({"sealed": False, "reason": "upgrade"}, "the log is not sealed: upgrade"),
        ({"whole": False}, "what was sealed of the log is not what is there"),
    ],
)
def test_a_guard_that_is_not_all_there_is_named(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, object], said: str
) -> None:
    whole = {"installed": True, "sealed": True, "whole": True, "watching": True}
    monkeypatch.setattr(checks, "standing", lambda _: Standing(**whole))
    assert checks.guard() == []
    monkeypatch.setattr(checks, "standing", lambda _: Standing(**{**whole, **found}))  # type: ignore[arg-type]  # by name
    assert [(one.id, one.msg) for one in checks.guard()] == [("mandate.E007", said)]


def test_keys_that_are_missing_or_open_to_others(tmp_path: Path) -> None:
    assert ids(checks.key_files(tmp_path)) == ["mandate.E005", "mandate.E005"]
    for name in ("secret_key", "pepper"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600)
    assert checks.key_files(tmp_path) == []
    (tmp_path / "pepper").chmod(0o640)
    (found,) = checks.key_files(tmp_path)
    assert (found.id, found.hint) == ("mandate.E006", f"chmod 600 {tmp_path / 'pepper'}")
