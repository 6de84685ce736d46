"""Evidence bundles: a tar of one exact spelling, which `auditverify.py` checks offline (docs/evidence.md).

The log's own part is made here: checkpoint, tiles, entries, proofs. What other apps know of these entries (documents in
force, postings, openings) is handed in by the one who asks (`Beside`). The same log and the same question give the same
bytes, whatever was appended since: everything below the checkpoint's size never changes.
"""

import hashlib
import io
import tarfile
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec

from audit.log.tiles import Cursor, TileReader
from audit.merkle import canonical
from audit.merkle.proof import ProofFile, inclusion
from audit.merkle.tiles import Nodes, tile_path, tiles_of
from audit.merkle.tree import HASH_BYTES, TILE_WIDTH
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.ids import uuid7_floor

FORMAT = "mandate-evidence/1"
MOST_PROOFS = 1_000
"""Above it the tiles are the proof: a file for each entry would only repeat them."""
CHUNK = 4_096
LOG = 1
SETTLES = frozenset({"attempt.succeeded", "attempt.failed", "attempt.reconciled", "attempt.voided"})
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which entries. With nothing but moments it is a run without gaps; else a slice, in which every call is whole.

    `calls` are of one tenant, or of several; `entries` are single ones besides.
    """

    tenant: str | None = None
    calls: tuple[UUID, ...] | None = None
    entries: tuple[UUID, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def dense(self) -> bool:
        """Whether nothing may be left out."""
        return self.tenant is None and self.calls is None and not self.entries


class Settled(NamedTuple):
    """An attempt whose money an entry of the bundle tells."""

    call: UUID
    no: int


class Beside(Protocol):
    """What other apps lay beside the entries."""

    def postings(self, settled: Sequence[Settled]) -> Iterable[Mapping[str, Any]]:
        """The ledger's line for each of these: call (hex), attempt, kind, basis, posted and overrun in nano."""

    def policy(self, revision: int) -> bytes:
        """The documents in force at a revision, as far as the bundle may show them."""

    def openings(self) -> Iterable[tuple[str, bytes]]:
        """Content that was opened for this bundle, as (name, bytes)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to put into a bundle. `scope` is told in its manifest; `kept_size` is that of a checkpoint the auditor has."""

    scope: Mapping[str, str]
    selection: Selection
    beside: Beside
    kept_size: int = 0


class _Said(msgspec.Struct):
    """What of an entry's data says which documents and postings belong to it."""

    data: dict[str, Any]


@dataclass(slots=True)
class _Seen:
    """What has gone by while the entries were written."""

    places: "array[int]"
    revisions: set[int] = field(default_factory=set)
    posted: int = 0
    overrun: int = 0


class Snapshot:
    """A bundle of the log as it stands at its newest checkpoint. Nothing appended later gets into it."""

    def __init__(self, cursor: Cursor, order: Order) -> None:
        """Choose the checkpoint and the indexes. Raises NotFound for nothing, Conflict before anything is signed."""
        self._cursor, self._order = cursor, order
        cursor.execute(
            "SELECT size, note FROM audit_checkpoint WHERE log = %s ORDER BY seq DESC LIMIT 1",
            [LOG],
        )
        row = cursor.fetchone()
        if row is None or not row[0]:
            raise Conflict("nothing is signed yet: the sequencer has not run")
        self.size, self.note = row
        if order.kept_size > self.size:
            raise InvalidRequest(f"the log has {self.size} entries, not {order.kept_size}")
        # INVARIANT: after the checkpoint, so that every tile of its size is there
        self._tiles = TileReader(cursor, LOG)
        self._places = self._indexes()
        if not self._places:
            raise NotFound("there is no entry of that kind below the newest checkpoint")

    written = 0
    """How many entries have been yielded so far."""

    @property
    def count(self) -> int:
        """How many entries there will be."""
        return len(self._places)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield every file but the manifest, in their order."""
        seen = _Seen(self._places)
        yield "checkpoint", self.note.encode()
        for number, at in enumerate(range(0, self.count, CHUNK)):
            yield from self._entries(number, self._places[at : at + CHUNK], seen)
        sums = {"posted": str(seen.posted), "overrun": str(seen.overrun)}
        yield "ledger.json", canonical.dumps(sums) + b"\n"
        for revision in sorted(seen.revisions):
            yield f"policy/{revision}.json", self._order.beside.policy(revision)
        yield from self._tile_files()
        if self.count <= MOST_PROOFS:
            nodes = Nodes(self._tiles)
            for index in self._places:
                path = tuple(inclusion(nodes, index, self.size))
                yield f"proofs/{index}.tlog-proof", str(ProofFile(index, path, self.note)).encode()
        yield from self._order.beside.openings()

    def archive(self) -> Iterator[bytes]:
        """Yield the tar piece by piece; a piece is at most one file of a few megabytes."""
        dense = [self._places[0], self._places[-1] + 1] if self._order.selection.dense else None
        told = {"scope": dict(self._order.scope), "dense": dense, "entries": self.count}
        return archive(self.files(), told)

    def _entries(
        self, number: int, places: "array[int]", seen: _Seen
    ) -> Iterator[tuple[str, bytes]]:
        """Yield a file of entries, and the ledger's lines for the attempts that they settle."""
        self._cursor.execute(
            "SELECT l.index, e.kind, e.call, e.body FROM unnest(%s::bigint[]) w (index) "
            "JOIN audit_leaf l ON l.log = %s AND l.index = w.index JOIN audit_entry e ON e.id = l.entry ORDER BY l.index",
            [places.tolist(), LOG],
        )
        lines, settled = [], []
        for index, kind, call, body in self._cursor.fetchall():
            text = bytes(body)
            if kind == "bundle.activated" or call is not None:
                data = msgspec.json.decode(text, type=_Said).data
                revision = data.get("revision")
                if isinstance(revision, int):
                    seen.revisions.add(revision)
                if kind in SETTLES and call is not None:
                    # the first where an old entry of a cancellation does not say which
                    settled.append(Settled(call, data.get("no", 1)))
            lines.append(b"%d %b\n" % (index, text))
        self.written += len(lines)
        yield f"entries/{number:06d}.txt", b"".join(lines)
        if settled:
            yield f"ledger/{number:06d}.jsonl", self._ledger(settled, seen)

    def _ledger(self, settled: Sequence[Settled], seen: _Seen) -> bytes:
        lines = []
        for line in self._order.beside.postings(settled):
            seen.posted += int(line["posted"])
            seen.overrun += int(line["overrun"])
            lines.append(canonical.dumps(dict(line)) + b"\n")
        return b"".join(lines)

    def _tile_files(self) -> Iterator[tuple[str, bytes]]:
        """Yield all tiles above the lowest level; of that one those of the entries, the last, and the kept checkpoint's."""
        open_widths = {(level, index): width for level, index, width in tiles_of(self.size)}
        wanted = {index // TILE_WIDTH for index in self._places}
        kept = self._order.kept_size
        wanted |= {size // TILE_WIDTH for size in (self.size, kept) if size % TILE_WIDTH}
        level = 0
        while self.size >> 8 * level:
            full = self.size >> 8 * (level + 1)
            indexes: Iterable[int] = range(full + 1) if level else sorted(wanted)
            for index in indexes:
                width = TILE_WIDTH if index < full else open_widths.get((level, index), 0)
                if width:
                    data = self._tiles(level, index)[: width * HASH_BYTES]
                    yield tile_path(level, index, width), data
            level += 1

    def _indexes(self) -> "array[int]":
        """Return the places of the selected entries below the checkpoint's size, in order."""
        wanted = self._order.selection
        first = uuid7_floor(wanted.since) if wanted.since else _FIRST
        last = uuid7_floor(wanted.until) if wanted.until else _LAST
        if wanted.dense:
            return self._run(first, last)
        self._cursor.execute(
            _SLICE,
            {
                "log": LOG,
                "size": self.size,
                "tenant": wanted.tenant,
                "calls": None if wanted.calls is None else list(wanted.calls),
                "entries": list(wanted.entries),
                "first": first,
                "last": last,
            },
        )
        return array("q", [row[0] for row in self._cursor.fetchall()])

    def _run(self, first: UUID, last: UUID) -> "array[int]":
        self._cursor.execute(
            "SELECT min(l.index), max(l.index) FROM audit_entry e JOIN audit_leaf l ON l.entry = e.id "
            "WHERE l.log = %s AND l.index < %s AND e.id >= %s AND e.id < %s",
            [LOG, self.size, first, last],
        )
        low, high = self._cursor.fetchone()
        return array("q", [] if low is None else range(low, high + 1))


# INVARIANT: a slice of a tenant holds entries of that tenant alone
_SLICE = """
SELECT l.index FROM audit_entry e JOIN audit_leaf l ON l.entry = e.id
 WHERE l.log = %(log)s AND l.index < %(size)s AND (%(tenant)s::text IS NULL OR e.tenant = %(tenant)s)
   AND (e.id = ANY (%(entries)s::uuid[])
     OR e.call = ANY (%(calls)s::uuid[])
     OR (%(calls)s::uuid[] IS NULL AND %(tenant)s::text IS NOT NULL AND (
            (e.call IS NULL AND e.id >= %(first)s AND e.id < %(last)s)
         OR e.call IN (SELECT c.call FROM audit_entry c WHERE c.tenant = %(tenant)s AND c.call IS NOT NULL
                          AND c.id >= %(first)s AND c.id < %(last)s))))
 ORDER BY l.index
"""


def archive(files: Iterable[tuple[str, bytes]], told: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield a tar of files and, last, a manifest that has their digests and what else is told of them."""
    digests: dict[str, str] = {}
    for name, data in files:
        digests[name] = hashlib.sha256(data).hexdigest()
        yield _member(name, data)
    manifest = canonical.dumps({"format": FORMAT, **told, "files": digests})
    yield _member("MANIFEST.json", manifest + b"\n")
    yield bytes(1024)


def _member(name: str, data: bytes) -> bytes:
    """One file of a tar, without a time or an owner."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    out = io.BytesIO()
    out.write(info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict"))
    out.write(data)
    out.write(bytes(-len(data) % 512))
    return out.getvalue()
