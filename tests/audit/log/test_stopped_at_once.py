"""PostgreSQL stopped at once under load, twice: what was acknowledged is in, and all that is in has its leaf.

The list of what was acknowledged is kept outside PostgreSQL. The cluster is of the test's own: an open transaction in another
database would hold back the horizon.
"""

import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from audit.log.running import Loop, Rhythm
from controlplane import embedded
from controlplane.supervisor import Child, Supervisor
from tests.audit.conftest import APP_ROLE, APPEND, AUDIT, SQL_FILES, LogDatabase, an_entry, row_of

CRASHES, WRITERS = 2, 8
LEAST_BETWEEN = 100
PATIENCE_SECONDS = 90.0


@dataclass
class Cluster:
    """One log on a PostgreSQL that may be stopped, its writers, and what they were told is committed."""

    log: LogDatabase
    postgres: Child
    stop: threading.Event = field(default_factory=threading.Event)
    acknowledged: list[UUID] = field(default_factory=list)
    in_doubt: list[UUID] = field(default_factory=list)

    def write(self) -> None:
        """Append one entry after another; a broken connection leaves its entry in doubt."""
        while not self.stop.is_set():
            entry = an_entry()
            try:
                with self.log.app() as db:
                    while not self.stop.is_set():
                        entry = an_entry()
                        db.execute(APPEND, row_of(entry))
                        self.acknowledged.append(entry.id)
            except psycopg.Error:
                self.in_doubt.append(entry.id)
                time.sleep(0.1)

    def wait_for(self, more: int) -> None:
        """Until so many more were acknowledged."""
        wanted, until = len(self.acknowledged) + more, time.monotonic() + PATIENCE_SECONDS
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < until, "nothing is appended any more"
            time.sleep(0.05)

    def crash(self) -> None:
        """`pg_ctl stop -m immediate`, then a start with recovery."""
        self.postgres.signal(signal.SIGQUIT)
        self.postgres.process.wait(30)
        self.postgres.restart()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    supervisor = Supervisor()
    with tempfile.TemporaryDirectory(prefix="mandate-crash-") as folder:
        wanted = embedded.Wanted(valkey=False, testing=True)
        facts = embedded.start(Path(folder), wanted, supervisor)
        log = LogDatabase(facts["database_url"], facts["database_owner_url"])
        with log.owner() as owner:
            for file in SQL_FILES:
                text = (AUDIT / file).read_text(encoding="utf-8")
                owner.execute(text.replace(':"app"', f'"{APP_ROLE}"').encode())
            owner.execute("SELECT make_months(1)")
        try:
            yield Cluster(log, supervisor.children[0])
        finally:
            supervisor.stop({}, 5.0)


@pytest.mark.faults
def test_what_was_acknowledged_survives_and_has_its_leaf(cluster: Cluster) -> None:
    log = cluster.log
    threads = [threading.Thread(target=cluster.write) for _ in range(WRITERS)]
    sequencer = Loop(log.app_dsn, log.key, lambda _: None, Rhythm(tick=0.02, retry=0.1))
    threads.append(threading.Thread(target=sequencer.run, args=[cluster.stop]))
    for thread in threads:
        thread.start()
    try:
        for _ in range(CRASHES):
            cluster.wait_for(LEAST_BETWEEN)
            cluster.crash()
        cluster.wait_for(LEAST_BETWEEN)
    finally:
        cluster.stop.set()
        for thread in threads:
            thread.join()
    log.sequence()
    with log.app() as db:
        entries = {row[0] for row in db.execute("SELECT id FROM audit_entry").fetchall()}
        leaves = [row[0] for row in db.execute("SELECT entry FROM audit_leaf").fetchall()]
    acknowledged = set(cluster.acknowledged)
    assert acknowledged - entries == set()
    assert entries - acknowledged <= set(cluster.in_doubt)
    assert (len(leaves), set(leaves)) == (len(entries), entries)
    assert len(acknowledged) >= LEAST_BETWEEN * (CRASHES + 1)
    assert cluster.in_doubt, "nothing was under way when it stopped: this proves nothing"
    assert log.verify().findings == ()
