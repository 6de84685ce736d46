"""`bench append`: how fast entries are appended while the sequencer signs them, and that it loses none.

An installation of its own, whose sequencer runs as always; 32 clients in four processes append one entry a transaction, and
of a hundred transactions two stay open for up to 0.3 s. Beside them, in the same run, a reader that remembers the greatest
id so far, which everybody writes first: it must lose entries, or the load would prove nothing. A lost entry is one whose
commit was acknowledged and that has no leaf once nothing is open any more.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from uuid import UUID

import msgspec
import psycopg

from routing.bench.appending import Appended, Ask
from routing.bench.calls import Mismatch
from routing.bench.site import ROOT, free_port, process, ready

PROCESSES = 4
READER_LONGER_SECONDS = 2.0
SEQUENCED_SECONDS = 60.0
_START_SECONDS = 4.0
_PLACED = """
SELECT l.entry, (SELECT extract(epoch FROM c.signed_at) FROM audit_checkpoint c WHERE c.log = l.log AND c.size > l.index
                  ORDER BY c.size, c.seq LIMIT 1)
FROM audit_leaf l JOIN audit_entry e ON e.id = l.entry WHERE e.tenant = 'bench'
"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many clients append, and for how long."""

    clients: int = 32
    seconds: float = 12.0


def run(sizes: Sizes, say: Callable[[str], object]) -> dict[str, object]:
    """The figures. Raises Mismatch where an entry was lost, or the naive reader lost none."""
    with TemporaryDirectory(prefix="mandate-bench-") as folder, ExitStack() as stack:
        home, port = Path(folder) / "home", free_port()
        stack.enter_context(process(["manage.py", "up"], home, port))
        ready(home, port)
        dsn: str = json.loads((home / "services.json").read_text())["database_url"]
        say(f"{sizes.clients} clients append for {sizes.seconds:.0f} s")
        appended, read = _load(dsn, sizes)
        say(f"{len(appended.ids)} entries; waiting for their leaves")
        placed = _placed(dsn, appended.ids)
    return verdict(sizes, appended, read, placed)


def verdict(
    sizes: Sizes, appended: Appended, read: Appended, placed: dict[UUID, float]
) -> dict[str, object]:
    """The figures of a run. Raises Mismatch where an entry was lost, or the naive reader lost none."""
    committed = set(appended.ids)
    lost, naive_lost = len(committed - placed.keys()), len(committed - set(read.ids))
    if lost or not naive_lost:
        raise Mismatch(
            f"of {len(committed)} entries the sequencer lost {lost} and the naive reader {naive_lost}: none and some were wanted"
        )
    waits = [(placed[one] - at) * 1000 for one, at in zip(appended.ids, appended.at, strict=True)]
    ranked = quantiles(waits, n=100, method="inclusive")
    return {
        "appends_per_s": round(len(committed) / sizes.seconds, 1),
        "lost": lost,
        "naive_lost": naive_lost,
        "signed_p50_ms": round(ranked[49], 1),
        "signed_p99_ms": round(ranked[98], 1),
        "entries": len(committed),
        "clients": sizes.clients,
        "seconds": sizes.seconds,
    }


def _load(dsn: str, sizes: Sizes) -> tuple[Appended, Appended]:
    """What clients had acknowledged, and what the naive reader saw."""
    until = time.time() + _START_SECONDS + sizes.seconds
    each = sizes.clients // PROCESSES
    asks = [Ask(dsn, until - sizes.seconds, until, each, seed=n) for n in range(PROCESSES)]
    asks.append(Ask(dsn, 0, until + READER_LONGER_SECONDS))
    commands = [
        [sys.executable, "-m", "routing.bench.appending", msgspec.json.encode(ask).decode()]
        for ask in asks
    ]
    begun = [subprocess.Popen(c, cwd=ROOT, stdout=subprocess.PIPE) for c in commands]  # noqa: S603 - our own module
    told = [_told(child) for child in begun]
    return (
        Appended(
            [i for one in told[:-1] for i in one.ids], [t for one in told[:-1] for t in one.at]
        ),
        told[-1],
    )


def _told(child: subprocess.Popen[bytes]) -> Appended:
    out, _ = child.communicate(timeout=300)
    if child.returncode:
        raise Mismatch("a process of the load did not end well")
    return msgspec.json.decode(out, type=Appended)


def _placed(dsn: str, ids: Sequence[UUID]) -> dict[UUID, float]:
    """When each entry's first checkpoint was signed; those without a leaf after a minute are missing."""
    wanted, until = set(ids), time.monotonic() + SEQUENCED_SECONDS
    with psycopg.connect(dsn, autocommit=True) as db:
        while True:
            found = {row[0]: float(row[1]) for row in db.execute(_PLACED).fetchall()}
            if wanted <= found.keys() or time.monotonic() > until:
                return found
            time.sleep(2)
