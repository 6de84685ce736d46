"""Take the exclusive order lock as the first thing of a transaction of its own, and read what it guards."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, TypeVar

from django.db import OperationalError, connection, transaction
from psycopg import errors

from controlplane.kernel.errors import Unavailable

Result = TypeVar("Result")
_TRIES = 5
# the idle limit frees the lock when our process is stopped between lock and commit: every admission waits for it
_TAKE = """
SET LOCAL lock_timeout = '2s';
SET LOCAL idle_in_transaction_session_timeout = '10s';
SELECT order_exclusive()
"""


class Control(NamedTuple):
    """What is in force: the bundle's revision (0 before `init`), its digest, and the stop epoch."""

    revision: int
    digest: bytes
    stop_epoch: int


def exclusively(work: Callable[[], Result], *, tries: int = _TRIES) -> Result:
    """Run `work` in one READ COMMITTED transaction that begins with the exclusive order lock; its commit is the effect.

    `work` may run more than once (each time after a rollback), so it computes nothing that could have been computed before.
    Raises Unavailable when the lock was not free within 2 s, `tries` times; RuntimeError inside another transaction.
    """
    for left in reversed(range(tries)):
        try:
            with transaction.atomic(durable=True):
                with connection.cursor() as cursor:
                    cursor.execute(_TAKE)
                return work()
        except OperationalError as error:
            if not isinstance(error.__cause__, errors.LockNotAvailable):
                raise
            if not left:
                raise Unavailable(
                    "the order lock was not free: a transaction holds up every change; try again"
                ) from error
    raise AssertionError("unreachable: the last try returns or raises")


def control() -> Control:
    """The control row. Under the exclusive lock it cannot move."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT revision, digest, stop_epoch FROM policies_control WHERE id = 1")
        revision, digest, stop_epoch = cursor.fetchone()
    return Control(revision, bytes(digest), stop_epoch)


def in_force() -> tuple[int, datetime]:
    """The revision in force (0 before `init`) and the moment at which it was read, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT revision, mandate_now() FROM policies_control WHERE id = 1")
        revision, at = cursor.fetchone()
    return int(revision), at


def next_stop_epoch() -> int:
    """Move the stop epoch on by one and return it; only under the exclusive lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE policies_control SET stop_epoch = stop_epoch + 1 WHERE id = 1 RETURNING stop_epoch"
        )
        return int(cursor.fetchone()[0])


def set_revision(revision: int, digest: bytes) -> None:
    """Put a bundle into force; only under the exclusive lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE policies_control SET revision = %s, digest = %s WHERE id = 1",
            [revision, digest],
        )


def mandate_now() -> datetime:
    """PostgreSQL's clock, by the one function that everything with a deadline uses."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT mandate_now()")
        moment: datetime = cursor.fetchone()[0]
    return moment
