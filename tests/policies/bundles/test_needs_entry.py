"""What writes a document or a bundle and says nothing about it does not commit."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import tuple_row

from audit.log.entry import build
from controlplane.kernel.clock import system_clock
from policies.order.ids import new_id

WITHOUT = "MD012"
DIGEST = b"\x07" * 32
DOCUMENT = (
    "INSERT INTO policies_document (kind, tenant, name, body, source, origin, place, revision, actor)"
    " VALUES ('Route', 'unsaid', 'ask', '{}', '', 'console', '', 0, 'cli:test')"
)
VERSION = (
    "INSERT INTO policies_document_history (id, kind, tenant, name, body, source, origin, place, revision, actor,"
    " history_date, history_type) VALUES (1, 'Route', 'unsaid', 'ask', '{}', '', 'console', '', 0, 'cli:test', now(), '+')"
)
BUNDLE = (
    "INSERT INTO policies_bundle (revision, digest, engine, text, checked, checked_sha256, actor, flagged)"
    " VALUES (900001, decode(repeat('07', 32), 'hex'), 1, '', '', '', 'cli:test', false)"
)


@pytest.fixture
def db(app_dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """A transaction as the application; never committed."""
    with psycopg.connect(app_dsn, row_factory=tuple_row) as link:
        yield link
        link.rollback()


def append(db: psycopg.Connection[Any], kind: str, **data: object) -> None:
    entry = build(kind, id=new_id(), at=system_clock(), actor="cli:test", data=data)
    db.execute("SELECT audit_append(%s, %s, NULL, '', %s)", [entry.id, entry.kind, entry.body])


def at_the_end(db: psycopg.Connection[Any]) -> str:
    """What the commit would say."""
    try:
        db.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except psycopg.Error as error:
        return error.sqlstate or ""
    return ""


@pytest.mark.parametrize("write", [DOCUMENT, VERSION, BUNDLE])
def test_nothing_is_written_without_its_entry(db: psycopg.Connection[Any], write: str) -> None:
    db.execute(write.encode())
    assert at_the_end(db) == WITHOUT


@pytest.mark.parametrize(
    "change", ["UPDATE policies_document SET body = '{}'", "DELETE FROM policies_document"]
)
def test_nor_is_a_document_changed_or_deleted(db: psycopg.Connection[Any], change: str) -> None:
    db.execute(DOCUMENT)
    append(db, "bundle.activated", revision=1)
    assert at_the_end(db) == ""
    db.execute("SET CONSTRAINTS ALL DEFERRED")
    db.execute(f"{change} WHERE tenant = 'unsaid'".encode())
    assert at_the_end(db) == ""  # the same transaction has said it


@pytest.mark.parametrize(
    "kind", ["bundle.activated", "document.taken-over", "document.handed-over"]
)
def test_an_entry_of_the_same_transaction_lets_it_through(
    db: psycopg.Connection[Any], kind: str
) -> None:
    db.execute(DOCUMENT)
    db.execute(VERSION)
    append(db, kind)
    assert at_the_end(db) == ""


def test_an_entry_about_something_else_does_not(db: psycopg.Connection[Any]) -> None:
    db.execute(DOCUMENT)
    append(db, "change.opened")
    assert at_the_end(db) == WITHOUT


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"revision": 900001, "digest": DIGEST.hex()}, ""),
        ({"revision": 900002, "digest": DIGEST.hex()}, WITHOUT),
        ({"revision": 900001, "digest": "00" * 32}, WITHOUT),
        ({}, WITHOUT),
    ],
)
def test_a_bundles_entry_names_its_revision_and_digest(
    db: psycopg.Connection[Any], data: dict[str, object], said: str
) -> None:
    db.execute(BUNDLE)
    append(db, "bundle.activated", **data)
    assert at_the_end(db) == said


def test_an_entry_of_an_earlier_transaction_does_not_count(app_dsn: str) -> None:
    with psycopg.connect(app_dsn) as link:
        append(link, "bundle.activated", revision=-1)
        link.commit()
        link.execute(DOCUMENT)
        assert at_the_end(link) == WITHOUT
        link.rollback()
        assert link.execute(
            "SELECT count(*) FROM policies_document WHERE tenant = 'unsaid'"
        ).fetchone() == (0,)
