"""Evidence bundles made in memory, right or wrong, for the verifier to judge."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from audit.auditverify import Bundle, parse_key
from audit.evidence import archive
from audit.log.entry import build
from audit.merkle import canonical
from audit.merkle.checkpoint import Checkpoint
from audit.merkle.note import SignerKey, sign_note
from audit.merkle.proof import ProofFile, inclusion
from audit.merkle.tiles import Nodes, tile_path, tiles_of
from audit.merkle.tree import HASH_BYTES, Tree, leaf_hash
from controlplane.kernel.ids import IdSource

KEY = SignerKey.generate("log.example/1")
POLICY = b'{"documents":[],"engine":1}'
IDS = IdSource()
BEGAN = datetime(2026, 11, 28, 12, tzinfo=UTC)
Entry = tuple[str, UUID | None, dict[str, Any]]
Files = dict[str, bytes]


def call_id(number: int) -> UUID:
    return UUID(int=0x019AC000_0000_7000_8000_0000_0000_0000 + number)


def entry(kind: str, call: int | None = None, **data: Any) -> Entry:
    """One entry; what decides says so under revision 1 and epoch 0, where nothing else is said."""
    if kind in ("call.admitted", "call.denied", "attempt.started"):
        data = {"revision": 1, "epoch": 0, **data}
    if kind == "attempt.started":
        data = {"no": 1, "reserved": "500", **data}
    elif kind.startswith("attempt."):
        data = {"no": 1, **data}
    return kind, None if call is None else call_id(call), data


ACTIVATED = entry("bundle.activated", revision=1, digest=hashlib.sha256(POLICY).hexdigest())
PLAIN = (
    ACTIVATED,
    entry("call.admitted", 1),
    entry("attempt.started", 1),
    entry("attempt.succeeded", 1, amount="120", basis="reported"),
    entry("call.completed", 1),
)
"""The shortest log with a call in it."""
PLAIN_LINES = ((1, 1, "succeeded", "reported", 120, 0),)


def bodies(entries: Iterable[Entry], tenant: str = "insurance") -> list[bytes]:
    return [
        build(
            kind,
            id=UUID(int=number + 1),
            at=BEGAN + timedelta(seconds=number),
            actor="key:ab12cd34",
            tenant="" if call is None else tenant,
            call=call,
            data=data,
        ).body
        for number, (kind, call, data) in enumerate(entries)
    ]


def lines_of(*lines: tuple[int, int, str, str, int, int]) -> list[bytes]:
    """The ledger's lines: call, attempt, kind, basis, posted, overrun."""
    return [
        canonical.dumps(
            {
                "call": call_id(call).hex,
                "attempt": no,
                "kind": kind,
                "basis": basis,
                "posted": str(posted),
                "overrun": str(overrun),
            }
        )
        + b"\n"
        for call, no, kind, basis, posted, overrun in lines
    ]


@dataclass
class Made:
    """A log, and the bundle of all or of some of it."""

    bodies: list[bytes]
    ledger: list[bytes] = field(default_factory=list)
    places: list[int] | None = None
    scope: dict[str, str] = field(default_factory=lambda: {"kind": "log"})
    policies: dict[int, bytes] = field(default_factory=lambda: {1: POLICY})
    key: SignerKey = KEY

    @property
    def size(self) -> int:
        return len(self.bodies)

    @property
    def tree(self) -> tuple[Tree, dict[tuple[int, int], bytes]]:
        tree = Tree()
        leaves = [leaf_hash(body) for body in self.bodies]
        tiles = {(tile.level, tile.index): tile.hashes for tile in tree.extend(leaves)}
        at = 0
        for level, index, width in tiles_of(tree.size):
            tiles[level, index] = tree.open_tiles[at : at + width * HASH_BYTES]
            at += width * HASH_BYTES
        return tree, tiles

    def note(self) -> str:
        tree, _ = self.tree
        return sign_note(
            Checkpoint(self.key.verifier.name, tree.size, tree.root()).text(), self.key
        )

    def files(self) -> Files:
        _, tiles = self.tree
        note, places = self.note(), self.chosen()
        nodes = Nodes(lambda level, index: tiles.get((level, index), b""))
        found = {"checkpoint": note.encode()}
        found["entries/000000.txt"] = b"".join(b"%d %b\n" % (at, self.bodies[at]) for at in places)
        if self.ledger:
            found["ledger/000000.jsonl"] = b"".join(self.ledger)
        sums = [0, 0]
        for line in self.ledger:
            said = json.loads(line)
            sums = [sums[0] + int(said["posted"]), sums[1] + int(said["overrun"])]
        total = {"posted": str(sums[0]), "overrun": str(sums[1])}
        found["ledger.json"] = canonical.dumps(total) + b"\n"
        found |= {f"policy/{revision}.json": text for revision, text in self.policies.items()}
        for (level, index), hashes in tiles.items():
            found[tile_path(level, index, len(hashes) // HASH_BYTES)] = hashes
        for at in places:
            proof = ProofFile(at, tuple(inclusion(nodes, at, self.size)), note)
            found[f"proofs/{at}.tlog-proof"] = str(proof).encode()
        return found

    def chosen(self) -> list[int]:
        return list(range(self.size)) if self.places is None else self.places

    def told(self) -> dict[str, Any]:
        dense = [0, self.size] if self.scope["kind"] == "log" else None
        return {"scope": self.scope, "dense": dense, "entries": len(self.chosen())}

    def packed(self, files: Files | None = None, **told: Any) -> bytes:
        """The tar: of other files than its own, or with something else said in its manifest."""
        chosen = self.files() if files is None else files
        return b"".join(archive(chosen.items(), {**self.told(), **told}))


def plain() -> Made:
    return Made(bodies(PLAIN), lines_of(*PLAIN_LINES))


def judged(folder: Path, data: bytes, key: SignerKey = KEY, kept: str = "") -> Bundle:
    """What the verifier says of a tar."""
    file = folder / "bundle.tar"
    file.write_bytes(data)
    return Bundle(file, [parse_key(str(key.verifier))], kept=kept.encode())


def of_log(
    folder: Path, *entries: Entry, lines: Any = (), **more: Any
) -> list[tuple[int | None, str]]:
    """What is wrong with a log of these entries, after the activation of revision 1."""
    made = Made(bodies([ACTIVATED, *entries]), lines_of(*lines), **more)
    return judged(folder, made.packed()).findings


def changed(files: Mapping[str, bytes], name: str, at: int) -> Files:
    """The files with one bit of one of them turned."""
    data = bytearray(files[name])
    data[at] ^= 1
    return {**files, name: bytes(data)}
