"""Money after the call: what a bill does to a reservation, and the reconciling of what stayed unknown."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from audit.log.entry import Entry
from routing.calls.answers import Moved, Settled
from routing.calls.attempts import settle_attempt
from routing.calls.pool import Database
from routing.calls.steps import Settlement
from routing.calls.sweeping import BATCH, Unknown, reconcile_find

UNKNOWN_HOURS = 72


@dataclass(frozen=True, slots=True)
class Booked:
    """What SQL books of a bill: up to the reservation it is posted, the rest is overrun; both in nano units."""

    posted_nano: int
    overrun_nano: int


def book(reserved_nano: int, bill_nano: int) -> Booked:
    """Pure; the same arithmetic as `attempt_end`."""
    return Booked(min(bill_nano, reserved_nano), max(bill_nano - reserved_nano, 0))


async def reconcile(
    db: Database, unknown: Unknown, entry: Entry, *, amount_nano: int, basis: str
) -> Settled | Moved:
    """Post what an unknown attempt cost: by the provider's usage (`reported`), by a `person`, or its `reserve`.

    `entry` is `attempt.reconciled`. Moved: somebody reconciled it before.
    """
    settlement = Settlement(
        call=unknown.call,
        no=unknown.no,
        was="unknown",
        becomes="reconciled",
        entry=entry,
        amount_nano=amount_nano,
        basis=basis,
    )
    return await settle_attempt(db, settlement)


async def reconcile_due(
    db: Database,
    build: Callable[[Unknown], Entry],
    *,
    unknown_hours: float = UNKNOWN_HOURS,
    limit: int = BATCH,
) -> int:
    """Post the full reservation of attempts that have been unknown for too long, `{basis: reserve}`; how many were.

    Nothing stays pending for ever. `build` makes each `attempt.reconciled` entry.
    """
    due = await reconcile_find(db, age=timedelta(hours=unknown_hours), limit=limit)
    done = 0
    for unknown in due:
        answer = await reconcile(
            db, unknown, build(unknown), amount_nano=unknown.reserved_nano, basis="reserve"
        )
        done += isinstance(answer, Settled)
    return done
