"""What a start refuses to go on with, and when the demo's documents must follow its sandbox to another port."""

from pathlib import Path

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connection

from controlplane import checks
from controlplane.places import write_private
from controlplane.up import prepare
from controlplane.up.installation import remember

MORE = "may do more than read and write: create a plain role and put it into DATABASE_URL (deploy/roles.sql)\n"
TREAT = "treat the log as tampered with, run `audit verify`\n"


@pytest.mark.parametrize(
    ("facts", "moved"),
    [
        ({}, False),
        ({"sandbox_port": "7"}, False),
        ({"sandbox_port": "7", "demo": "seeding"}, False),
        ({"sandbox_port": "7", "demo": "seeded", "seeded_sandbox_port": "7"}, False),
        ({"sandbox_port": "8", "demo": "seeded", "seeded_sandbox_port": "7"}, True),
        ({"sandbox_port": "8", "demo": "seeded"}, True),  # seeded before the port was remembered
    ],
)
def test_only_a_seeded_demo_moves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, facts: dict[str, str], moved: bool
) -> None:
    monkeypatch.setenv("MANDATE_HOME", str(tmp_path))
    write_private(tmp_path / "services.json", "{}")
    remember(tmp_path, **facts)
    assert prepare.moved() is moved


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a start did beyond the schema; the database is the tests' own, which is migrated."""
    done: list[str] = []
    monkeypatch.setattr(prepare, "migrate", lambda **_: None)
    monkeypatch.setattr(prepare, "call_command", lambda *words: done.append(" ".join(words)))
    monkeypatch.setattr(prepare, "_fill", lambda *_: done.append("filled"))
    return done


@pytest.mark.django_db
def test_a_sound_database_is_gone_on_with(begun: list[str]) -> None:
    assert prepare.main(["answer", "never"]) == 0
    assert begun == ["retention repeat --if-behind", "filled"]


@pytest.mark.django_db
def test_a_database_that_does_not_wait_for_its_disk_is_refused_before_anything_is_written(
    begun: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
    assert prepare.main(["answer", "never"]) == 1
    assert begun == []
    assert capsys.readouterr().out.endswith(
        "the database would break what Mandate promises:\n"
        "synchronous_commit is off: set synchronous_commit = on in PostgreSQL\n"
    )


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "SELECT 1",
            f'the application logs in as "mandate_owner", which owns tables or {MORE}',
        ),
        (
            "ALTER TABLE audit_leaf DISABLE TRIGGER refuse_change",
            f'"audit_leaf" does not refuse changes: its triggers were removed or switched off: {TREAT}',
        ),
        (
            "DROP TRIGGER needs_entry ON policies_bundle",
            f'"policies_bundle" takes rows without their entry: {TREAT}',
        ),
    ],
)
def test_an_owner_and_a_log_without_its_triggers_are_refused(
    monkeypatch: pytest.MonkeyPatch, owner_dsn: str, begun: list[str], statement: str, told: str
) -> None:
    """As the owner sees it, in a transaction that is rolled back."""
    with psycopg.connect(owner_dsn) as link:
        link.execute("SET ROLE mandate_owner")
        link.execute(statement.encode())
        monkeypatch.setattr(
            checks,
            "_rows",
            lambda text, parameters=(): link.execute(text, parameters or None).fetchall(),
        )
        refused = prepare.main(["answer", "never"])
        lines = prepare.unsound()
        link.rollback()
    assert (refused, begun) == (1, [])
    assert told in lines


@pytest.mark.django_db(transaction=True)
def test_a_log_that_is_not_what_was_sealed_is_said_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, begun: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """PostgreSQL's own error, raised by the same code as the guard's; any other goes on up."""

    def raises(code: str) -> None:
        with connection.cursor() as cursor:
            said = (
                f"RAISE EXCEPTION 'what was sealed is not what is there' USING ERRCODE = '{code}'"
            )
            cursor.execute(f"DO $$ BEGIN {said}; END $$")

    monkeypatch.setattr(prepare, "migrate", lambda **_: raises("MD011"))
    assert prepare.main(["answer", "never"]) == 1
    assert begun == []
    told = capsys.readouterr().out
    assert "\nwhat was sealed is not what is there\n" in told
    assert told.endswith("\nsee docs/runbooks.md\n")
    monkeypatch.setattr(prepare, "migrate", lambda **_: raises("MD001"))
    with pytest.raises(DatabaseError):
        prepare.main(["answer", "never"])


def test_a_database_that_is_away_is_said_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, begun: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def away(**_: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(prepare, "migrate", away)
    assert prepare.main(["answer", "never"]) == 1
    assert begun == []
    assert capsys.readouterr().out.endswith("the database cannot be used: connection refused\n")
