"""`bench inflight`: how many slow calls one calls process holds at once, each waiting for a model that takes 25 s.

Calls come faster than they end, so that at the peak all are in flight; they are counted by the attempts that a living
calls process has started, and by the requests that are open at the upstream. A run fails where fewer than asked were in
flight in one process, or where any call has no answer.
"""

import json
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import psycopg

from routing.bench.calls import Mismatch, load_pass, mandate
from routing.bench.load import Ask, Told
from routing.bench.site import Site, running
from routing.bench.usage import Usage

LOOK_SECONDS = 1.0
TENANT = "bench"
BY_PROCESS = """
SELECT l.pid, count(*) FROM routing_attempt a JOIN routing_call c ON c.id = a.call
  JOIN routing_worker_lease l ON l.worker = c.worker AND l.lost_at IS NULL AND l.kind = 'calls'
 WHERE c.tenant = %s AND c.finished_at IS NULL AND a.state = 'started' GROUP BY l.pid
"""
_COMPLETED = "SELECT count(*) FROM routing_call WHERE tenant = %s AND state = 'completed'"


@dataclass(frozen=True, slots=True)
class Sizes:
    """`calls` are made by as many callers, and `wanted` must be in flight at once."""

    calls: int = 1_200
    wanted: int = 1_000
    seconds: int = 25


@dataclass(slots=True)
class Peak:
    """The most that was seen: by one process's started attempts, and open at the upstream."""

    in_process: int = 0
    processes: int = 0
    at_upstream: int = 0
    memory_mib: float = 0.0


def run(sizes: Sizes, say: Callable[[str], None]) -> dict[str, object]:
    """The figures of one run. Raises Mismatch."""
    say("starting an installation and an upstream")
    with running(sizes.seconds * 1000) as site:
        say(f"{sizes.calls} calls at once, each {sizes.seconds} s at its model")
        before = site.usage()
        told, peak = _watched(site, mandate(site, calls=sizes.calls, callers=sizes.calls))
        used = site.usage().since(before)
        with psycopg.connect(site.services()["database_url"], autocommit=True) as db:
            completed = int(db.execute(_COMPLETED, [TENANT]).fetchall()[0][0])
    return verdict(sizes, told, peak, completed) | _used(used)


def verdict(sizes: Sizes, told: Told, peak: Peak, completed: int) -> dict[str, object]:
    """The figures of the calls. Raises Mismatch where they are not what was asked."""
    figures: dict[str, object] = {
        "calls": told.calls,
        "errors": told.errors,
        "in_flight_one_process": peak.in_process,
        "in_flight_upstream": peak.at_upstream,
        "calls_processes": peak.processes,
        "seconds": round(told.seconds, 1),
        "rss_mib": round(peak.memory_mib),
    }
    if peak.in_process < sizes.wanted or told.errors or completed != sizes.calls:
        raise Mismatch(
            f"{sizes.wanted} in flight in one process and {sizes.calls} answers were wanted, "
            f"{completed} are completed: {figures}"
        )
    return figures


def _used(cpu_s: dict[str, float]) -> dict[str, object]:
    ranked = sorted(cpu_s.items(), key=lambda item: -item[1])
    by_process = {kind: round(spent, 1) for kind, spent in ranked}
    return {"cpu_s": round(sum(cpu_s.values()), 1), "cpu_by_process": by_process}


def _watched(site: Site, ask: Ask) -> tuple[Told, Peak]:
    """Make the calls, and look once a second how many are in flight."""
    peak = Peak()
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(site.services()["database_url"], autocommit=True) as db,
    ):
        load: Future[Told] = pool.submit(load_pass, ask)
        while not load.done():
            rows = db.execute(BY_PROCESS, [TENANT]).fetchall()
            see(peak, [count for _pid, count in rows], _open_upstream(site), site.usage())
            time.sleep(LOOK_SECONDS)
        return load.result(), peak


def see(peak: Peak, counts: Sequence[int], open_upstream: int, usage: Usage) -> None:
    """Keep the most that was seen; `counts` has one number for each calls process."""
    peak.in_process = max([peak.in_process, *counts])
    peak.processes = max(peak.processes, len(counts))
    peak.at_upstream = max(peak.at_upstream, open_upstream)
    peak.memory_mib = max(peak.memory_mib, usage.memory_mib)


def _open_upstream(site: Site) -> int:
    url = f"http://127.0.0.1:{site.upstream_port}/_sandbox/arrivals"
    with urllib.request.urlopen(url, timeout=10) as answer:
        report = json.loads(answer.read())
    return sum(arrival["ended"] == "open" for arrival in report["arrivals"])
