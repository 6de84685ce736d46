"""Give every committed entry its place in the tree, once, in the order (xid, id), and sign the new head.

An entry's id is made before its transaction commits, and so is its xid: a reader who remembers "the greatest so far"
passes by what commits late. The horizon does not: below it every transaction is over. It is read in a statement of
its own *before* the entries are.

1. Ask for the advisory lock without waiting: another sequencer at work is enough (liveness only).
2. Read the horizon. 3. Lock the tree's state (safety). 4. Check that the state is what we signed.
5. Read the entries between the two horizons. 6. Write leaves, full tiles, checkpoint, state. 7. Where there is a register,
sign only what extends it, and move it. Commit: all or nothing. If we die between 7 and the commit, the next tick takes the
same entries in the same order, perhaps with more behind them, and that extends what the register holds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from audit.log import signing
from audit.log.tiles import TileReader
from audit.merkle.checkpoint import BadCheckpoint, Checkpoint
from audit.merkle.note import BadNote, SignerKey
from audit.merkle.tree import BadTree, FullTile, Tree, leaf_hash
from audit.register.base import Registered, RegisterError
from controlplane.kernel.ids import uuid7_floor, uuid7_time

LOG = 1
BATCH = 20_000
HEARTBEAT = timedelta(hours=1)
OUTSIDE_AFTER = timedelta(seconds=60)
RECENT = timedelta(minutes=5)
SLICE = timedelta(hours=1)
Connection = psycopg.Connection[Any]


class Refused(RuntimeError):
    """The state in the database is not what this key signed last; nothing is signed on top of it."""


class Outcome(StrEnum):
    """What a tick came to."""

    IDLE = "idle"
    STANDBY = "standby"  # another sequencer holds the lock
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick: how many entries got a place, the tree's size, the age of the oldest one, and whether more are waiting."""

    outcome: Outcome
    sequenced: int = 0
    size: int = 0
    lag_seconds: float = 0.0
    more: bool = False


class Row(NamedTuple):
    """What the sequencer reads of an entry."""

    id: UUID
    xid: int
    recorded_at: datetime
    body: bytes


@dataclass(frozen=True, slots=True)
class State:
    """A locked `audit_tree_state`, with its newest checkpoint's time (None before the first)."""

    tree: Tree
    seq: int
    horizon: int
    signed_at: datetime | None


_ROWS = "SELECT id, xid::text::bigint, recorded_at, body FROM audit_entry e WHERE log = %(log)s"
_OUTSIDE = """
  AND id >= %(since)s AND id < %(until)s AND recorded_at < clock_timestamp() - %(age)s AND xid < %(horizon)s::text::xid8
  AND NOT EXISTS (SELECT FROM audit_leaf WHERE entry = e.id)
"""


class Sequencer:
    """The writer of one log, over its own connection in autocommit mode. Any number may run; one works at a time."""

    def __init__(
        self, db: Connection, key: SignerKey, log: int = LOG, register: Registered | None = None
    ) -> None:
        self._db = db
        self._key = key
        self._log = log
        self._register = register
        self._signed: tuple[object, ...] = ()

    def tick(self, *, heartbeat: bool = False) -> Tick:
        """Sequence what is committed below the horizon; sign even nothing when asked to or after an hour. Raises Refused."""
        if not heartbeat and not self._work():
            return Tick(Outcome.IDLE)
        with self._db.transaction():
            horizon = self._begin()
            if horizon is None:
                return Tick(Outcome.STANDBY)
            state = self._locked_state()
            rows, horizon, more = self._rows(state.horizon, max(horizon, state.horizon))
            now = self._now()
            if not rows and not heartbeat and not _due(state.signed_at, now):
                return Tick(Outcome.IDLE, size=state.tree.size)
            size = self._write(state, rows, horizon, now)
            oldest = min((row.recorded_at for row in rows), default=now)
            return Tick(Outcome.SIGNED, len(rows), size, (now - oldest).total_seconds(), more)

    def sweep(self, since: datetime | None = None, until: datetime | None = None) -> Tick:
        """Bring in entries that the horizon passed by, which should never be any. Raises Refused.

        They can come from a restore or a promotion that set transaction ids back. Looked at are the ids made between
        the two moments; without them, all. The look itself takes no lock.
        """
        ids = (
            UUID(int=0) if since is None else uuid7_floor(since),
            UUID(int=2**128 - 1) if until is None else uuid7_floor(until),
        )
        if not self._outside(self._horizon(), *ids):
            return Tick(Outcome.IDLE)
        with self._db.transaction():
            if self._begin() is None:
                return Tick(Outcome.STANDBY)
            state = self._locked_state()
            rows = self._outside(state.horizon, *ids)
            size = self._write(state, rows, state.horizon, self._now())
            return Tick(Outcome.SIGNED, len(rows), size, more=len(rows) == BATCH)

    def sweep_recent(self) -> Tick:
        """Sweep the ids of the last minutes, as is done every minute."""
        return self.sweep(self._now() - RECENT)

    def history(self) -> Iterator[tuple[datetime, datetime]]:
        """Yield the hours from the oldest entry to now, for a sweep of everything in small steps."""
        oldest = self._one(
            "SELECT id FROM audit_entry WHERE log = %s ORDER BY id LIMIT 1", self._log
        )
        if oldest is None:
            return
        since, now = uuid7_time(oldest), self._now()
        while since < now:
            yield since, since + SLICE
            since += SLICE

    def size(self) -> int:
        """Return the number of leaves."""
        return int(self._one("SELECT size FROM audit_tree_state WHERE log = %s", self._log) or 0)

    def lag_seconds(self) -> float:
        """Return the age of the oldest entry without a place that could be seen now; 0 when there is none."""
        return float(
            self._one(
                """
                SELECT coalesce(extract(epoch FROM clock_timestamp() - min(e.recorded_at)), 0)
                FROM audit_tree_state s JOIN audit_entry e ON e.log = s.log AND e.xid >= s.horizon WHERE s.log = %s
                """,
                self._log,
            )
        )

    def _work(self) -> bool:
        """Look cheaply, without a lock, for an entry above the horizon or a heartbeat that is due."""
        found = self._one(
            """
            SELECT EXISTS (SELECT FROM audit_entry e WHERE e.log = s.log AND e.xid >= s.horizon)
                OR coalesce((SELECT signed_at < clock_timestamp() - interval '1 hour' FROM audit_checkpoint c
                              WHERE c.log = s.log AND c.seq = s.seq), true)
            FROM audit_tree_state s WHERE log = %s
            """,
            self._log,
        )
        # no state at all is no rest: the tick that follows refuses
        return found is None or bool(found)

    def _begin(self) -> int | None:
        """Return the horizon; None when another sequencer is at work."""
        if not self._one("SELECT pg_try_advisory_xact_lock(7001, 100 + %s)", self._log):
            return None
        # INVARIANT: before our own transaction has an id, and in a statement before the entries are read
        return int(self._one("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"))

    def _locked_state(self) -> State:
        row = self._db.execute(
            """
            SELECT size, seq, horizon::text::bigint, open_tiles FROM audit_tree_state WHERE log = %s
            FOR UPDATE
            """,
            [self._log],
        ).fetchone()
        if row is None:
            raise Refused(f"there is no log {self._log} in this database")
        size, seq, horizon, open_tiles = row
        try:
            tree = Tree(size, bytes(open_tiles))
            signed_at = self._check(tree, seq, horizon)
        except (BadTree, BadNote, BadCheckpoint, ValueError) as error:
            raise Refused(f"the tree's state is not what this key signed last: {error}") from error
        return State(tree, seq, horizon, signed_at)

    def _check(self, tree: Tree, seq: int, horizon: int) -> datetime | None:
        """Return when the newest checkpoint was signed. Raises ValueError where somebody else wrote it or the state."""
        if (seq, tree.size, horizon) == (-1, 0, 0):
            return None
        row = self._db.execute(
            """
            SELECT size, horizon::text::bigint, signed_at, root, seal, note,
                   coalesce((SELECT max(size) FROM audit_checkpoint WHERE log = c.log AND seq = c.seq - 1), 0)
            FROM audit_checkpoint c WHERE log = %s AND seq = %s
            """,
            [self._log, seq],
        ).fetchone()
        if row is None:
            raise ValueError(f"checkpoint {seq} is missing")
        signed_at: datetime
        size, signed_horizon, signed_at, root, seal, note, before = row
        if (size, signed_horizon, root) != (tree.size, horizon, tree.root()):
            raise ValueError(f"it differs from checkpoint {seq}")
        if (seq, *row[:6]) == self._signed:
            return signed_at
        added = self._db.execute(
            """
            SELECT xid::text::bigint, recorded_at FROM audit_leaf
            WHERE log = %s AND index >= %s AND index < %s ORDER BY index
            """,
            [self._log, before, size],
        )
        rows = signing.rows_digest(added)
        head = signing.Head(self._log, seq, size, horizon, signed_at, root, rows)
        signing.check(head, note, seal, *self._key.known)
        return signed_at

    def _rows(self, low: int, high: int) -> tuple[list[Row], int, bool]:
        """Return entries in [low, high), the horizon they reach, and whether more are waiting below `high`."""
        # the columns by name: plain `xid` is that of the answer, a number that no index is in the order of
        query = f"{_ROWS} AND xid >= %(low)s::text::xid8 AND xid < %(high)s::text::xid8 ORDER BY e.xid, e.id"
        names = {"log": self._log, "low": low, "high": high, "limit": BATCH}
        found = [Row(*row) for row in self._db.execute(f"{query} LIMIT %(limit)s", names)]
        if len(found) < BATCH:
            return found, high, False
        # INVARIANT: a transaction's entries are not torn apart, or the horizon would pass by the rest
        last = found[-1].xid
        if found[0].xid == last:
            names["high"] = last + 1
            return [Row(*row) for row in self._db.execute(query, names)], last + 1, True
        return [row for row in found if row.xid < last], last, True

    def _outside(self, horizon: int, since: UUID, until: UUID) -> list[Row]:
        names: dict[str, object] = {"log": self._log, "since": since, "until": until}
        names |= {"age": OUTSIDE_AFTER, "horizon": horizon}
        query = f"{_ROWS}{_OUTSIDE} ORDER BY xid, id LIMIT {BATCH}"
        return [Row(*row) for row in self._db.execute(query, names)]

    def _write(self, state: State, rows: Sequence[Row], horizon: int, now: datetime) -> int:
        """Write leaves, tiles, checkpoint and state; return the new size."""
        tree, first = state.tree, state.tree.size
        hashes = [leaf_hash(bytes(row.body)) for row in rows]
        tiles = tree.extend(hashes)
        self._write_leaves(first, rows, hashes)
        self._write_tiles(tiles)
        self._admit(tree)
        digest = signing.rows_digest((row.xid, row.recorded_at) for row in rows)
        head = signing.Head(self._log, state.seq + 1, tree.size, horizon, now, tree.root(), digest)
        note, seal = signing.sign(head, self._key)
        self._db.execute(
            """
            INSERT INTO audit_checkpoint (log, seq, size, horizon, signed_at, root, seal, note)
            VALUES (%s, %s, %s, %s::text::xid8, %s, %s, %s, %s)
            """,
            [head.log, head.seq, head.size, horizon, now, head.root, seal, note],
        )
        moved = self._db.execute(
            """
            UPDATE audit_tree_state SET size = %s, seq = %s, horizon = %s::text::xid8, open_tiles = %s
            WHERE log = %s AND seq = %s
            """,
            [head.size, head.seq, horizon, tree.open_tiles, self._log, state.seq],
        )
        if moved.rowcount != 1:
            raise Refused("the tree's state moved although it was locked")
        self._record(note)
        self._signed = (head.seq, head.size, horizon, now, head.root, seal, note)
        return head.size

    def _admit(self, tree: Tree) -> None:
        """Ask the register before anything is signed."""
        if self._register is None:
            return
        with self._db.cursor() as cursor:
            reader = TileReader(cursor, self._log, (tree.size, tree.open_tiles))
            head = Checkpoint(self._key.verifier.name, tree.size, tree.root())
            try:
                self._register.admit(head, reader.root)
            except RegisterError as error:
                raise Refused(str(error)) from error

    def _record(self, note: str) -> None:
        """Move the register before the commit: what it does not hold must not be seen."""
        if self._register is None:
            return
        try:
            self._register.record(self._key.verifier.name, note)
        except RegisterError as error:
            raise Refused(str(error)) from error

    def _write_leaves(self, first: int, rows: Sequence[Row], hashes: Sequence[bytes]) -> None:
        copy = "COPY audit_leaf (entry, index, xid, recorded_at, log, hash) FROM STDIN"
        with self._db.cursor() as cursor, cursor.copy(copy) as leaves:
            for number, (row, value) in enumerate(zip(rows, hashes, strict=True)):
                leaf = (row.id, first + number, str(row.xid), row.recorded_at, self._log, value)
                leaves.write_row(leaf)

    def _write_tiles(self, tiles: Sequence[FullTile]) -> None:
        with self._db.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO audit_tile (log, level, index, hashes) VALUES (%s, %s, %s, %s)",
                [(self._log, tile.level, tile.index, tile.hashes) for tile in tiles],
            )

    def _horizon(self) -> int:
        query = "SELECT horizon::text::bigint FROM audit_tree_state WHERE log = %s"
        return int(self._one(query, self._log) or 0)

    def _now(self) -> datetime:
        now: datetime = self._one("SELECT clock_timestamp()")
        return now

    def _one(self, query: str, *values: object) -> Any:  # noqa: ANN401 - a column of any type
        row = self._db.execute(query, values).fetchone()
        return None if row is None else row[0]


def _due(signed_at: datetime | None, now: datetime) -> bool:
    return signed_at is None or now - signed_at >= HEARTBEAT
