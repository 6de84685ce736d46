"""The pool: integers keep one width, lost answers are asked again, refusals are not."""

import asyncio
import contextlib
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from routing.calls.pool import Database, LostRace, ask, ask_all, open_pool


async def test_a_list_of_small_numbers_does_not_narrow_the_next(db: Database) -> None:
    async with db.connection() as connection:
        for numbers in ([1], [70_000], [5_000_000_000_000], []):
            cursor = await connection.execute("SELECT %s::bigint[]", (numbers,), prepare=True)
            assert await cursor.fetchone() == (numbers,)


async def test_every_magnitude_shares_one_prepared_statement(app_dsn: str) -> None:
    db = await open_pool(app_dsn, 1)
    for number in (1, 70_000, 5_000_000_000_000):
        assert await ask(db, "SELECT %s::bigint", (number,)) == (number,)
    [count] = await ask(
        db, "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT $1::bigint'"
    )
    assert count == 1
    await db.close()


async def test_a_terminated_backend_is_asked_again(app_dsn: str) -> None:
    db = await open_pool(app_dsn, 1)
    [pid] = await ask(db, "SELECT pg_backend_pid()")
    async with await psycopg.AsyncConnection.connect(app_dsn, autocommit=True) as other:
        await other.execute("SELECT pg_terminate_backend(%s)", (pid,))
    assert await ask(db, "SELECT 1") == (1,)
    await db.close()


async def test_without_postgresql_the_error_comes_when_patience_ends() -> None:
    db = await open_pool("postgresql://nobody@127.0.0.1:1/none", 1)
    began = asyncio.get_running_loop().time()
    with pytest.raises(psycopg.OperationalError):
        async with asyncio.timeout(8):
            await ask_all(db, "SELECT 1", patience_seconds=0.1)
    assert asyncio.get_running_loop().time() - began < 8
    await db.close()


async def test_a_lost_race_has_its_own_name(db: Database) -> None:
    with pytest.raises(LostRace):
        await ask(db, "SELECT ledger_reserve('{-1}', '{0}', '{t}', 1::bigint, 1::bigint)")


async def test_a_mistake_is_not_asked_again(db: Database) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        await ask(db, "SELECT 1 FROM no_such_table", patience_seconds=60)


class Door:
    """A socket of PostgreSQL that can be closed: who is inside is thrown out, who knocks finds nothing."""

    def __init__(self, dsn: str, folder: Path) -> None:
        given = conninfo_to_dict(dsn)
        self._host, self._port = str(given["host"]), int(given.get("port") or 5432)
        self._outer = folder / f".s.PGSQL.{self._port}"
        self.dsn = make_conninfo(dsn, host=str(folder))
        self._inside: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._through, self._outer)

    def close(self) -> None:
        self._server.close()
        self._outer.unlink()
        for writer in self._inside:
            writer.transport.abort()
        self._inside.clear()

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, to = await self._knock()
        self._inside |= {writer, to}
        with contextlib.suppress(OSError):
            await asyncio.gather(self._copy(reader, to), self._copy(inner, writer))

    async def _knock(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._host.startswith("/"):
            return await asyncio.open_unix_connection(f"{self._host}/.s.PGSQL.{self._port}")
        return await asyncio.open_connection(self._host, self._port)

    async def _copy(self, reader: asyncio.StreamReader, writer: Any) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()


async def test_after_an_outage_it_is_back_with_postgresql(app_dsn: str) -> None:
    """Not at the end of an interval that doubled while it was away: 1, 3, 7, 15 seconds."""
    with tempfile.TemporaryDirectory() as folder:
        door = Door(app_dsn, Path(folder))
        await door.open()
        db = await open_pool(door.dsn, 2)
        assert await ask(db, "SELECT 1", patience_seconds=10) == (1,)

        async def renew() -> None:
            with contextlib.suppress(psycopg.OperationalError, TimeoutError):
                async with asyncio.timeout(0.5):
                    await ask(db, "SELECT 1")

        door.close()
        until = time.monotonic() + 7.3
        while time.monotonic() < until:
            await renew()
            await asyncio.sleep(0.1)
        await door.open()
        back = time.monotonic()
        assert await ask(db, "SELECT 1", patience_seconds=20) == (1,)
        assert time.monotonic() - back < 6
        await db.close()
        door.close()
