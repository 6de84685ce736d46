"""Is `attempt.started` committed? Asked over a database connection of the upstream's own."""

import asyncio
from uuid import UUID

import msgspec
import psycopg

_QUERY = "SELECT body FROM audit_entry WHERE call = %s AND kind = 'attempt.started'"


class CommittedStarts:
    """Looks an attempt up in the log as anybody outside its transaction sees it."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.AsyncConnection[tuple[bytes]] | None = None
        self._turn = asyncio.Lock()

    async def committed(self, attempt: str) -> bool:
        """Whether the entry of `<call hex>/<no>` is visible. A bad header is not."""
        hexadecimal, _, number = attempt.partition("/")
        try:
            call, no = UUID(hex=hexadecimal), int(number)
        except ValueError:
            return False
        rows = await self._rows(call)
        return any(_number(body) == no for (body,) in rows)

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()

    async def _rows(self, call: UUID) -> list[tuple[bytes]]:
        async with self._turn:
            if self._connection is None or self._connection.closed:
                self._connection = await psycopg.AsyncConnection.connect(
                    self._dsn, autocommit=True, connect_timeout=5
                )
            cursor = await self._connection.execute(_QUERY, (call,))
            return await cursor.fetchall()


def _number(body: bytes) -> int | None:
    data = msgspec.json.decode(body).get("data", {})
    for name in ("attempt", "no"):
        value = data.get(name)
        if isinstance(value, int):
            return value
        if isinstance(value, str) and value.isdigit():
            return int(value)
    return None
