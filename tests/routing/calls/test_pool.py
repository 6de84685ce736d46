"""The pool: integers keep one width, lost answers are asked again, refusals are not."""

import asyncio

import psycopg
import pytest

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
