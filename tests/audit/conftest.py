"""A log in a database of its own, so that whole-log facts (its size, nothing outside) are a test's own."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from audit.log.entry import Entry, build
from audit.log.running import connect
from audit.log.sequence import Sequencer
from audit.merkle.note import SignerKey
from audit.publication.telling import Told, tell
from audit.verify import Source, Verification, verify
from controlplane import env
from controlplane.kernel.ids import IdSource

AUDIT = Path(settings.BASE_DIR) / "audit"
SQL_FILES = (
    "sql/base.sql",
    "log/sql/tables.sql",
    "log/sql/functions.sql",
    "log/sql/watch.sql",
    "publication/sql/tables.sql",
    "log/sql/acknowledged.sql",
    "vault/sql/tables.sql",
    "vault/sql/functions.sql",
    "saved/sql/tables.sql",
    "sql/months.sql",
    "log/sql/here.sql",
    "retention/sql/retention.sql",
    "retention/sql/drop_month.sql",
    "retention/sql/tenant_key.sql",
)
OWNER_ROLE = str(settings.DATABASES["owner"]["OPTIONS"]["assume_role"])
APP_ROLE = str(settings.DATABASES["default"]["USER"])
IDS = IdSource()
APPEND = "SELECT audit_append(%s, %s, %s, %s, %s)"


def an_entry(kind: str = "key.created", **fields: Any) -> Entry:
    """An entry made now by Ada; `data` and the rest may be given."""
    given = {"id": IDS.new(), "at": datetime.now(tz=UTC), "actor": "member:ada@acme.example"}
    return build(kind, **{"data": {}, **given, **fields})


def row_of(entry: Entry) -> tuple[UUID, str, UUID | None, str, bytes]:
    return (entry.id, entry.kind, entry.call, entry.tenant, entry.body)


@dataclass
class LogDatabase:
    """A database with the app's tables, and the key that signs its log."""

    app_dsn: str
    owner_dsn: str
    key: SignerKey = field(default_factory=lambda: SignerKey.generate("log.example/1"))

    def app(self, **options: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(self.app_dsn, autocommit=True, **options)

    def owner(self) -> psycopg.Connection[Any]:
        db = psycopg.connect(self.owner_dsn, autocommit=True)
        db.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(OWNER_ROLE)))
        return db

    def superuser(self) -> psycopg.Connection[Any]:
        """Who can do everything to this database, and so unseals its log."""
        name = urlsplit(self.app_dsn).path.lstrip("/")
        return psycopg.connect(
            with_name(os.environ["DATABASE_SUPERUSER_URL"], name), autocommit=True
        )

    def one(self, query: str, *values: object) -> Any:
        """The first column of the first row."""
        with self.app() as db:
            row = db.execute(query.encode(), values).fetchone()
            assert row is not None
            return row[0]

    def append(self, count: int, **fields: Any) -> list[Entry]:
        """So many entries, five to a transaction."""
        entries = [an_entry(**fields) for _ in range(count)]
        with self.app() as db:
            for at in range(0, count, 5):
                with db.transaction():
                    for entry in entries[at : at + 5]:
                        db.execute(APPEND, row_of(entry))
        return entries

    def append_behind(self, entry: Entry) -> None:
        """An entry that the horizon has passed by, as after a restore into a cluster with smaller transaction ids."""
        with self.owner() as owner:
            owner.execute(
                """
                INSERT INTO audit_entry (id, kind, tenant, body, xid, recorded_at)
                VALUES (%s, %s, %s, %s, '3', clock_timestamp() - interval '2 minutes')
                """,
                [entry.id, entry.kind, entry.tenant, entry.body],
            )

    def sequence(self) -> None:
        """Everything that is there. Open transactions of other databases can hold it back for a while."""
        with connect(self.app_dsn) as db:
            sequencer = Sequencer(db, self.key)
            deadline = datetime.now(tz=UTC).timestamp() + 20
            while sequencer.tick().more or sequencer.lag_seconds():
                assert datetime.now(tz=UTC).timestamp() < deadline, "the horizon is held back"

    def publish(self) -> None:
        """Say that all that is signed is published, as the sequencer's process does after each round."""
        with self.app() as db:
            tell(
                db,
                Told("folder", "register", size=int(self.one("SELECT size FROM audit_tree_state"))),
            )

    def verify(self, from_checkpoint: int | None = None, **options: Any) -> Verification:
        with self.app() as db, db.cursor() as cursor:
            return verify(from_checkpoint, source=Source(cursor, self.key.verifier), **options)


def with_name(dsn: str, name: str) -> str:
    return urlsplit(dsn)._replace(path=f"/{name}").geturl()


@contextmanager
def database(template: str = "template0") -> Iterator[LogDatabase]:
    """A new database of the owner's, dropped at the end."""
    name = f"test_log_{secrets.token_hex(6)}"
    names = {"name": sql.Identifier(name), "template": sql.Identifier(template)}
    with psycopg.connect(env.database_owner_url(), autocommit=True) as db:
        db.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(OWNER_ROLE)))
        db.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {template}").format(**names))
    try:
        yield LogDatabase(
            with_name(env.database_url(), name), with_name(env.database_owner_url(), name)
        )
    finally:
        with psycopg.connect(env.database_owner_url(), autocommit=True) as db:
            db.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(OWNER_ROLE)))
            db.execute(sql.SQL("DROP DATABASE {name}").format(**names))


@pytest.fixture(scope="session")
def _template() -> Iterator[str]:
    with database() as made:
        with made.owner() as owner:
            for file in SQL_FILES:
                text = (AUDIT / file).read_text(encoding="utf-8")
                owner.execute(text.replace(':"app"', f'"{APP_ROLE}"').encode())
            owner.execute("SELECT make_months(1)")
        yield urlsplit(made.app_dsn).path.lstrip("/")


@pytest.fixture
def log_db(_template: str) -> Iterator[LogDatabase]:
    with database(_template) as made:
        yield made


@pytest.fixture
def sealed_db(log_db: LogDatabase) -> LogDatabase:
    """The same, guarded by `deploy/guard.sql` and sealed."""
    with log_db.superuser() as db:
        db.execute((Path(settings.BASE_DIR) / "deploy" / "guard.sql").read_bytes())
    with log_db.owner() as owner:
        assert owner.execute("SELECT mandate_guard.seal()").fetchone() == ("first",)
    return log_db


@pytest.fixture
def backup(_template: str, log_db: LogDatabase) -> Iterator[LogDatabase]:
    """An empty twin of the log's database, with the same key."""
    with database(_template) as made:
        made.key = log_db.key
        yield made


def copy_of(log: LogDatabase, copy: LogDatabase) -> None:
    """Bring the log's rows into a database that has the tables and nothing else: a backup, restored."""
    with log.owner() as source, copy.owner() as target:
        for table in ("entry", "leaf", "tile", "checkpoint", "tree_state"):
            target.execute(f"ALTER TABLE audit_{table} DISABLE TRIGGER USER".encode())
        target.execute("DELETE FROM audit_tree_state")
        for table in ("entry", "leaf", "tile", "checkpoint", "tree_state"):
            _copy_table(source, target, f"audit_{table}")
            target.execute(f"ALTER TABLE audit_{table} ENABLE TRIGGER USER".encode())


def _copy_table(
    source: psycopg.Connection[Any], target: psycopg.Connection[Any], name: str
) -> None:
    with (
        source.cursor() as reading,
        target.cursor() as writing,
        reading.copy(f"COPY (SELECT * FROM {name}) TO STDOUT".encode()) as rows,
        writing.copy(f"COPY {name} FROM STDIN".encode()) as into,
    ):
        for row in rows:
            into.write(row)
