"""Append an entry from Django code. Functions in SQL call `audit_append` themselves; there is no third way."""

from typing import Any

import psycopg
from django.db import connection
from django.db.transaction import TransactionManagementError

from audit.log.entry import Entry


def append(entry: Entry) -> None:
    """Write the entry in the caller's transaction, so that it and what it records stand or fall together.

    Raises TransactionManagementError outside `atomic()`, and whatever PostgreSQL refuses: the caller's action then fails too.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError(
            f"{entry.kind} must be appended in the transaction of what it records: use atomic()"
        )
    append_alone(entry)


def append_alone(entry: Entry) -> None:
    """Write an entry that records nothing but itself, such as a view: one statement, which outside `atomic()` commits at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT audit_append(%s, %s, %s, %s, %s)",
            [entry.id, entry.kind, entry.call, entry.tenant, entry.body],
        )


def append_over(db: psycopg.Connection[Any], entry: Entry) -> None:
    """The same over a connection of the log's own processes, in its transaction or at once."""
    db.execute(
        "SELECT audit_append(%s, %s, %s, %s, %s)",
        [entry.id, entry.kind, entry.call, entry.tenant, entry.body],
    )
