"""`python -m routing.bench.reserving ASK`: clients that reserve on hot budgets until their time is up, or nothing is left.

One admission is what a call costs: the call's row, its decision, its sealed request, the reservation in every window and the
entry, in one statement and one commit. The naive client does what is written without one function: BEGIN, UPDATE of the one
hot row, INSERT of the call, its entry, COMMIT.
"""

import asyncio
import sys
import time
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from audit.log.entry import Entry, build
from controlplane.kernel.clock import system_clock
from controlplane.kernel.ids import IdSource
from routing.calls import answers, commands, steps
from routing.calls.pool import Database, open_pool

_FACTS = b'{"facts":"' + b"x" * 700 + b'"}'
_PATIENCE_SECONDS = 60.0
_TAKE = (
    "UPDATE routing_ledger_window SET pending_nano = pending_nano + %s::bigint WHERE id = %s::bigint "
    "AND posted_nano + pending_nano + overrun_nano + %s::bigint <= limit_nano"
)
_CALL = (
    "INSERT INTO routing_call (id, revision, stop_epoch, tenant, team, key, admitted_at, deadline_at, reserved_at, moved_at, "
    "attempts, stream, state, route, dialect) SELECT %s::uuid, %s::bigint, %s::bigint, %s::text, %s::text, %s::text, "
    "now(), now() + interval '10 minutes', now(), now(), 1, false, 'admitted', 'bench', 'openai.chat'"
)
_APPEND = "SELECT audit_append(%s::uuid, 'call.admitted', %s::uuid, %s::text, %b::bytea)"


class Ask(msgspec.Struct, frozen=True):
    """What one process does from `since` to `until` (Unix time): so many clients, each reservation of `amount_nano`."""

    dsn: str
    since: float
    until: float
    clients: int
    tenant: str
    key: str
    key_hash: str
    windows: list[tuple[int, int, int]]
    """(id, limit, rank), in lock order."""
    amount_nano: int = 1
    naive: bool = False


class Reserved(msgspec.Struct, frozen=True):
    """The latency of each that was granted, and how many were refused."""

    took_ms: list[float]
    refused: int


class _Client:
    """What the clients of one process share."""

    def __init__(self, ask: Ask, db: Database, revision: int, epoch: int) -> None:
        self.ask, self.db, self.revision, self.epoch = ask, db, revision, epoch
        self.ids, self.admissions = IdSource(), commands.Admissions(db)
        self._until = system_clock() + timedelta(days=1)
        self.took: list[float] = []
        self.refused = 0
        self._refs = [
            steps.WindowRef(identity, limit, hard=True, budget="hot", rank=rank)
            for identity, limit, rank in ask.windows
        ]

    async def run(self) -> None:
        """Reserve again and again; a client that is refused is done."""
        await asyncio.sleep(max(0.0, self.ask.since - time.time()))
        while time.time() < self.ask.until:
            began = time.perf_counter()
            if not await (self._naive() if self.ask.naive else self._admit()):
                self.refused += 1
                return
            self.took.append((time.perf_counter() - began) * 1000)

    async def _admit(self) -> bool:
        call = self.ids.new()
        admission = steps.Admission(
            asked=self._asked(call),
            decision=steps.Decided(1, "permit", sha256(_FACTS).digest(), _FACTS),
            entry=self._entry(call),
            request=steps.Sealed("request", "tenant/b", "subject/b", b"n" * 12, b"c" * 400),
            reservation=steps.Reservation(
                "m", "p", self.ask.amount_nano, self._refs, valid_until=self._until
            ),
        )
        answer = await self.admissions.admit(admission)
        if isinstance(answer, answers.Stale):
            self.revision, self.epoch = answer.revision, answer.stop_epoch
            return True
        return isinstance(answer, answers.Admitted)

    async def _naive(self) -> bool:
        call, ask = self.ids.new(), self.ask
        async with self.db.connection() as connection, connection.transaction():
            window, amount = ask.windows[-1][0], ask.amount_nano
            taken = await connection.execute(_TAKE, (amount, window, amount), prepare=True)
            if taken.rowcount != 1:
                return False
            where = (ask.tenant, "load", ask.key)
            await connection.execute(_CALL, (call, self.revision, self.epoch, *where), prepare=True)
            entry = self._entry(call)
            said = (entry.id, call, ask.tenant, entry.body)
            await connection.execute(_APPEND, said, prepare=True)
        return True

    def _asked(self, call: UUID) -> steps.Asked:
        return steps.Asked(
            call=call,
            tenant=self.ask.tenant,
            team="load",
            key=self.ask.key,
            key_hash=bytes.fromhex(self.ask.key_hash),
            route="bench",
            dialect="openai.chat",
            stream=False,
            revision=self.revision,
            stop_epoch=self.epoch,
            deadline_seconds=600.0,
        )

    def _entry(self, call: UUID) -> Entry:
        return build(
            "call.admitted",
            id=self.ids.new(),
            at=system_clock(),
            actor=f"key:{self.ask.key}",
            tenant=self.ask.tenant,
            call=call,
            subject="bench",
            data={"revision": self.revision, "epoch": self.epoch},
        )


async def reserve(ask: Ask) -> Reserved:
    """All clients of this process, each with a connection of its own."""
    db = await open_pool(ask.dsn, ask.clients)
    try:
        async with db.connection() as connection:
            revision, epoch = await _control(connection)
        client = _Client(ask, db, revision, epoch)
        await asyncio.gather(*(client.run() for _ in range(ask.clients)))
    finally:
        await db.close()
    return Reserved(client.took, client.refused)


async def _control(connection: AsyncConnection[TupleRow]) -> tuple[int, int]:
    query = "SELECT revision, stop_epoch FROM policies_control WHERE id = 1"
    [(revision, epoch)] = await (await connection.execute(query)).fetchall()
    return revision, epoch


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.argv[1], type=Ask)
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(reserve(asked))))
