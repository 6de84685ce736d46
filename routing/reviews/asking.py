"""One statement of this room to PostgreSQL, from Django: one row back, committed with it."""

from typing import Any

from django.db import connection

from audit.log.entry import Entry
from routing.calls.questions import NO_SEALED
from routing.calls.steps import Sealed


def ask(query: str, params: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row that a statement of `questions` answers with."""
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        row: tuple[Any, ...] = cursor.fetchone()
    return row


def of_entry(entry: Entry) -> tuple[object, object]:
    """The fields of SQL's routing_entry."""
    return (entry.id, entry.body)


def of_sealed(row: Sealed | None) -> tuple[object, ...]:
    """The fields of SQL's routing_sealed."""
    return NO_SEALED if row is None else row.row()
