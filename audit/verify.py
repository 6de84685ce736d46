"""Check the whole log against its signatures, and name what is wrong: every column of every table of the log counts.

1. Each checkpoint's note is signed by the log's key and says what the row says. 2. The leaves up to its size are dense;
each has its entry, whose bytes hash to it and whose columns repeat them. 3. Full tiles and the root follow from the
leaves. 4. The seal covers transaction ids, times and horizon. 5. The sequencer's state follows from all that.
6. Nothing lies beside the tree, no entry older than a minute is outside it, and none is missing but by `log.pruned`.

What it cannot see: an owner of the database *and* the key who rewrites everything. An older checkpoint can.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection

from audit.log import signing
from audit.log.agreement import Placed, disagreement
from audit.log.effect import out_of_order
from audit.log.keyring import Keyring
from audit.log.pruned import Prunings, read_prunings
from audit.log.tiles import Cursor, TileReader
from audit.merkle.note import BadNote, VerifierKey
from audit.merkle.tree import HASH_BYTES, BadTree, FullTile, Tree
from controlplane.kernel.ids import uuid7_floor

MOST_FINDINGS = 20
OUTSIDE_AFTER = timedelta(seconds=60)
RECENT = timedelta(minutes=10)
_CHUNK = 2000
Progress = Callable[[int, int], None]
"""Called with (leaves checked, leaves in all), about twice a second."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: of which table (`outside`: an entry without a place), at which index, and what."""

    what: str
    index: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check found. `first` and `size` bound the leaves it went through; `late` ones were brought in by the sweep."""

    log: int
    origin: str
    first: int
    size: int
    checkpoints: int
    root: str
    late: int
    seconds: float
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"ok": self.ok, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Source:
    """Where to look, and whom to trust. Tests and other installations bring their own."""

    cursor: Cursor
    key: VerifierKey
    log: int = 1
    earlier: tuple[VerifierKey, ...] = ()
    """The keys that were rotated out, the oldest first."""


def verify(
    from_checkpoint: int | None = None,
    *,
    source: Source | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Check the log from its beginning, or from a checkpoint's `seq` on. Raises signing.NoLogKey.

    Reads in chunks, in constant memory, holding no snapshot; what is appended meanwhile is left for the next time.
    """
    if source is not None:
        return _Check(source, progress).run(from_checkpoint)
    key, earlier = signing.key_and_earlier(settings.MANDATE_KEYS_DIR)
    with connection.cursor() as cursor:
        return _Check(Source(cursor, key, earlier=earlier), progress).run(from_checkpoint)


def order_of_effect(source: Source | None = None) -> tuple[Finding, ...]:
    """Check that every decision was made under the revision and stop epoch in force (`audit.log.effect`).

    Returns the first things that are wrong; a finding's index is unknown, since unsequenced entries count too.
    """
    if source is None:
        with connection.cursor() as cursor:
            wrong = list(islice(out_of_order(cursor, 1), MOST_FINDINGS))
    else:
        wrong = list(islice(out_of_order(source.cursor, source.log), MOST_FINDINGS))
    return tuple(Finding("entry", None, message) for message in wrong)


class _Enough(Exception):
    """Stop looking."""


class _Head(NamedTuple):
    seq: int
    size: int
    horizon: int
    signed_at: datetime
    root: bytes
    seal: bytes
    note: str


_HEADS = "SELECT seq, size, horizon::text::bigint, signed_at, root, seal, note FROM audit_checkpoint WHERE log = %s"
_LEAVES = """
SELECT l.index, l.entry, l.xid::text::bigint, l.recorded_at, l.hash,
       e.log, e.xid::text::bigint, e.recorded_at, e.kind, e.call, e.tenant, e.body
FROM audit_leaf l LEFT JOIN audit_entry e ON e.id = l.entry
WHERE l.log = %s AND l.index >= %s AND l.index < %s ORDER BY l.index
"""


class _Check:
    def __init__(self, source: Source, progress: Progress | None) -> None:
        self._cursor, self._log, self._origin = source.cursor, source.log, source.key.name
        self._keys = Keyring(source.cursor, source.log, (*source.earlier, source.key))
        self._progress = progress
        self._tiles = TileReader(source.cursor, source.log)
        self._findings: list[Finding] = []
        self._tree = Tree()
        self._late = self._heads = self._end = 0
        self._roots_follow = self._rows_known = True
        self._said_at = time.monotonic()
        self._leaves: Iterator[Placed] = iter(())
        self._next: Placed | None = None
        self._pruned = Prunings({})

    def run(self, from_checkpoint: int | None) -> Verification:
        started, first = time.monotonic(), 0
        try:
            newest = self._newest()
            first = self._walk(from_checkpoint, newest)
            self._state(newest)
            self._beside(everything=from_checkpoint is None)
        except _Enough:
            pass
        return Verification(
            log=self._log,
            origin=self._origin,
            first=first,
            size=self._tree.size,
            checkpoints=self._heads,
            root=self._tree.root().hex(),
            late=self._late,
            seconds=round(time.monotonic() - started, 3),
            findings=tuple(self._findings),
        )

    def _find(self, what: str, index: int | None, message: str) -> None:
        self._findings.append(Finding(what, index, message))
        if len(self._findings) >= MOST_FINDINGS:
            raise _Enough

    def _walk(self, from_checkpoint: int | None, newest: _Head | None) -> int:
        """Go through checkpoints and leaves; return the index of the first leaf looked at."""
        before = None
        if from_checkpoint is not None:
            before = self._start(from_checkpoint)
            if before is None:
                return 0
        if newest is None:
            return self._tree.size
        first = self._tree.size
        self._end = newest.size
        self._pruned = read_prunings(self._cursor, self._log)
        self._leaves = self._read_leaves(first)
        self._next = next(self._leaves, None)
        for head in self._read_heads(before.seq + 1 if before else 0, newest.seq):
            self._head(head, before)
            before = head
        for month in self._pruned.unfit() if first == 0 else ():
            self._find("entry", None, f"other entries of {month} are there than were kept of it")
        self._tell(force=True)
        return first

    def _start(self, seq: int) -> _Head | None:
        """Take up the tree at a checkpoint, from tiles whose root it signed."""
        rows = self._all(f"{_HEADS} AND seq = %s", seq)
        if not rows:
            self._find("checkpoint", seq, "there is no such checkpoint to start from")
            return None
        head = _Head(*rows[0])
        if not self._note(head):
            return None
        try:
            self._tree = Tree(head.size, self._tiles.open_tiles(head.size))
        except BadTree:
            self._find("tile", None, f"the tiles of size {head.size} are incomplete")
            return None
        if self._tree.root() != head.root:
            self._find("tile", None, f"the tiles do not lead to the root of checkpoint {seq}")
            return None
        return head

    def _head(self, head: _Head, before: _Head | None) -> None:
        """Check one checkpoint and the leaves that it added."""
        expected, size, horizon = (
            (before.seq + 1, before.size, before.horizon) if before else (0, 0, 0)
        )
        self._heads += 1
        if head.seq != expected:
            self._find("checkpoint", expected, "the checkpoint is missing")
            self._rows_known = False
        if not self._note(head):
            self._rows_known = False
            return
        if head.size < size or head.horizon < horizon:
            self._find("checkpoint", head.seq, "it goes back behind the one before")
        rows, above = self._rows(head, before.horizon if before else 0)
        if self._roots_follow and self._tree.root() != head.root:
            self._roots_follow = False
            self._find("checkpoint", head.seq, f"the leaves below {head.size} lead to another root")
        # a horizon is only worth holding against the leaves where it is the signed one
        if self._rows_known and self._seal(head, rows) and above is not None:
            self._find("leaf", above, "its transaction lies above the checkpoint's horizon")
        self._rows_known = True

    def _note(self, head: _Head) -> bool:
        """Check the public note: only a signed size is worth walking to."""
        wrong = self._keys.wrong(
            head.note, (head.seq, head.size, bytes(head.root)), self._tree.size
        )
        if wrong:
            self._find("checkpoint", head.seq, wrong)
        return not wrong

    def _seal(self, head: _Head, rows: bytes) -> bool:
        sealed = signing.Head(
            self._log, head.seq, head.size, head.horizon, head.signed_at, bytes(head.root), rows
        )
        try:
            self._keys.signer.check(sealed.seal_text(), bytes(head.seal))
        except BadNote:
            self._find(
                "checkpoint",
                head.seq,
                "its seal does not fit its horizon, its time, or the times and transactions of its leaves",
            )
            return False
        return True

    def _rows(self, head: _Head, horizon: int) -> tuple[bytes, int | None]:
        """Check the leaves up to a checkpoint; return the digest for its seal, and the first leaf above its horizon."""
        digest, last, above = sha256(), (0, UUID(int=0)), None
        while self._tree.size < head.size:
            leaf = self._leaf(self._tree.size)
            if leaf is None:
                continue
            digest.update(signing.row_bytes(leaf.xid, leaf.recorded_at))
            if (leaf.xid, leaf.id) <= last:
                self._find("leaf", leaf.place, "it is out of order (transaction, id)")
            last = (leaf.xid, leaf.id)
            if leaf.xid < horizon:
                self._late += 1
            elif leaf.xid >= head.horizon and above is None:
                above = leaf.place
        return digest.digest(), above

    def _leaf(self, index: int) -> Placed | None:
        """Check one leaf with its entry and add it to the tree; None when it is missing."""
        leaf = self._next
        if leaf is None or leaf.place != index:
            self._find("leaf", index, "the leaf is missing")
            self._grow(bytes(HASH_BYTES))
            return None
        self._next = next(self._leaves, None)
        # INVARIANT: only what the log itself says was pruned may be missing
        if leaf.entry_log is not None or not self._pruned.excuses(leaf):
            wrong = disagreement(leaf, self._log)
            if wrong:
                self._find("entry", index, f"entry {leaf.id}: {wrong}")
            self._pruned.meet(leaf)
        self._grow(bytes(leaf.hash))
        return leaf

    def _grow(self, value: bytes) -> None:
        for tile in self._tree.extend([value]):
            self._tile(tile)
        if self._tree.size % 512 == 0:
            self._tell()

    def _tile(self, tile: FullTile) -> None:
        stored = self._tiles.full(tile.level, tile.index)
        if stored == tile.hashes:
            return
        name = f"tile {tile.level}/{tile.index}"
        what = "is missing" if stored is None else "does not follow from the leaves"
        self._find("tile", tile.index, f"{name} {what}")

    def _state(self, newest: _Head | None) -> None:
        """Check the sequencer's place against the newest checkpoint, unless it went on meanwhile."""
        rows = self._all(
            """
            SELECT size, seq, horizon::text::bigint, open_tiles,
                   (SELECT max(seq) FROM audit_checkpoint c WHERE c.log = s.log)
            FROM audit_tree_state s WHERE log = %s
            """
        )
        if not rows:
            self._find("tree_state", None, f"the state of log {self._log} is missing")
            return
        size, seq, horizon, open_tiles, last = rows[0]
        if last is not None and newest is not None and last > newest.seq:
            return
        wanted = (newest.size, newest.seq, newest.horizon) if newest else (0, -1, 0)
        if (size, seq, horizon) != wanted:
            self._find("tree_state", None, "size, seq or horizon differ from the newest checkpoint")
        if self._tree.size == wanted[0] and bytes(open_tiles) != self._tree.open_tiles:
            self._find("tree_state", None, "the open tiles do not follow from the leaves")

    def _beside(self, *, everything: bool) -> None:
        """Look for rows that no checkpoint covers, and for entries that have no place.

        In a demo an entry may be recorded in the past: there the newest checkpoint must have read beyond it.
        """
        head = "(SELECT max(size) FROM audit_checkpoint WHERE log = %s)"
        for table, beside in (
            ("leaf", f"log <> %s OR index >= coalesce({head}, 0)"),
            ("tile", f"log <> %s OR index >= coalesce({head}, 0) >> (8 * (level + 1))"),
            ("checkpoint", f"log <> %s AND coalesce({head}, 0) >= 0"),
            ("tree_state", f"log <> %s AND coalesce({head}, 0) >= 0"),
        ):
            count = f"SELECT count(*) FROM audit_{table} WHERE {beside}"  # noqa: S608 - names of ours
            found = self._all(count, self._log)[0][0]
            if found:
                self._find(table, None, f"{found} rows lie beside the tree")
        since = UUID(int=0) if everything else uuid7_floor(self._now() - RECENT)
        self._cursor.execute(
            """
            SELECT id, recorded_at FROM audit_entry e
            WHERE id >= %s AND recorded_at < clock_timestamp() - %s
              AND (NOT EXISTS (SELECT FROM demo_installation)
                   OR xid < (SELECT horizon FROM audit_checkpoint WHERE log = e.log ORDER BY seq DESC LIMIT 1))
              AND NOT EXISTS (SELECT FROM audit_leaf WHERE entry = e.id)
            ORDER BY id LIMIT 20
            """,
            [since, OUTSIDE_AFTER],
        )
        for identity, recorded_at in self._cursor.fetchall():
            self._find(
                "outside", None, f"entry {identity} of {recorded_at} has no place in the tree"
            )

    def _newest(self) -> _Head | None:
        rows = self._all(f"{_HEADS} ORDER BY seq DESC LIMIT 1")
        return _Head(*rows[0]) if rows else None

    def _read_heads(self, first: int, last: int) -> Iterator[_Head]:
        while first <= last:
            rows = self._all(
                f"{_HEADS} AND seq >= %s AND seq <= %s ORDER BY seq LIMIT 500", first, last
            )
            yield from (_Head(*row) for row in rows)
            if len(rows) < 500:
                return
            first = rows[-1][0] + 1

    def _read_leaves(self, first: int) -> Iterator[Placed]:
        while first < self._end:
            yield from (Placed(*row) for row in self._all(_LEAVES, first, first + _CHUNK))
            first += _CHUNK

    def _all(self, query: str, *values: object) -> list[Any]:
        self._cursor.execute(query, [self._log, *values])
        return self._cursor.fetchall()

    def _now(self) -> datetime:
        self._cursor.execute("SELECT clock_timestamp()")
        now: datetime = self._cursor.fetchone()[0]
        return now

    def _tell(self, *, force: bool = False) -> None:
        if self._progress and (force or time.monotonic() - self._said_at > 0.5):
            self._said_at = time.monotonic()
            self._progress(self._tree.size, self._end)
