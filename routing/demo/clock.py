"""A clock that is set, and moves on where somebody would wait: in Python, and for every connection that is lent."""

import asyncio
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from controlplane.kernel.clock import system_clock

SET = (
    "SELECT set_config('mandate.demo', 'on', false), set_config('mandate.clock_offset', %s, false)"
)

# a history waits for no disk: what a crash takes of its last moment is made again, or missing from a demo
SET_QUICKLY = f"{SET}, set_config('synchronous_commit', 'off', false)"


class Simulated:
    """So far from the system's clock. PostgreSQL obeys its offset in a demo installation alone (`mandate_now`)."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._told: WeakKeyDictionary[AsyncConnection[TupleRow], str] = WeakKeyDictionary()

    def now(self) -> datetime:
        """Now, there."""
        return system_clock() + self._offset

    def jump(self, moment: datetime) -> None:
        """Be at a moment; never back."""
        self._offset = max(self._offset, moment - system_clock())

    def begin(self, moment: datetime) -> None:
        """Be at a moment, wherever the clock stood."""
        self._offset = moment - system_clock()

    async def sleep(self, seconds: float) -> None:
        """What a simulated model takes: the clock moves, nobody waits."""
        self._offset += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    @property
    def offset(self) -> str:
        """As an interval of PostgreSQL."""
        return f"{self._offset.total_seconds():.6f} seconds"

    async def check(self, connection: AsyncConnection[TupleRow]) -> None:
        """Tell a connection that is lent what time it is."""
        if self._told.get(connection) != self.offset:
            await connection.execute(SET_QUICKLY, [self.offset])
            self._told[connection] = self.offset
