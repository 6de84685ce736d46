"""A register in a second PostgreSQL, whose administrators are other people than those of the first."""

from typing import Any
from urllib.parse import urlsplit

import psycopg

from audit.register.base import Moved, Unreachable

_MADE = """
CREATE TABLE IF NOT EXISTS mandate_checkpoint_register (
  origin text PRIMARY KEY, note text NOT NULL, moved_at timestamptz NOT NULL DEFAULT clock_timestamp())
"""
_LOAD = "SELECT note FROM mandate_checkpoint_register WHERE origin = %s"
_FIRST = (
    "INSERT INTO mandate_checkpoint_register (origin, note) VALUES (%s, %s) ON CONFLICT DO NOTHING"
)
_NEXT = """
UPDATE mandate_checkpoint_register SET note = %s, moved_at = clock_timestamp() WHERE origin = %s AND note = %s
"""


class DatabaseRegister:
    """One table of one row for each origin, which it makes when it may; one short connection for each step."""

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def place(self) -> str:
        """Host and database, without user and password."""
        parts = urlsplit(self._url)
        return f"database {parts.hostname or ''}{parts.path}"

    def load(self, origin: str) -> str | None:
        """The row's note."""
        try:
            with self._connect() as db:
                row = db.execute(_LOAD, [origin]).fetchone()
        except psycopg.Error as error:
            raise Unreachable(f"the register does not answer: {type(error).__name__}") from error
        return None if row is None else str(row[0])

    def swap(self, origin: str, old: str | None, new: str) -> None:
        """One statement that compares and replaces, committed durably."""
        try:
            with self._connect() as db:
                if old is None:
                    moved = db.execute(_FIRST, [origin, new]).rowcount
                else:
                    moved = db.execute(_NEXT, [new, origin, old]).rowcount
        except psycopg.Error as error:
            raise Unreachable(f"the register does not answer: {type(error).__name__}") from error
        if moved != 1:
            raise Moved("the register moved: another signer of this log is at work")

    def _connect(self) -> psycopg.Connection[Any]:
        db = psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=3,
            options="-c statement_timeout=3s -c synchronous_commit=on",
            application_name="mandate-register",
        )
        try:
            if db.execute("SELECT to_regclass('mandate_checkpoint_register')").fetchone() == (
                None,
            ):
                db.execute(_MADE)
        except psycopg.Error:
            db.close()
            raise
        return db
