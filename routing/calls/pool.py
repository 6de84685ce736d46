"""The psycopg pool of the hot path, and one question to PostgreSQL, asked again when the answer was lost."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from time import monotonic
from typing import Any

from psycopg import AsyncConnection, DatabaseError, InterfaceError, OperationalError
from psycopg.rows import TupleRow
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper
from psycopg_pool import AsyncConnectionPool, PoolTimeout

Database = AsyncConnectionPool[AsyncConnection[TupleRow]]
"""What `db` is everywhere: autocommit, every statement prepared, integers sent as bigint."""

Check = Callable[[AsyncConnection[TupleRow]], Awaitable[None]]

OPTIONS = (
    "-c enable_seqscan=off -c plan_cache_mode=force_generic_plan "
    "-c idle_in_transaction_session_timeout=2s -c lock_timeout=5s -c statement_timeout=10s"
)
"""`enable_seqscan=off`: a month analysed while empty would have its plans scan the whole table later. Generic plans prune
months when they run; left to itself the planner plans every statement anew for its month, a third of the CPU of a call."""

RECONNECT_SECONDS = 2.0
"""How long the pool itself tries again, at doubling intervals; then whoever asks next makes it try at once. A long time
here is a long wait after an outage."""
PATIENCE_SECONDS = 2.0
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.25


class LostRace(Exception):
    """Another reservation took the last headroom between the look and the update; nothing was written."""


async def _configure(connection: AsyncConnection[TupleRow]) -> None:
    # one width for every integer, else each magnitude would prepare a statement of its own
    # (both forms: lists are sent as text, and psycopg keeps the width of the first list it meets)
    connection.adapters.register_dumper(int, Int8Dumper)
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    connection.prepare_threshold = 0


async def open_pool(dsn: str, size: int, check: Check | None = None) -> Database:
    """Open a pool of at most `size` connections; returns before they are made, so that PostgreSQL may still be away.

    `check` is run on a connection each time it is lent.
    """
    pool: Database = AsyncConnectionPool(
        dsn,
        min_size=min(2, size),
        max_size=size,
        timeout=5.0,
        max_idle=60.0,
        reconnect_timeout=RECONNECT_SECONDS,
        open=False,
        configure=_configure,
        check=check,
        kwargs={
            "autocommit": True,
            "options": OPTIONS,
            "connect_timeout": 5,
            "application_name": "mandate",
        },
    )
    await pool.open()
    return pool


async def ask(
    db: Database,
    query: str,
    params: Sequence[Any] = (),
    *,
    patience_seconds: float = PATIENCE_SECONDS,
) -> TupleRow:
    """The one row that `query` answers with.

    A broken or refused connection is asked again with the same parameters, hence the same entry ids, until
    `patience_seconds` have passed; then psycopg's OperationalError, InterfaceError or PoolTimeout is raised.
    Raises LostRace for MD002.
    """
    rows = await ask_all(db, query, params, patience_seconds=patience_seconds)
    return rows[0]


async def ask_all(
    db: Database,
    query: str,
    params: Sequence[Any] = (),
    *,
    patience_seconds: float = PATIENCE_SECONDS,
) -> list[TupleRow]:
    """All rows that `query` answers with; see `ask`."""
    until, pause = monotonic() + patience_seconds, _FIRST_PAUSE_SECONDS
    while True:
        try:
            async with db.connection() as connection:
                cursor = connection.cursor(binary=True)
                await cursor.execute(query, params, prepare=True)
                return await cursor.fetchall()
        except (OperationalError, InterfaceError, PoolTimeout):
            if monotonic() + pause > until:
                raise
        except DatabaseError as error:
            if error.sqlstate == "MD002":
                raise LostRace from None
            raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def seconds(value: float) -> timedelta:
    """As PostgreSQL's interval."""
    return timedelta(seconds=value)
