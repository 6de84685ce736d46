"""How long the offline verifier takes over a whole log: its own process, isolated, with nothing of ours but its one file.

The log is made up: calls of four entries each, as many in flight as a busy installation has. What is timed is the process
from its start to its end: archive, digests, signature, tiles, every leaf, the state machine, and the ledger.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import audit.auditverify
from audit.evidence import CHUNK, archive
from audit.merkle import canonical
from audit.merkle.checkpoint import Checkpoint
from audit.merkle.note import SignerKey, sign_note
from audit.merkle.tiles import tile_path, tiles_of
from audit.merkle.tree import HASH_BYTES, Tree, leaf_hash
from controlplane.kernel.clock import to_text
from routing.bench.calls import Mismatch

ENTRIES: Final = 1_000_000
IN_FLIGHT: Final = 64
_BEGAN: Final = datetime(2026, 11, 1, tzinfo=UTC)
_POLICY: Final = b'{"documents":[],"engine":1}'


def run(entries: int, say: Callable[[str], None]) -> dict[str, object]:
    """The figures. Raises Mismatch where the verifier does not find what was made."""
    with tempfile.TemporaryDirectory() as folder:
        file, key = Path(folder) / "log.tar", SignerKey.generate("bench.example/log")
        with file.open("wb") as out:
            for piece in made(entries, key):
                out.write(piece)
        size = file.stat().st_size
        say(f"{entries} entries, {size} bytes; verifying")
        verifier = str(Path(audit.auditverify.__file__))
        began = time.perf_counter()
        said = subprocess.run(  # noqa: S603 - our own file
            [sys.executable, "-I", verifier, str(file), "--key", str(key.verifier), "--json"],
            check=False,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - began
    found = json.loads(said.stdout) if said.stdout else {}
    if not found.get("ok") or found["entries"] != entries:
        raise Mismatch(f"the verifier says {said.stdout[:500]} {said.stderr[-500:]}")
    return {
        "entries": entries,
        "seconds": round(seconds, 2),
        "calls": found["calls"],
        "megabytes": round(size / 1e6, 1),
        "entries_per_s": round(entries / seconds),
    }


@dataclass(slots=True)
class _Log:
    """What has been made so far."""

    tree: Tree = field(default_factory=Tree)
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)
    posted: int = 0


def made(entries: int, key: SignerKey) -> Iterator[bytes]:
    """The bundle of a made-up log of so many entries."""
    told = {"scope": {"kind": "log"}, "dense": [0, entries], "entries": entries}
    return archive(_files(entries, key), told)


def _files(entries: int, key: SignerKey) -> Iterator[tuple[str, bytes]]:
    log = _Log()
    for number, lines in enumerate(_chunks(_bodies(entries))):
        leaves = [leaf_hash(body) for body, _ in lines]
        first = log.tree.size
        log.tiles |= {(tile.level, tile.index): tile.hashes for tile in log.tree.extend(leaves)}
        text = b"".join(b"%d %b\n" % (first + n, body) for n, (body, _) in enumerate(lines))
        yield f"entries/{number:06d}.txt", text
        settled = [line for _, line in lines if line is not None]
        log.posted += sum(int(line["posted"]) for line in settled)
        ledger = b"".join(canonical.dumps(line) + b"\n" for line in settled)
        if ledger:
            yield f"ledger/{number:06d}.jsonl", ledger
    yield "ledger.json", canonical.dumps({"posted": str(log.posted), "overrun": "0"}) + b"\n"
    yield "policy/1.json", _POLICY
    at = 0
    for level, index, width in tiles_of(entries):
        log.tiles[level, index] = log.tree.open_tiles[at : at + width * HASH_BYTES]
        at += width * HASH_BYTES
    for (level, index), hashes in sorted(log.tiles.items()):
        yield tile_path(level, index, len(hashes) // HASH_BYTES), hashes
    head = Checkpoint(key.verifier.name, entries, log.tree.root())
    yield "checkpoint", sign_note(head.text(), key).encode()


_Line = tuple[bytes, dict[str, Any] | None]


def _chunks(lines: Iterator[_Line]) -> Iterator[list[_Line]]:
    held: list[_Line] = []
    for line in lines:
        held.append(line)
        if len(held) == CHUNK:
            yield held
            held = []
    if held:
        yield held


def _bodies(entries: int) -> Iterator[_Line]:
    """One activation, then calls in waves: all of a wave admitted, started, settled, completed."""
    yield _body(0, "bundle.activated", -1, {"revision": 1, "digest": _digest()}), None
    number, wave = 1, 0
    while number < entries:
        calls = range(wave * IN_FLIGHT, (wave + 1) * IN_FLIGHT)
        for kind, more in _STEPS.items():
            for call in calls:
                if number == entries:
                    return
                line = None
                if kind == "attempt.succeeded":
                    line = {"call": f"{call:032x}", "attempt": 1, "kind": "succeeded"}
                    line |= {"basis": "reported", "posted": "1234500", "overrun": "0"}
                yield _body(number, kind, call, more), line
                number += 1
        wave += 1


_DECIDED: Final = {"revision": 1, "epoch": 0, "decision": "5" * 64, "team": "claims"}
_MODEL: Final = {"model": "gpt-mini", "provider": "openai"}
_STEPS: Final[dict[str, dict[str, Any]]] = {
    "call.admitted": {**_DECIDED, "model": "gpt-mini", "reserved": "5000000"},
    "attempt.started": {**_DECIDED, **_MODEL, "no": 1, "reserved": "5000000"},
    "attempt.succeeded": {
        **_MODEL, "revision": 1, "epoch": 0, "no": 1, "upstream_model": "gpt-5-mini", "error_class": "", "status": 200,
        "finish": "stop", "latency_ms": 812, "amount": "1234500", "basis": "reported",
        "tokens": {"input": 812, "cached_input": 0, "cache_write": 0, "output": 122},
    },
    "call.completed": {"revision": 1, "epoch": 0, "code": "", "model": "gpt-mini", "attempts": 1},
}  # fmt: skip
_TEXTS: dict[str, str] = {}


def _body(number: int, kind: str, call: int, data: dict[str, Any]) -> bytes:
    """Canonical, spelt by hand: a million take seconds instead of minutes."""
    text = _TEXTS.get(kind) or _TEXTS.setdefault(kind, canonical.dumps(data).decode())
    at = to_text(_BEGAN + timedelta(milliseconds=number))
    of_call = "null" if call < 0 else f'"{call:032x}"'
    tenant, subject = ("", "") if call < 0 else ("insurance", "claims-triage")
    return (
        f'{{"actor":"key:ab12cd34","at":"{at}","call":{of_call},"data":{text},"id":"{number:032x}",'
        f'"kind":"{kind}","schema":1,"subject":"{subject}","tenant":"{tenant}"}}'
    ).encode()


def _digest() -> str:
    return sha256(_POLICY).hexdigest()
