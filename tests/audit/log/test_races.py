"""Two sequencers in real processes, killed at every statement, under slow writers: nothing is lost, doubled or moved.

In the same run a reader that remembers the greatest id so far, which everybody writes first, must lose entries: else the
load would prove nothing.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings

from audit.log.signing import signer
from tests.audit.conftest import APPEND, LogDatabase, an_entry, row_of

SECONDS, MOST_SECONDS = 10.0, 60.0
LEAST_DEATHS = 70
FIRST_STEPS = ("1", "35")
SENT = (
    "BEGIN",
    "SELECT pg_try_advisory_xact_lock",
    "SELECT pg_snapshot_xmin",
    "SELECT size, seq, horizon",
    "SELECT id, xid::text::bigint",
    "COPY audit_leaf",
    "INSERT INTO audit_tile",
    "INSERT INTO audit_checkpoint",
    "UPDATE audit_tree_state",
    "COMMIT",
)
EACH = (
    "amid COPY audit_leaf",
    *(f"{when} {what}" for what in SENT for when in ("before", "after")),
)
LEAST_CHECKPOINTS = 4
LEAST_ENTRIES = 500


@dataclass
class Load:
    """Writers whose entries are committed in another order than that of their ids, and the naive reader."""

    log: LogDatabase
    stop: threading.Event = field(default_factory=threading.Event)
    committed: list[UUID] = field(default_factory=list)
    naive: set[UUID] = field(default_factory=set)

    def write(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - a load, not a secret
        with self.log.app() as db:
            while not self.stop.is_set():
                entries = [an_entry() for _ in range(chance.randint(1, 3))]
                with db.transaction():
                    for entry in entries:
                        db.execute(APPEND, row_of(entry))
                    if chance.random() < 0.1:
                        time.sleep(chance.uniform(0.01, 0.2))
                self.committed.extend(entry.id for entry in entries)
                time.sleep(0.005)

    def watch(self) -> None:
        last = UUID(int=0)
        query = "SELECT id FROM audit_entry WHERE id > %s ORDER BY id"
        with self.log.app() as db:
            while not self.stop.is_set():
                for (identity,) in db.execute(query, [last]).fetchall():
                    self.naive.add(identity)
                    last = identity
                time.sleep(0.02)


@pytest.fixture
def load(log_db: LogDatabase) -> Iterator[Load]:
    made = Load(log_db)
    threads = [threading.Thread(target=made.write, args=[seed]) for seed in range(4)]
    threads.append(threading.Thread(target=made.watch))
    for thread in threads:
        thread.start()
    yield made
    made.stop.set()
    for thread in threads:
        thread.join()


def race(log: LogDatabase, folder: Path) -> list[str]:
    """Two rows of sequencers side by side, each of which dies a step later than the one before. What they died at."""
    report = folder / "deaths"
    report.touch()
    command = [sys.executable, "-m", "tests.audit.log.dying_sequencer", log.app_dsn, str(folder)]
    racing = [
        subprocess.Popen([*command, first, str(report)], cwd=settings.BASE_DIR, process_group=0)
        for first in FIRST_STEPS
    ]
    began, deaths = time.monotonic(), list[str]()
    try:
        while (lasted := time.monotonic() - began) < SECONDS or (
            lasted < MOST_SECONDS and not all(_died_at(deaths, step) for step in EACH)
        ):
            assert [process.poll() for process in racing] == [None, None]
            time.sleep(0.1)
            deaths = report.read_text(encoding="utf-8").splitlines()
    finally:
        for process in racing:
            os.killpg(process.pid, signal.SIGKILL)  # the one that lives as well
            process.wait()
    return deaths


def _died_at(deaths: Sequence[str], step: str) -> bool:
    return any(line.startswith(step) for line in deaths)


@pytest.mark.faults
def test_killed_at_any_statement_nothing_is_lost(load: Load, tmp_path: Path) -> None:
    log = load.log
    log.key = signer(tmp_path)
    deaths = race(log, tmp_path)
    load.stop.set()
    time.sleep(0.5)
    log.sequence()
    found = log.verify()
    committed = set(load.committed)
    with log.app() as db:
        placed = [row[0] for row in db.execute("SELECT entry FROM audit_leaf").fetchall()]
    assert found.findings == ()
    assert found.late == 0
    assert (len(placed), set(placed)) == (len(committed), committed)
    assert len(deaths) >= LEAST_DEATHS
    assert [step for step in EACH if not _died_at(deaths, step)] == []
    assert len(committed) >= LEAST_ENTRIES
    assert found.checkpoints >= LEAST_CHECKPOINTS
    assert committed - load.naive, "the naive reader lost nothing: this load proves nothing"
