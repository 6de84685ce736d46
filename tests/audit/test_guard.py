"""The sealed log against its own owner: every attack of the study, for each role that could try it."""

from collections.abc import Iterator

import psycopg
import pytest
from django.conf import settings

from tests.audit.conftest import APPEND, LogDatabase, an_entry, row_of

SEALED, NOT_ALLOWED, APPEND_ONLY = "MD011", "42501", "MD009"
GUARDED = (
    "audit_entry",
    "audit_leaf",
    "audit_tile",
    "audit_checkpoint",
    "audit_tree_state",
    "vault_content",
)
_APPEND_TAKES = "p_id uuid, p_kind text, p_call uuid, p_tenant text, p_body bytea"
ON_A_TABLE = (
    "ALTER TABLE {table} DISABLE TRIGGER USER",
    "ALTER TABLE {table} ENABLE TRIGGER USER",
    "ALTER TABLE {table} ENABLE REPLICA TRIGGER {trigger}",
    "ALTER TABLE {table} RENAME TO elsewhere",
    "ALTER TABLE {table} RENAME COLUMN log TO elsewhere",
    "ALTER TABLE {table} ADD COLUMN more int",
    "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE {table} SET SCHEMA other",
    "ALTER TABLE {table} ALTER COLUMN log SET DEFAULT 2",
    "ALTER TABLE {table} ALTER COLUMN log TYPE smallint USING 2",
    "ALTER TRIGGER {trigger} ON {table} RENAME TO elsewhere",
    "DROP TRIGGER {trigger} ON {table}",
    "DROP TABLE {table} CASCADE",
    "CREATE RULE swallow AS ON INSERT TO {table} DO INSTEAD NOTHING",
    "CREATE POLICY hide ON {table} USING (false)",
    "CREATE TRIGGER swallow BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION theirs()",
    "CREATE INDEX more ON {table} (log)",
    "GRANT UPDATE ON {table} TO PUBLIC",
    "GRANT INSERT ON {table} TO mandate_app",
    "REVOKE ALL ON {table} FROM mandate_app",
    "REVOKE SELECT ON {table} FROM mandate_app",
)
ELSEWHERE = (
    "ALTER TABLE audit_entry ALTER COLUMN body TYPE bytea USING 'forged'::bytea",
    "ALTER TABLE audit_entry ALTER COLUMN body TYPE text USING 'forged'",
    "ALTER TABLE audit_entry DETACH PARTITION {partition}",
    "ALTER TABLE {partition} DISABLE TRIGGER USER",
    "ALTER TABLE {partition} ALTER COLUMN body SET STORAGE MAIN, SET UNLOGGED",
    "DROP TABLE {partition}",
    "CREATE TABLE audit_entry_208001 PARTITION OF audit_entry DEFAULT",
    "CREATE TABLE more () INHERITS (audit_leaf)",
    "CREATE TABLE more (entry uuid REFERENCES audit_entry ON DELETE CASCADE)",
    "DROP SCHEMA public CASCADE",
    "ALTER SCHEMA public RENAME TO elsewhere",
    "DROP OWNED BY mandate_owner CASCADE",
    "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC",
    "CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
    f"CREATE OR REPLACE FUNCTION audit_append({_APPEND_TAKES}) RETURNS void LANGUAGE sql AS ''",
    "CREATE OR REPLACE FUNCTION mandate_now() RETURNS timestamptz LANGUAGE sql AS 'SELECT ''epoch''::timestamptz'",
    "CREATE FUNCTION make_months() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER FUNCTION append_only() SET search_path = other",
    "ALTER FUNCTION make_month(text, date, int) RENAME TO elsewhere",
    "DROP FUNCTION append_only() CASCADE",
    "ALTER TABLE partitioned_table RENAME TO elsewhere",
    "CREATE RULE more AS ON INSERT TO partitioned_table DO ALSO NOTHING",
    "DROP TABLE demo_installation",
)
NOT_THEIRS = (
    "DROP EVENT TRIGGER mandate_guard_watch",
    "ALTER EVENT TRIGGER mandate_guard_watch DISABLE",
    "DROP SCHEMA mandate_guard CASCADE",
    "DROP FUNCTION mandate_guard.watch() CASCADE",
    "CREATE FUNCTION mandate_guard.more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "UPDATE mandate_guard.seal SET print = NULL",
    "DELETE FROM mandate_guard.guarded_table",
    "SELECT mandate_guard.unseal('just so')",
    "SET ROLE mandate_guard",
    "SET session_replication_role = replica",
    "ALTER FUNCTION make_months(int) OWNER TO mandate_owner",
    "ALTER FUNCTION drop_month(text, date) RENAME TO elsewhere",
    "CREATE OR REPLACE FUNCTION drop_month(p_parent text, p_month date) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
)


def said(db: psycopg.Connection[object], statement: str) -> str:
    """The code of the error that a statement met; nothing when it went through."""
    try:
        db.execute(statement.encode())
    except psycopg.Error as error:
        return error.sqlstate or ""
    return ""


@pytest.fixture
def guarded(sealed_db: LogDatabase) -> Iterator[LogDatabase]:
    sealed_db.append(3)
    sealed_db.sequence()
    with sealed_db.owner() as owner:
        owner.execute(
            "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
        )
        owner.execute("CREATE SCHEMA other")
    yield sealed_db
    assert sealed_db.verify().ok
    assert sealed_db.one("SELECT count(*) FROM audit_entry") == 3


def partition(log: LogDatabase) -> str:
    return str(log.one("SELECT tableoid::regclass::text FROM audit_entry LIMIT 1"))


@pytest.mark.parametrize("role", ["owner", "superuser"])
def test_no_definition_of_the_log_is_changed(guarded: LogDatabase, role: str) -> None:
    made = {"partition": partition(guarded)}
    with getattr(guarded, role)() as db:
        met = {
            (table, attack): said(db, attack.format(table=table, trigger=trigger))
            for table in GUARDED
            for trigger in ["only_grows" if table == "audit_tree_state" else "refuse_change"]
            for attack in ON_A_TABLE
            if table != "vault_content" or "log" not in attack
        }
        met |= {("", attack): said(db, attack.format(**made)) for attack in ELSEWHERE}
    assert {key: code for key, code in met.items() if code != SEALED} == {}
    assert len(met) == 21 * 5 + 17 + len(ELSEWHERE)


def test_the_guard_is_not_the_owners(guarded: LogDatabase) -> None:
    with guarded.owner() as db:
        met = {attack: said(db, attack) for attack in NOT_THEIRS}
    assert {attack: code for attack, code in met.items() if code != NOT_ALLOWED} == {}


def test_the_application_cannot_seal_or_unseal(guarded: LogDatabase) -> None:
    with guarded.app() as db:
        assert said(db, "SELECT mandate_guard.seal()") == NOT_ALLOWED
        assert said(db, "SELECT mandate_guard.unseal('just so')") == NOT_ALLOWED
        assert said(db, "UPDATE mandate_guard.seal SET print = NULL") == NOT_ALLOWED


def test_rows_meet_the_triggers_even_of_a_superuser_that_replicates(guarded: LogDatabase) -> None:
    with guarded.superuser() as db:
        db.execute("SET session_replication_role = replica")
        for table in GUARDED[:4]:
            for statement in (
                f"UPDATE {table} SET log = log",
                f"DELETE FROM {table}",
                f"TRUNCATE {table}",
            ):
                code = said(db, statement)
                assert code == APPEND_ONLY or (
                    table == "audit_tile" and "TRUNCATE" not in statement
                ), statement
        assert said(db, "ALTER TABLE audit_entry DISABLE TRIGGER USER") == SEALED


def test_what_is_not_of_the_log_is_migrated_as_ever(guarded: LogDatabase) -> None:
    with guarded.owner() as db:
        for statement in (
            "CREATE TABLE more (id uuid PRIMARY KEY, at timestamptz)",
            "GRANT SELECT ON more TO mandate_app",
            "ALTER TABLE more ADD COLUMN name text",
            "CREATE INDEX more_name ON more (name)",
            "ALTER TABLE more ALTER COLUMN name TYPE bytea USING 'x'::bytea",
            "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "DROP TABLE more",
        ):
            assert said(db, statement) == "", statement
        assert db.execute("SELECT mandate_guard.seal()").fetchone() == ("already",)


def test_months_are_made_and_guarded_after_the_seal(guarded: LogDatabase) -> None:
    with guarded.app() as db:
        made = db.execute("SELECT make_months(5), make_months(5)").fetchone()
        assert made == (8, 0)
    name = "SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'audit_entry'::regclass"
    newest = str(guarded.one(name))
    assert (
        guarded.one("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = %s", newest)
        == "mandate_owner"
    )
    with guarded.owner() as db:
        assert said(db, f"ALTER TABLE {newest} DISABLE TRIGGER USER") == SEALED
        assert said(db, f"TRUNCATE {newest}") == APPEND_ONLY
        assert said(db, f"DROP TABLE {newest}") == SEALED
        assert said(db, "CREATE TABLE more ()") == ""


def test_a_name_laid_in_the_way_is_not_looked_up(guarded: LogDatabase) -> None:
    """`make_months` has more rights than the owner: nothing of the owner's may run in it but what is sealed."""
    evil = "LANGUAGE plpgsql AS 'BEGIN ALTER TABLE public.audit_entry DISABLE TRIGGER USER;"
    with guarded.owner() as db:
        for statement in (
            f"CREATE FUNCTION format(text, text) RETURNS text {evil} RETURN pg_catalog.format($1, $2); END'",
            f"CREATE FUNCTION to_char(date, text) RETURNS text {evil} RETURN pg_catalog.to_char($1, $2); END'",
        ):
            assert said(db, statement) == ""
        assert db.execute("SELECT make_months(4)").fetchone() == (6,)
        assert db.execute(
            "SELECT DISTINCT tgenabled FROM pg_trigger WHERE tgrelid = 'audit_entry'::regclass"
        ).fetchall() == [("A",)]


def test_an_upgrade_is_said_and_sealed_again(sealed_db: LogDatabase) -> None:
    log = sealed_db
    with log.superuser() as db:
        assert said(db, "SELECT mandate_guard.unseal('no \"quotes\"')") == SEALED
        db.execute("SELECT mandate_guard.unseal('upgrade to 1.4')")
        db.execute("SELECT mandate_guard.unseal('twice says nothing new')")
    with log.owner() as owner:
        owner.execute("ALTER TABLE audit_checkpoint ADD COLUMN more int")
        owner.execute(
            "CREATE OR REPLACE FUNCTION make_months(p_ahead int DEFAULT 3) RETURNS int LANGUAGE sql AS 'SELECT 0'"
        )
        owner.execute("ALTER TABLE audit_leaf DISABLE TRIGGER refuse_truncate")
        assert said(owner, "SELECT mandate_guard.seal()") == SEALED
        owner.execute("ALTER TABLE audit_leaf ENABLE ALWAYS TRIGGER refuse_truncate")
        assert owner.execute("SELECT mandate_guard.seal()").fetchone() == ("again",)
        assert said(owner, "ALTER TABLE audit_checkpoint DROP COLUMN more") == SEALED
    with log.app() as db:
        told = db.execute(
            "SELECT kind, body::text IS NOT NULL, convert_from(body, 'UTF8')::json ->> 'actor',"
            " convert_from(body, 'UTF8')::json #>> '{data,reason}' FROM audit_entry"
        ).fetchall()
    assert told == [("log.unsealed", True, "cli:postgres", "upgrade to 1.4")]
    log.sequence()
    assert log.verify().ok


def test_a_new_table_of_the_log_is_taken_in(sealed_db: LogDatabase) -> None:
    with sealed_db.owner() as owner:
        owner.execute("CREATE TABLE more (id int)")
        owner.execute("SELECT make_append_only('more')")
        assert said(owner, "ALTER TABLE more DISABLE TRIGGER USER") == ""
        assert said(owner, "SELECT mandate_guard.seal()") == SEALED
        owner.execute(
            "ALTER TABLE more ENABLE ALWAYS TRIGGER refuse_change, ENABLE ALWAYS TRIGGER refuse_truncate"
        )
        assert owner.execute("SELECT mandate_guard.seal()").fetchone() == ("already",)
        assert said(owner, "ALTER TABLE more DISABLE TRIGGER USER") == SEALED


def test_a_month_is_dropped_only_when_it_may(sealed_db: LogDatabase) -> None:
    log = sealed_db
    old = "2026-01-01"
    with log.superuser() as db:
        db.execute("SELECT mandate_guard.unseal('an old month for the test')")
    with log.owner() as owner:
        for table in ("audit_entry", "vault_content"):
            owner.execute("SELECT make_month(%s, %s, 100)", [table, old])
        beyond = an_entry()
        owner.execute(
            "INSERT INTO audit_entry (id, kind, body) SELECT uuid7_floor(%s), 'key.created', %s",
            [f"{old} 12:00Z", beyond.body],
        )
        owner.execute("SELECT mandate_guard.seal()")
    with log.app() as db:
        prune = f"SELECT drop_month('audit_entry', '{old}')"
        assert said(db, "SELECT drop_month('audit_entry', current_date)") == "MD010"
        assert said(db, "SELECT drop_month('vault_content', current_date)") == "MD010"
        assert said(db, prune) == "MD010"  # its entry has no leaf
        log.sequence()
        assert said(db, prune) == "MD010"  # it is not published
        log.publish()
        assert said(db, prune) == "MD010"  # nothing says so in the log
        found = db.execute("SELECT stays, minimum, kept_digest FROM month_of_log(%s)", [old])
        ((kept, least, digest),) = found.fetchall()
        names = {"minimumIndex": str(least), "kept": str(kept), "keptDigest": digest}
        data = {"month": "2026-01", **names}
        db.execute(APPEND, row_of(an_entry("log.pruned", data=data)))
        assert said(db, prune) == "MD010"  # nor in this transaction
        assert db.execute("SELECT to_regclass('audit_entry_202601') IS NOT NULL").fetchone() == (
            True,
        )
        with db.transaction():
            db.execute(APPEND, row_of(an_entry("log.pruned", data=data)))
            assert db.execute(prune).fetchone() == (True,)
        gone = f"SELECT drop_month('vault_content', '{old}'), drop_month('pg_class', '{old}')"
        assert db.execute(gone).fetchone() == (True, False)
        # the act stays, in a month of its own that is guarded as before
        stays = "SELECT count(*) FROM audit_entry WHERE id < uuid7_floor('2026-02-01 00:00Z')"
        assert db.execute(stays).fetchone() == (1,)
        assert db.execute("SELECT to_regclass('vault_content_202601')").fetchone() == (None,)


def test_a_later_guard_prints_anew_only_what_was_whole(sealed_db: LogDatabase) -> None:
    guard = (settings.BASE_DIR / "deploy" / "guard.sql").read_bytes()
    standing = "SELECT print = mandate_guard.print() FROM mandate_guard.seal"
    with sealed_db.superuser() as db:
        db.execute(
            guard.replace(b"'bundle_needs_entry']", b"'bundle_needs_entry', 'months_ahead']")
        )
        assert db.execute(standing).fetchone() == (True,)
        with sealed_db.owner() as owner:
            assert said(owner, "ALTER TABLE audit_leaf DISABLE TRIGGER USER") == SEALED
            assert said(owner, "ALTER FUNCTION months_ahead() RENAME TO elsewhere") == SEALED
        db.execute("ALTER EVENT TRIGGER mandate_guard_watch DISABLE")
        db.execute("ALTER TABLE audit_leaf DISABLE TRIGGER refuse_change")
        db.execute(guard)
        assert db.execute(standing).fetchone() == (False,)
