"""Two sequencers in real processes, killed at every statement, under slow writers: nothing is lost, doubled or moved.

In the same run a reader that remembers the greatest id so far, which everybody writes first, must lose entries: else the
load would prove nothing.
"""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings

from audit.log.signing import signer
from tests.audit.conftest import APPEND, LogDatabase, an_entry, row_of

SECONDS, MOST_SECONDS = 10.0, 25.0
LEAST_KILLS = 8
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


def race(log: LogDatabase, folder: Path) -> int:
    """Keep two sequencers running for a while; each dies at a statement of its own. Returns how many did."""
    chance = random.Random(7)  # noqa: S311 - a schedule, not a secret

    def start() -> subprocess.Popen[bytes]:
        statement = str(chance.randint(1, 60))
        command = [sys.executable, "-m", "tests.audit.log.dying_sequencer"]
        return subprocess.Popen(
            [*command, log.app_dsn, str(folder), statement], cwd=settings.BASE_DIR
        )

    running, kills = [start(), start()], 0
    began = time.monotonic()
    while (lasted := time.monotonic() - began) < SECONDS or (
        kills < LEAST_KILLS and lasted < MOST_SECONDS
    ):
        for number, process in enumerate(running):
            if process.poll() is not None:
                assert process.returncode == -9
                kills += 1
                running[number] = start()
        time.sleep(0.02)
    for process in running:
        process.kill()
        process.wait()
    return kills


@pytest.mark.faults
def test_killed_at_any_statement_nothing_is_lost(load: Load, tmp_path: Path) -> None:
    log = load.log
    log.key = signer(tmp_path)
    kills = race(log, tmp_path)
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
    assert kills >= LEAST_KILLS
    assert len(committed) >= LEAST_ENTRIES
    assert found.checkpoints >= LEAST_CHECKPOINTS
    assert committed - load.naive, "the naive reader lost nothing: this load proves nothing"
