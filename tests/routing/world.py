"""A small world for tests of calls and money: a tenant of its own, a key, a worker; steps with the least one must say."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from audit.log import entry
from audit.log.entry import Entry
from controlplane.kernel.clock import system_clock
from controlplane.kernel.ids import IdSource
from policies.engine.decision import BudgetClaim
from routing.calls import commands
from routing.calls.commands import (
    Admission,
    Asked,
    Cancel,
    Database,
    Decided,
    Denial,
    Finish,
    Reservation,
    Sealed,
    Settlement,
    Start,
    WindowRef,
)
from routing.calls.pool import ask, ask_all
from routing.ledger.balances import Windows

KEY_HASH = hashlib.sha256(b"key").digest()
FACTS = b'{"facts":1}'


@dataclass
class World:
    """One tenant with one team, one key and one worker with a lease; revision and epoch as last read."""

    db: Database
    tenant: str
    key: str
    ids: IdSource = field(default_factory=IdSource)
    worker: UUID = field(default_factory=uuid4)
    revision: int = 0
    epoch: int = 0

    async def control(self) -> None:
        """Read revision and epoch, as a process does after `stale`."""
        row = await ask(self.db, "SELECT revision, stop_epoch FROM policies_control WHERE id = 1")
        self.revision, self.epoch = row

    def entry(self, kind: str, call: UUID, **data: Any) -> Entry:
        return entry.build(
            kind,
            id=self.ids.new(),
            at=system_clock(),
            actor=f"key:{self.key}",
            tenant=self.tenant,
            call=call,
            data={"revision": self.revision, "epoch": self.epoch, **data},
        )

    def asked(self, call: UUID, **changes: Any) -> Asked:
        base = Asked(
            call=call,
            tenant=self.tenant,
            team="claims",
            key=self.key,
            key_hash=KEY_HASH,
            route="claims-triage",
            dialect="openai.chat",
            stream=False,
            revision=self.revision,
            stop_epoch=self.epoch,
            deadline_seconds=60,
            user_ref=f"subject/{self.tenant}/team/claims",
            lost_retries=1,
        )
        return replace(base, **changes)

    def admission(
        self, amount_nano: int = 0, windows: Sequence[WindowRef] = (), **changes: Any
    ) -> Admission:
        call = changes.pop("call", None) or self.ids.new()
        return Admission(
            asked=self.asked(call, **changes),
            decision=decided(1),
            entry=self.entry("call.admitted", call),
            request=sealed("request"),
            reservation=reservation(amount_nano, windows),
        )

    def denial(self, **changes: Any) -> Denial:
        call = changes.pop("call", None) or self.ids.new()
        return Denial(
            asked=self.asked(call, **changes),
            decision=replace(decided(1), effect="deny"),
            entry=self.entry("call.denied", call),
            code="no-permit",
        )

    def start(self, call: UUID, no: int = 1, **changes: Any) -> Start:
        base = Start(
            call=call,
            worker=self.worker,
            no=no,
            revision=self.revision,
            stop_epoch=self.epoch,
            entry=self.entry("attempt.started", call, no=no),
        )
        return replace(base, **changes)

    def settlement(self, call: UUID, no: int = 1, **changes: Any) -> Settlement:
        becomes = changes.setdefault("becomes", "succeeded")
        changes.setdefault(
            "was", {"voided": "reserved", "reconciled": "unknown"}.get(becomes, "started")
        )
        changes.setdefault("basis", "none" if becomes in {"voided", "unknown"} else "reported")
        changes.setdefault("worker", None if becomes == "reconciled" else self.worker)
        built = self.entry(f"attempt.{becomes}", call, no=no)
        return Settlement(call=call, no=no, entry=built, **changes)

    def finish(self, call: UUID, state: str = "completed", **changes: Any) -> Finish:
        changes.setdefault("worker", self.worker)
        if isinstance(changes.get("attempt"), dict):
            changes["attempt"] = self.settlement(call, **changes["attempt"])
        return Finish(call=call, state=state, entry=self.entry(f"call.{state}", call), **changes)

    def cancel(self, call: UUID, **changes: Any) -> Cancel:
        void = self.entry("attempt.voided", call, no=1)
        return Cancel(
            call=call, void_entry=void, entry=self.entry("call.cancelled", call), **changes
        )

    async def window(
        self, limit_nano: int, *, hard: bool = True, budget: str = "", rank: int = 3
    ) -> WindowRef:
        """A budget of this tenant that is spent once."""
        name = budget or f"b{self.ids.new().hex[-12:]}"
        [ref] = await self.windows([claim(name, self.tenant, limit_nano, hard=hard, rank=rank)])
        return ref

    async def windows(
        self, claims: Sequence[BudgetClaim], now: datetime | None = None
    ) -> list[WindowRef]:
        return await Windows(self.db).claims_to_windows(claims, now or system_clock())

    async def money(self, window: int) -> tuple[int, int, int]:
        """Posted, pending, overrun."""
        query = "SELECT posted_nano, pending_nano, overrun_nano FROM routing_ledger_window WHERE id = %s::bigint"
        posted, pending, overrun = await ask(self.db, query, (window,))
        return posted, pending, overrun

    async def scan(self, window: int) -> tuple[int, int, int]:
        """The same from attempts and postings, which is what the counters must equal."""
        pending = await ask(
            self.db,
            "SELECT coalesce(sum(reserved_nano), 0)::bigint FROM routing_attempt "
            "WHERE %s::bigint = ANY(windows) AND state IN ('reserved', 'started', 'unknown')",
            (window,),
        )
        posted = await ask(
            self.db,
            "SELECT coalesce(sum(p.posted_nano), 0)::bigint, coalesce(sum(p.overrun_nano), 0)::bigint "
            "FROM routing_posting p JOIN routing_attempt a ON a.call = p.call AND a.no = p.attempt "
            "WHERE %s::bigint = ANY(a.windows)",
            (window,),
        )
        return posted[0], pending[0], posted[1]

    async def kinds(self, call: UUID) -> list[str]:
        """The call's entries in the order of the log."""
        query = "SELECT kind FROM audit_entry WHERE call = %s::uuid ORDER BY xid, id"
        return [row[0] for row in await ask_all(self.db, query, (call,))]

    async def state(self, call: UUID) -> str:
        (state,) = await ask(self.db, "SELECT state FROM routing_call WHERE id = %s::uuid", (call,))
        return str(state)

    async def attempt(self, call: UUID, no: int = 1) -> str:
        query = "SELECT state FROM routing_attempt WHERE call = %s::uuid AND no = %s::smallint"
        (state,) = await ask(self.db, query, (call, no))
        return str(state)

    async def lease(self, *, ttl_seconds: float = 60.0) -> bool:
        lease = commands.Lease(self.worker, "test", 1)
        return await commands.renew(self.db, lease, ttl_seconds=ttl_seconds)


def decided(no: int) -> Decided:
    return Decided(no, "permit", hashlib.sha256(FACTS).digest(), FACTS)


def sealed(name: str) -> Sealed:
    return Sealed(name, "tenant/t/2026-11", "subject/t/team/claims", b"n" * 12, b"ciphertext" * 20)


def reservation(amount_nano: int, windows: Sequence[WindowRef]) -> Reservation:
    return Reservation("gpt-mini", "openai", amount_nano, tuple(windows))


def claim(budget: str, tenant: str, limit_nano: int, **changes: Any) -> BudgetClaim:
    base: dict[str, Any] = {
        "budget": budget,
        "tenant": tenant,
        "subject": "",
        "period": "once",
        "time_zone": "UTC",
        "fiscal_starts_on": "01-01",
        "limit_nano": limit_nano,
        "hard": True,
        "on_exhausted": "deny",
        "rank": 3,
    }
    return BudgetClaim(**(base | changes))


async def make_world(db: Database) -> World:
    """A world of its own, so that no test sees another's money."""
    tenant, key = f"t{uuid4().hex[:12]}", uuid4().hex[:8]
    async with db.connection() as connection:
        await connection.execute(
            "WITH t AS (INSERT INTO policies_tenant (slug, revision, actor) VALUES (%(t)s, 1, 'cli:test') RETURNING id) "
            "INSERT INTO policies_team (tenant_id, slug, revision, actor) SELECT id, 'claims', 1, 'cli:test' FROM t",
            {"t": tenant},
        )
        await connection.execute(
            "INSERT INTO policies_api_key (id, hash, tenant, team, name, labels, scopes, created_by, replaces, revision, actor) "
            "VALUES (%s, %b, %s, 'claims', 'test', '{}', '[]', 'cli:test', '', 1, 'cli:test')",
            (key, KEY_HASH, tenant),
        )
    world = World(db, tenant, key)
    await world.control()
    assert await world.lease()
    return world
