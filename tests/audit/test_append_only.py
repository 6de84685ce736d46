"""Who may do what to the log and the vault: the role matrix, the triggers, the months."""

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tests.audit.conftest import APPEND, AUDIT, IDS, SQL_FILES, LogDatabase, an_entry, row_of

INSUFFICIENT = "42501"
APPEND_ONLY = "MD009"
ONCE_WRITTEN = ("audit_entry", "audit_leaf", "audit_tile", "audit_checkpoint", "vault_content")
SEALED = (IDS.new(), "request", 0, "tenant/t/2026-11", "subject/t/team/x", b"n" * 12, b"ciphertext")
VAULT_PUT = "SELECT vault_put(%s, %s, %s::smallint, %s, %s, %s, %s)"


@pytest.fixture
def one_of_each(log_db: LogDatabase) -> LogDatabase:
    log_db.append(257)
    log_db.sequence()
    with log_db.app() as db:
        db.execute(VAULT_PUT, SEALED)
    return log_db


def refused(db: psycopg.Connection[object], statement: str, *values: object) -> str | None:
    with pytest.raises(psycopg.Error) as error:
        db.execute(statement.encode(), values)
    return error.value.sqlstate


def partitions(log: LogDatabase) -> list[str]:
    with log.app() as db:
        rows = db.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent IN"
            " ('audit_entry'::regclass, 'vault_content'::regclass) ORDER BY 1"
        ).fetchall()
    return [row[0] for row in rows if "idx" not in row[0] and "pkey" not in row[0]]


@pytest.mark.parametrize("table", ONCE_WRITTEN)
def test_the_application_role_can_change_nothing(one_of_each: LogDatabase, table: str) -> None:
    with one_of_each.app() as db:
        column = "call" if table == "vault_content" else "log"
        for statement in (
            f"UPDATE {table} SET {column} = {column}",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
            f"ALTER TABLE {table} DISABLE TRIGGER USER",
            f"DROP TABLE {table}",
            f"CREATE RULE swallow AS ON INSERT TO {table} DO INSTEAD NOTHING",
        ):
            assert refused(db, statement) == INSUFFICIENT, statement
        rights = f"SELECT relacl FROM pg_class WHERE oid = '{table}'::regclass"
        before = db.execute(rights.encode()).fetchone()
        db.execute(f"GRANT UPDATE ON {table} TO PUBLIC".encode())  # no more than a warning
        assert db.execute(rights.encode()).fetchone() == before
        assert refused(db, "SET ROLE mandate_owner") == INSUFFICIENT


def test_the_application_role_cannot_date_an_entry_back(log_db: LogDatabase) -> None:
    entry = an_entry()
    with log_db.app() as db:
        for column, value in (("recorded_at", "'2020-01-01'"), ("xid", "'3'")):
            insert = (
                f"INSERT INTO audit_entry (id, kind, body, {column}) VALUES (%s, %s, %s, {value})"
            )
            assert refused(db, insert, entry.id, entry.kind, entry.body) == INSUFFICIENT
        assert db.execute("SELECT count(*) FROM audit_entry").fetchone() == (0,)


def test_the_application_role_does_not_reach_partitions_or_the_makers(
    one_of_each: LogDatabase,
) -> None:
    with one_of_each.app() as db:
        for partition in partitions(one_of_each):
            for statement in (
                f"SELECT FROM {partition}",
                f"DELETE FROM {partition}",
                f"TRUNCATE {partition}",
            ):
                assert refused(db, statement) == INSUFFICIENT
        assert refused(db, "SELECT make_month('audit_entry', '2030-01-01', 100)") == INSUFFICIENT
        assert refused(db, "SELECT make_append_only('audit_entry')") == INSUFFICIENT
        assert refused(db, "DELETE FROM audit_tree_state") == INSUFFICIENT
        assert refused(db, "INSERT INTO partitioned_table VALUES ('x', 100)") == INSUFFICIENT


def test_the_owner_meets_the_triggers_on_parents_and_partitions(one_of_each: LogDatabase) -> None:
    full = [name for name in partitions(one_of_each) if not _empty(one_of_each, name)]
    assert len(full) == 2
    with one_of_each.owner() as db:
        for table in (*ONCE_WRITTEN, *full):
            column = "call" if table.startswith("vault") else "log"
            for statement in (
                f"UPDATE {table} SET {column} = {column}",
                f"DELETE FROM {table}",
                f"TRUNCATE {table}",
            ):
                assert refused(db, statement) == APPEND_ONLY, statement
        for statement in ("DELETE FROM audit_tree_state", "TRUNCATE audit_tree_state"):
            assert refused(db, statement) == APPEND_ONLY


def test_every_trigger_fires_always(one_of_each: LogDatabase) -> None:
    """Also under session_replication_role = replica, by which a superuser goes round ordinary ones."""
    with one_of_each.app() as db:
        found = db.execute(
            "SELECT tgrelid::regclass::text, array_agg(tgname::text ORDER BY tgname), array_agg(DISTINCT tgenabled::text)"
            " FROM pg_trigger GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert {table: (names, enabled) for table, names, enabled in found} == {
        **{
            table: (["refuse_change", "refuse_truncate"], ["A"])
            for table in (*ONCE_WRITTEN, *partitions(one_of_each))
        },
        "audit_tree_state": (["only_grows", "refuse_truncate"], ["A"]),
    }


def _empty(log: LogDatabase, partition: str) -> bool:
    with log.owner() as db:
        return db.execute(f"SELECT 1 FROM {partition} LIMIT 1".encode()).fetchone() is None


def test_months_are_made_ahead_once_and_by_anybody(log_db: LogDatabase) -> None:
    with log_db.app() as db:
        assert db.execute("SELECT make_months(), make_months(), months_ahead()").fetchone() == (
            4,
            0,
            3,
        )
        assert db.execute("SELECT make_months(5), months_ahead()").fetchone() == (4, 5)
        with pytest.raises(psycopg.Error):
            db.execute("SELECT make_months(25)")
    assert len(partitions(log_db)) == 12


def test_a_month_that_nobody_made_is_missed(log_db: LogDatabase) -> None:
    with log_db.owner() as db:
        db.execute("INSERT INTO partitioned_table VALUES ('never_made', 100)")
        assert db.execute("SELECT months_ahead()").fetchone() == (-1,)


def test_a_month_is_bounded_by_ids_and_what_lies_beyond_is_refused(log_db: LogDatabase) -> None:
    now = datetime.now(tz=UTC)
    entry = an_entry()
    far = an_entry(id=IDS.new())
    with log_db.app() as db:
        db.execute(APPEND, row_of(entry))
        name = db.execute("SELECT tableoid::regclass::text FROM audit_entry").fetchone()
        assert name == (f"audit_entry_{now:%Y%m}",)
        beyond = (far.id.__class__(int=far.id.int + (400 * 86_400_000 << 80)), *row_of(far)[1:])
        assert refused(db, APPEND, *beyond) == "23514"


def test_uuid7_floor_is_the_one_of_python(log_db: LogDatabase) -> None:
    from controlplane.kernel.ids import uuid7_floor

    moment = datetime(2026, 11, 30, 23, 59, 59, 999_000, tzinfo=UTC)
    assert log_db.one("SELECT uuid7_floor(%s)", moment) == uuid7_floor(moment)


APART = "SELECT round(extract(epoch FROM mandate_now() - clock_timestamp()))::int"
BACK = "SELECT set_config('mandate.demo', 'on', false), set_config('mandate.clock_offset', '-2 days', false)"


def test_settings_alone_move_no_clock(log_db: LogDatabase) -> None:
    with log_db.app() as db:
        db.execute(BACK)
        assert db.execute(APART).fetchone() == (0,)
        assert refused(db, "INSERT INTO demo_installation DEFAULT VALUES") == "42501"
        assert refused(db, "SELECT become_demo()") == "42501"


def test_the_clock_obeys_an_offset_in_a_demo_only(log_db: LogDatabase) -> None:
    with log_db.owner() as owner:
        assert owner.execute("SELECT become_demo()").fetchone() == (True,)
    with log_db.app() as db:
        db.execute("SELECT set_config('mandate.clock_offset', '-2 days', false)")
        assert db.execute(APART).fetchone() == (0,)
        db.execute(BACK)
        assert db.execute(APART).fetchone() == (-172_800,)
        db.execute(APPEND, row_of(an_entry()))
        told = db.execute(
            "SELECT round(extract(epoch FROM recorded_at - clock_timestamp()))::int FROM audit_entry"
        )
        assert told.fetchone() == (-172_800,)


def test_an_installation_with_a_past_becomes_no_demo(log_db: LogDatabase) -> None:
    with log_db.app() as db:
        db.execute(APPEND, row_of(an_entry()))
    with log_db.owner() as owner:
        assert owner.execute("SELECT become_demo()").fetchone() == (False,)
    with log_db.app() as db:
        db.execute(BACK)
        assert db.execute(APART).fetchone() == (0,)


def test_first_write_refuses_a_transaction_that_has_written(log_db: LogDatabase) -> None:
    with log_db.app() as db, db.transaction():
        db.execute("SELECT first_write()")
        db.execute(APPEND, row_of(an_entry()))
        with db.transaction(force_rollback=True):
            assert refused(db, "SELECT first_write()") == "MD001"


def test_entry_seen_answers_for_a_step_in_doubt(log_db: LogDatabase) -> None:
    entry = an_entry()
    assert log_db.one("SELECT entry_seen(%s)", entry.id) is False
    with log_db.app() as db:
        db.execute(APPEND, row_of(entry))
        assert refused(db, APPEND, *row_of(entry)) == "23505"
    assert log_db.one("SELECT entry_seen(%s)", entry.id) is True


@pytest.mark.parametrize("body", [b"", b"x", b"x" * 65_536])
def test_a_body_that_no_bundle_could_carry_is_refused(log_db: LogDatabase, body: bytes) -> None:
    with log_db.app() as db:
        assert refused(db, APPEND, IDS.new(), "key.created", None, "", body) == "23514"


def test_a_piece_of_content_is_written_once(log_db: LogDatabase) -> None:
    with log_db.app() as db:
        db.execute(VAULT_PUT, SEALED)
        assert refused(db, VAULT_PUT, *SEALED) == "23505"
        assert db.execute("SELECT call, field, no FROM vault_content").fetchall() == [SEALED[:3]]


def test_the_functions_in_the_database_are_those_in_the_files(log_db: LogDatabase) -> None:
    text = "\n".join((AUDIT / file).read_text(encoding="utf-8") for file in SQL_FILES)
    with log_db.app() as db:
        found = db.execute(
            "SELECT proname::text, prosrc, provolatile::text, prosecdef, proconfig FROM pg_proc"
            " WHERE pronamespace = 'public'::regnamespace"
        ).fetchall()
    assert len(found) == text.count("CREATE FUNCTION ")
    assert all(f"AS $${source}$$;" in text for _, source, *_ in found)
    special = {name: (kind, definer, config) for name, _, kind, definer, config in found}
    ordinary = ("v", False, None)
    assert {name: how for name, how in special.items() if how != ordinary} == {
        "make_months": ("v", True, ["search_path=pg_catalog, pg_temp"]),
        "drop_month": ("v", True, ["search_path=pg_catalog, pg_temp"]),
        "month_of_log": ("s", False, ["search_path=pg_catalog, pg_temp"]),
        "uuid7_floor": ("i", False, None),
    }


def test_the_migrations_run_exactly_these_files() -> None:
    migrations = sorted((AUDIT / "migrations").glob("0*.py"))
    text = "".join(migration.read_text(encoding="utf-8") for migration in migrations)
    assert [file for file in SQL_FILES if text.count(f'sql("{file}")') == 1] == list(SQL_FILES)
    assert sorted(SQL_FILES) == sorted(
        str(p.relative_to(AUDIT)) for p in Path(AUDIT).rglob("*.sql")
    )
