"""A process is alive while its lease is; losing it is the only way to lose a call."""

from dataclasses import dataclass
from uuid import UUID

from routing.calls.pool import Database, ask, seconds

TTL_SECONDS = 15.0
RENEW_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds it: `kind` is calls, web or jobs."""

    worker: UUID
    host: str
    pid: int
    kind: str = "calls"


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a worker learns twice a second: the policy in force, and which of its calls are to be cancelled."""

    revision: int
    stop_epoch: int
    cancelled: frozenset[UUID]


async def renew(db: Database, lease: Lease, *, ttl_seconds: float = TTL_SECONDS) -> bool:
    """Keep or take the lease. False: it was buried; take a new worker id and drop every call."""
    params = (lease.worker, lease.host, lease.pid, lease.kind, seconds(ttl_seconds))
    (stands,) = await ask(
        db, "SELECT renew(%s::uuid, %s::text, %s::int, %s::text, %s::interval)", params
    )
    return bool(stands)


async def give_up(db: Database, worker: UUID) -> bool:
    """End the lease by one's own will, when draining is over: what is left is swept at once."""
    (given,) = await ask(db, "SELECT give_up(%s::uuid)", (worker,))
    return bool(given)


async def bury(db: Database, *, ttl_seconds: float = TTL_SECONDS) -> list[UUID]:
    """Declare lost every worker whose lease ran out; none within one ttl of the server's own start."""
    (lost,) = await ask(db, "SELECT bury(%s::interval)", (seconds(ttl_seconds),))
    return list(lost)


async def workers_live(db: Database) -> bool:
    """Whether any calls worker holds a lease that has not run out."""
    query = (
        "SELECT EXISTS (SELECT FROM routing_worker_lease "
        "WHERE kind = 'calls' AND lost_at IS NULL AND expires_at > mandate_now())"
    )
    (alive,) = await ask(db, query)
    return bool(alive)


async def running_calls(db: Database, worker: UUID) -> Pulse:
    """The poll of a worker: revision, stop epoch and its cancelled calls in one query."""
    query = "SELECT revision, stop_epoch, cancelled FROM running_calls(%s::uuid)"
    revision, stop_epoch, cancelled = await ask(db, query, (worker,))
    return Pulse(revision, stop_epoch, frozenset(cancelled))
