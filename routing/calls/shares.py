"""Whose steps may wait for a budget's row: a tenant takes half of a process's connections at most, all of them leave some.

A row may be held for long, by a slow disk or a person's transaction. Then those wait who pay from it: no other tenant, and not
what keeps the process alive. In which order tenants get to PostgreSQL does not matter: every statement looks at all again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from routing.calls.pool import Database


@dataclass(slots=True)
class _Gate:
    """One tenant's way to the pool, while somebody is at it."""

    room: asyncio.Semaphore
    inside: int = 0


class Shares:
    """The connections of one pool, by tenant. One per process; safe for concurrent coroutines."""

    def __init__(self, db: Database) -> None:
        self._most = max(1, db.max_size // 2)
        # a quarter is for who only reads: the lease, the sweep, keys, answers
        self._places = asyncio.Semaphore(db.max_size - db.max_size // 4)
        self._gates: dict[str, _Gate] = {}

    @asynccontextmanager
    async def of(self, tenant: str) -> AsyncIterator[None]:
        """Room for a step of this tenant that takes or gives money."""
        gate = self._gates.get(tenant)
        if gate is None:
            gate = self._gates[tenant] = _Gate(asyncio.Semaphore(self._most))
        gate.inside += 1
        try:
            async with gate.room, self._places:
                yield
        finally:
            gate.inside -= 1
            if not gate.inside:
                del self._gates[tenant]
