"""`bench reserve`: how many reservations a second one hot budget of four levels takes, and that it is never over.

An installation of its own, whose other processes stand still meanwhile: what is measured is PostgreSQL and 32 clients in four
processes. Every admission reserves in the windows of key, team, tenant and organisation, writes call, decision, request and
entry, and is durable (`synchronous_commit` on). Beside it, in the same run, the naive way: BEGIN, UPDATE of one hot row,
INSERTs, COMMIT. Then the edge: 4 levels × day and month with little left, amounts of one nano unit, until everybody is
refused. Afterwards every counter must equal a scan, calls must equal entries, and every window must be exactly full.
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
from typing import Any

import msgspec
import psycopg

from routing.bench.calls import Mismatch
from routing.bench.reserving import Ask, Reserved
from routing.bench.site import ROOT, free_port, manage, process, ready
from routing.bench.usage import resting

PROCESSES = 4
PLENTY = 10**18
LEVELS = ("key", "team", "tenant", "organisation")
_TENANT = """\
apiVersion: mandate/v1
kind: Tenant
metadata: {name: bench}
spec: {teams: [load]}
"""
_START_SECONDS = 6.0
_EDGE_SECONDS = 60.0
_OPEN = (
    "INSERT INTO routing_ledger_window (starts, ends, rank, tenant, budget, subject) "
    "VALUES (now() - interval '1 day', now() + interval '1 day', %s, 'bench', %s, '') RETURNING id"
)
_SCAN = """
SELECT w.id, w.pending_nano, coalesce(sum(a.reserved_nano), 0)::bigint
FROM routing_ledger_window w LEFT JOIN routing_attempt a ON w.id = ANY (a.windows)
WHERE w.id = ANY (%s) GROUP BY w.id, w.pending_nano"""
_CALLS = "SELECT count(*) FROM routing_call WHERE tenant = 'bench'"
_ENTRIES = "SELECT count(*) FROM audit_entry WHERE tenant = 'bench' AND kind = 'call.admitted'"
_KEY = "SELECT id, hash FROM policies_api_key WHERE tenant = 'bench' ORDER BY id LIMIT 1"
Window = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many clients, for how long each way, and how much is left at the edge."""

    clients: int = 32
    seconds: float = 8.0
    edge_nano: int = 2_000


def run(sizes: Sizes, say: Callable[[str], object]) -> dict[str, object]:
    """The figures. Raises Mismatch where a counter, a call or an entry is not as it should be."""
    with TemporaryDirectory(prefix="mandate-bench-") as folder, ExitStack() as stack:
        home, port = Path(folder) / "home", free_port()
        up = stack.enter_context(process(["manage.py", "up"], home, port))
        ready(home, port)
        documents = Path(folder) / "documents"
        documents.mkdir()
        (documents / "bench.yaml").write_text(_TENANT)
        manage(home, port, "policy", "apply", str(documents))
        manage(home, port, "keys", "create", "bench/load", "--json")
        dsn: str = json.loads((home / "services.json").read_text())["database_url"]
        stack.enter_context(resting(up))
        return measured(dsn, sizes, say)


def measured(dsn: str, sizes: Sizes, say: Callable[[str], object]) -> dict[str, object]:
    """The figures of a database that has the tenant `bench` and a key of its team `load`."""
    with psycopg.connect(dsn, autocommit=True) as db:
        key, key_hash = db.execute(_KEY).fetchone() or ("", b"")
        base = Ask(dsn, 0, 0, sizes.clients // PROCESSES, "bench", key, bytes(key_hash).hex(), [])
        hot, naive = _windows(db, "hot", PLENTY), _windows(db, "naive", PLENTY)[-1:]
        edge = [*_windows(db, "day", sizes.edge_nano), *_windows(db, "month", sizes.edge_nano)]
        db.execute(
            "UPDATE routing_ledger_window SET limit_nano = %s WHERE id = %s", naive[0][1::-1]
        )
        say(f"{sizes.clients} clients reserve for {sizes.seconds:.0f} s, then the naive way")
        simple = _load(base, hot, sizes.seconds)
        other = _load(msgspec.structs.replace(base, naive=True), naive, sizes.seconds)
        say("the edge: until everybody is refused")
        last = _load(base, sorted(edge, key=lambda w: w[::-2]), _EDGE_SECONDS)
        _check(db, [*hot, *edge], len(simple.took_ms) + len(other.took_ms) + len(last.took_ms))
        full = _pending(db, edge)
    if len(last.took_ms) != sizes.edge_nano or last.refused != sizes.clients:
        raise Mismatch(f"{len(last.took_ms)} of {sizes.edge_nano} places were given at the edge")
    return figures(sizes, simple, other, max(full) - sizes.edge_nano)


def figures(sizes: Sizes, simple: Reserved, naive: Reserved, over: int) -> dict[str, object]:
    """What the runs come to."""
    ranked = quantiles(simple.took_ms, n=100, method="inclusive")
    return {
        "simple_per_s": round(len(simple.took_ms) / sizes.seconds, 1),
        "naive_per_s": round(len(naive.took_ms) / sizes.seconds, 1),
        "p99_ms": round(ranked[98], 1),
        "over": max(over, 0),
        "p50_ms": round(ranked[49], 1),
        "edge_full": over == 0,
        "clients": sizes.clients,
        "seconds": sizes.seconds,
    }


def _windows(db: psycopg.Connection[Any], name: str, limit: int) -> list[Window]:
    """A window for each level, narrow to wide."""
    found = []
    for rank, level in enumerate(LEVELS):
        [(identity,)] = db.execute(_OPEN, [rank, f"{name}-{level}"]).fetchall()
        found.append((identity, limit, rank))
    return found


def _load(base: Ask, windows: Sequence[Window], seconds: float) -> Reserved:
    since = time.time() + _START_SECONDS
    ask = msgspec.structs.replace(base, since=since, until=since + seconds, windows=list(windows))
    command = [sys.executable, "-m", "routing.bench.reserving", msgspec.json.encode(ask).decode()]
    begun = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(PROCESSES)]  # noqa: S603 - our own module
    told = [_told(child) for child in begun]
    return Reserved([t for one in told for t in one.took_ms], sum(one.refused for one in told))


def _told(child: "subprocess.Popen[bytes]") -> Reserved:
    out, _ = child.communicate(timeout=300)
    if child.returncode:
        raise Mismatch("a process of the load did not end well")
    return msgspec.json.decode(out, type=Reserved)


def _check(db: psycopg.Connection[Any], windows: Sequence[Window], made: int) -> None:
    ids = [identity for identity, _, _ in windows]
    wrong = [row for row in db.execute(_SCAN, [ids]).fetchall() if row[1] != row[2]]
    [(calls,)], [(entries,)] = db.execute(_CALLS).fetchall(), db.execute(_ENTRIES).fetchall()
    if wrong or not calls == entries == made:
        raise Mismatch(
            f"windows that are not their scan: {wrong}; {made} were granted, {calls} calls and {entries} entries written"
        )


def _pending(db: psycopg.Connection[Any], windows: Sequence[Window]) -> list[int]:
    query = "SELECT posted_nano + pending_nano + overrun_nano FROM routing_ledger_window WHERE id = ANY (%s)"
    return [row[0] for row in db.execute(query, [[w[0] for w in windows]]).fetchall()]
