"""`bench calls`: the whole walk, everything on, beside a bare proxy under the same load in the same run.

1. closed loop: 64 callers, 1,000 distinct prompts of 4 kB, an upstream in its own process that answers after 50 ms
2. open loop at 50 calls/s, through Mandate and straight to the upstream: what Mandate adds
3. streams: 16 callers, 40 chunks 20 ms apart
CPU is that of every process of ours, PostgreSQL and Valkey included. A run whose entries, vault rows or postings do not
match its calls, or that leaves an entry unsequenced, fails.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import quantiles

import msgspec
import psycopg

from routing.bench.load import Ask, Told
from routing.bench.site import ROOT, Site, running

LATENCY_MS = 50
STREAM_DIRECTIVE = " [[sandbox tokens=40 chunks=40 delay=20ms]]"
SEQUENCED_SECONDS = 20.0

_COUNTS = """
SELECT (SELECT count(*) FROM routing_call WHERE tenant = 'bench'),
       (SELECT count(*) FROM routing_call WHERE tenant = 'bench' AND state = 'completed'),
       (SELECT count(*) FROM audit_entry WHERE tenant = 'bench' AND call IS NOT NULL),
       (SELECT count(*) FROM vault_content v JOIN routing_call c ON c.id = v.call WHERE c.tenant = 'bench'),
       (SELECT count(*) FROM routing_posting p JOIN routing_call c ON c.id = p.call WHERE c.tenant = 'bench')
"""
_OUTSIDE = "SELECT count(*) FROM audit_entry e WHERE NOT EXISTS (SELECT FROM audit_leaf l WHERE l.entry = e.id)"


class Mismatch(Exception):
    """What the database holds is not what was called."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many calls each pass makes."""

    calls: int = 4_000
    paced: int = 600
    streams: int = 320


def run(sizes: Sizes, say: Callable[[str], None]) -> dict[str, object]:
    """The figures of one run. Raises Mismatch."""
    say("starting an installation, an upstream and a bare proxy")
    with running(LATENCY_MS) as site:
        load_pass(mandate(site, calls=200))
        say(f"closed loop, 64 callers, {sizes.calls} calls")
        closed = _measured(site, mandate(site, calls=sizes.calls))
        before = site.proxy_cpu_s()
        bare = load_pass(_straight(site.proxy_port, calls=sizes.calls))
        proxy_cpu = site.proxy_cpu_s() - before
        say(f"open loop, 50 calls/s, {sizes.paced} calls")
        direct = load_pass(_straight(site.upstream_port, calls=sizes.paced, rate=50.0))
        paced = load_pass(mandate(site, calls=sizes.paced, rate=50.0))
        say(f"streams, 16 callers, {sizes.streams} of 40 chunks")
        stream = {"callers": 16, "stream": True, "directive": STREAM_DIRECTIVE}
        straight = load_pass(_straight(site.upstream_port, calls=64, **stream))
        streams = _measured(site, mandate(site, calls=sizes.streams, **stream))
        _check(site, 200 + sizes.calls + sizes.paced + sizes.streams)
        return {
            "calls": closed.told.calls,
            "errors": closed.told.errors + paced.errors + streams.told.errors + bare.errors,
            "calls_per_s": round(closed.told.calls / closed.told.seconds, 1),
            "cpu_s_per_1000": closed.per_1000(),
            "cpu_by_process": closed.by_process(),
            **_added("added", paced.latencies_ms, direct.latencies_ms),
            "ttft_added_p50_ms": _difference(streams.told.first_ms, straight.first_ms, 50),
            "stream_cpu_s_per_1000": streams.per_1000(),
            "rss_mib": round(site.usage().memory_mib),
            "proxy_cpu_s_per_1000": round(proxy_cpu / sizes.calls * 1000, 3),
        }


@dataclass(frozen=True, slots=True)
class _Measured:
    told: Told
    cpu_s: dict[str, float]

    def per_1000(self) -> float:
        return round(sum(self.cpu_s.values()) / self.told.calls * 1000, 2)

    def by_process(self) -> dict[str, float]:
        ranked = sorted(self.cpu_s.items(), key=lambda item: -item[1])
        return {kind: round(used / self.told.calls * 1000, 2) for kind, used in ranked}


def mandate(site: Site, **how: object) -> Ask:
    """A load on the installation."""
    given = {
        "url": f"http://127.0.0.1:{site.port}/v1/chat/completions",
        "key": site.key,
        "model": "bench",
    }
    return msgspec.convert({**given, **how}, Ask)


def _straight(port: int, **how: object) -> Ask:
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    return msgspec.convert({"url": url, "key": "sk-bench", "model": "bench-model", **how}, Ask)


def _measured(site: Site, ask: Ask) -> _Measured:
    before = site.usage()
    told = load_pass(ask)
    return _Measured(told, site.usage().since(before))


def load_pass(ask: Ask) -> Told:
    """One load, in a process of its own."""
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "routing.bench.load", msgspec.json.encode(ask).decode()],
        cwd=ROOT,
        capture_output=True,
        timeout=300,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=Told)


def _added(name: str, ours: list[float], theirs: list[float]) -> dict[str, float]:
    return {f"{name}_p{p}_ms": _difference(ours, theirs, p) for p in (50, 95, 99)}


def _difference(ours: list[float], theirs: list[float], percent: int) -> float:
    return round(_percentile(ours, percent) - _percentile(theirs, percent), 1)


def _percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def _check(site: Site, calls: int) -> None:
    """Four entries, two vault rows and one posting for each call, all sequenced."""
    with psycopg.connect(site.services()["database_url"], autocommit=True) as db:
        found = db.execute(_COUNTS).fetchone()
        wanted = (calls, calls, 4 * calls, 2 * calls, calls)
        if found != wanted:
            raise Mismatch(
                f"calls, completed, entries, vault rows, postings are {found}, not {wanted}"
            )
        until = time.monotonic() + SEQUENCED_SECONDS
        while (outside := _one(db)) and time.monotonic() < until:
            time.sleep(0.5)
        if outside:
            raise Mismatch(f"{outside} entries are not sequenced")


def _one(db: psycopg.Connection) -> int:
    row = db.execute(_OUTSIDE).fetchone()
    return int(row[0]) if row else 0
