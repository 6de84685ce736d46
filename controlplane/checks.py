"""`manage.py check --deploy`: what would break an invariant on this machine, looked up in the running database."""

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db import DatabaseError, connection

from audit.log.sealing import standing

_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
_WEAK = {"off", "local"}
APPEND_ONLY = ("audit_entry", "audit_leaf", "audit_tile", "audit_checkpoint")
NEEDS_ENTRY = ("policies_bundle", "policies_document", "policies_document_history")
_UPDATE, _DELETE, _TRUNCATE = 16, 8, 32
_TAMPERED = "treat the log as tampered with, run `audit verify`"
_INSTALL = "a superuser runs deploy/guard.sql in this database, then run `manage.py seal`"


@register("mandate", deploy=True)
def installation(app_configs: object, **kwargs: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001 - Django's signature
    """Role, durability, triggers and key files. Every message says what to do."""
    found: list[CheckMessage] = [*key_files(Path(settings.MANDATE_KEYS_DIR))]
    try:
        return [*found, *database(), *guard()]
    except DatabaseError as away:
        return [*found, Error(f"the database cannot be asked: {away}", id="mandate.E001")]


def database() -> list[CheckMessage]:
    """What of PostgreSQL would break an invariant: `up` refuses to start on it, whoever set it up."""
    return [*role(), *durability(), *triggers(), *constraints()]


def _rows(statement: str, parameters: Sequence[list[str]] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def role() -> list[CheckMessage]:
    """The application may not be able to change what it must not change."""
    (name, powerful, member) = _rows(
        "SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication, "
        "pg_has_role(rolname, 'mandate_owner', 'MEMBER') FROM pg_roles WHERE rolname = current_user"
    )[0]
    owned = _rows("SELECT 1 FROM pg_tables WHERE tableowner = current_user LIMIT 1")
    if powerful or member or owned:
        return [
            Error(
                f'the application logs in as "{name}", which owns tables or may do more than read and write',
                hint="create a plain role and put it into DATABASE_URL (deploy/roles.sql)",
                id="mandate.E002",
            )
        ]
    return []


def durability() -> list[CheckMessage]:
    """What is committed before a call goes upstream must survive a crash."""
    rows = _rows("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(_DURABLE)])
    return [
        Error(f"{name} is {value}", hint=f"set {name} = on in PostgreSQL", id="mandate.E003")
        for name, value in rows
        if value in _WEAK
    ]


def triggers() -> list[CheckMessage]:
    """Every append-only table and partition refuses UPDATE, DELETE and TRUNCATE, also under replication roles."""
    rows = _rows(
        """
        SELECT c.relname, coalesce(bit_or(CASE WHEN g.tgenabled = 'A' THEN g.tgtype::int ELSE 0 END), 0)
        FROM pg_class c
        LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
        LEFT JOIN pg_class p ON p.oid = i.inhparent
        LEFT JOIN pg_trigger g ON g.tgrelid = c.oid AND NOT g.tgisinternal
        WHERE c.relkind IN ('r', 'p') AND (c.relname = ANY(%s) OR p.relname = ANY(%s))
        GROUP BY c.relname ORDER BY c.relname
        """,
        [list(APPEND_ONLY), list(APPEND_ONLY)],
    )
    missing = set(APPEND_ONLY) - {name for name, _ in rows}
    needed = _UPDATE | _DELETE | _TRUNCATE
    weak = [name for name, held in rows if held & needed != needed]
    return [
        Error(
            f'"{name}" does not refuse changes',
            hint=f"its triggers were removed or switched off: {_TAMPERED}",
            id="mandate.E004",
        )
        for name in sorted(missing) + weak
    ]


def constraints() -> list[CheckMessage]:
    """Nothing commits a document or a bundle without its entry."""
    rows = _rows(
        "SELECT t.name FROM unnest(%s::text[]) AS t (name) WHERE NOT EXISTS (SELECT FROM pg_trigger "
        "WHERE tgrelid = to_regclass(t.name) AND tgname = 'needs_entry' AND tgenabled = 'A' AND tgdeferrable) ORDER BY 1",
        [list(NEEDS_ENTRY)],
    )
    return [
        Error(f'"{name}" takes rows without their entry', hint=_TAMPERED, id="mandate.E008")
        for (name,) in rows
    ]


def guard() -> list[CheckMessage]:
    """The owner of the tables, too, is kept from changing the log: `deploy/guard.sql` is installed, whole and sealed."""
    with connection.cursor() as cursor:
        found = standing(cursor)
    if not found.installed:
        wrong, hint = "nothing keeps the owner of the tables from changing the log", _INSTALL
    elif not found.watching:
        wrong, hint = "an event trigger of the log's guard is missing or not ALWAYS", _INSTALL
    elif not found.sealed:
        wrong, hint = f"the log is not sealed: {found.reason}", "run `manage.py seal`"
    elif not found.whole:
        wrong, hint = "what was sealed of the log is not what is there", _TAMPERED
    else:
        return []
    return [Error(wrong, hint=hint, id="mandate.E007")]


def key_files(folder: Path) -> list[CheckMessage]:
    """Keys exist, and nobody else can read them."""
    found: list[CheckMessage] = []
    for name in ("secret_key", "pepper"):
        path = folder / name
        if not path.is_file():
            found.append(
                Error(f"{path} is missing", hint="run `manage.py init`", id="mandate.E005")
            )
        elif path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            found.append(
                Error(f"{path} can be read by others", hint=f"chmod 600 {path}", id="mandate.E006")
            )
    return found
