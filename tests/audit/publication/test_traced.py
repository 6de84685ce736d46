"""EIO and SIGKILL at every system call of publisher, signer and first key, by strace: what is there holds, and the next goes on.

A call that is struck is not made. `test_struck.py` has what strace cannot do: an error about a call that was made. What is
sent to PostgreSQL, in calls that no two runs make alike, is struck in `tests/audit/log/test_races.py`.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from errno import EIO
from pathlib import Path

import pytest
from django.conf import settings

from audit.log.running import connect
from audit.log.signing import signer, trusted_key
from audit.merkle.checkpoint import Checkpoint
from audit.merkle.note import open_note
from audit.publication import fsck
from audit.publication.folder import Folder
from audit.publication.kept import compare
from audit.register.file import FileRegister
from tests.audit.conftest import LogDatabase
from tests.audit.publication import traced

pytestmark = [pytest.mark.faults, pytest.mark.needs_strace]
SET = "%file,%desc"
"""Whatever names a file or an open one."""
WAITS = "poll"
"""As often as PostgreSQL takes long."""
HOWS = {"EIO": "error=EIO", "KILL": "signal=KILL"}
LEAST = {"publish": 250, "sign": 60, "key": 60}
_CALL = re.compile(r"^(\w+)\(", re.MULTILINE)
GoOn = Callable[[str, Path], None]
NEWEST = "SELECT note FROM audit_checkpoint ORDER BY seq DESC LIMIT 1"


@dataclass
class Tracer:
    """Asks for one child after another, each struck once."""

    process: subprocess.Popen[str]
    trace: Path
    struck: Counter[str] = field(default_factory=Counter)

    def calls(self, what: str, folder: Path) -> Counter[str]:
        """How often each system call is made when nothing is struck."""
        assert self._run(what, folder) == 0
        return Counter(x for x in _CALL.findall(self.trace.read_text()) if x != WAITS)

    def strike(self, what: str, folder: Path, at: tuple[str, int, str]) -> None:
        """Strike the call of that name and number, and look how the child ended."""
        name, number, how = at
        status = self._run(what, folder, "-e", f"inject={name}:{HOWS[how]}:when={number}")
        if how == "KILL":
            assert os.WIFSIGNALED(status), (at, status)
            assert os.WTERMSIG(status) == signal.SIGKILL
        else:
            assert "(INJECTED)" in self.trace.read_text(), at
            ended = {0, EIO, traced.REFUSED, traced.UNANSWERED}
            assert os.waitstatus_to_exitcode(status) in ended, (at, status)
        self.struck[name] += 1

    def _run(self, what: str, folder: Path, *inject: str) -> int:
        strace = ["-o", str(self.trace), "-e", f"trace={SET}", *inject]
        asked, told = self.process.stdin, self.process.stdout
        assert asked is not None
        assert told is not None
        asked.write(json.dumps({"what": what, "folder": str(folder), "strace": strace}) + "\n")
        asked.flush()
        return int(told.readline())


@pytest.fixture(scope="module")
def strace() -> str:
    """The program, where it is and may trace: `.ci/run` sees to it, somebody's own machine need not."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("needs strace; as root: apt-get install strace")
    tried = subprocess.run(
        [program, "-e", "trace=none", "true"], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        pytest.skip(f"needs a machine that lets strace trace a process: {tried.stderr.strip()}")
    return program


@pytest.fixture
def tracer(log_db: LogDatabase, keys: Path, strace: str, tmp_path: Path) -> Iterator[Tracer]:
    """Traces what is done with this log."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.audit.publication.traced", log_db.app_dsn, str(keys)],
        cwd=settings.BASE_DIR,
        # else the first child might write what the next ones read
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Tracer(process, tmp_path / "trace")
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def keys(log_db: LogDatabase, tmp_path: Path) -> Path:
    """The folder of the log's key, and of its register."""
    folder = tmp_path / "keys"
    log_db.key = signer(folder, "log.example/1")
    return folder


def every(calls: Counter[str]) -> Iterator[tuple[str, int, str]]:
    """Each call of each name, once for each way to strike it."""
    for name, count in sorted(calls.items()):
        for number in range(1, count + 1):
            for how in HOWS:
                yield name, number, how


@pytest.fixture
def go_on(log_db: LogDatabase, keys: Path) -> Iterator[GoOn]:
    """The next round, which nothing strikes."""
    with connect(log_db.app_dsn) as db:
        yield lambda what, folder: traced.WORK[what](db, keys, folder)


def holds(log: LogDatabase, folder: Folder) -> int:
    found = fsck.check(folder, log.key.known)
    assert found.wrong == ()
    return found.size


def test_a_publisher_that_is_struck_at_any_call(
    log_db: LogDatabase, tracer: Tracer, go_on: GoOn, tmp_path: Path
) -> None:
    before, folder = tmp_path / "before", tmp_path / "folder"
    log_db.append(254)
    go_on("sign", before)
    go_on("publish", before)
    assert holds(log_db, Folder(before)) == 254
    log_db.append(4)
    log_db.sequence()
    shutil.copytree(before, folder)
    calls = tracer.calls("publish", folder)
    assert calls["rename"] == 6, calls
    for at in every(calls):
        shutil.rmtree(folder)
        shutil.copytree(before, folder)
        tracer.strike("publish", folder, at)
        assert holds(log_db, Folder(folder)) in {254, 258}, at
        go_on("publish", folder)
        assert holds(log_db, Folder(folder)) == 258, at
        assert list(folder.glob(".draft-*")) == [], at
    assert tracer.struck.total() == 2 * calls.total() >= LEAST["publish"]


def test_a_signer_that_is_struck_at_any_call(
    log_db: LogDatabase, keys: Path, tracer: Tracer, go_on: GoOn, tmp_path: Path
) -> None:
    """The register is never behind what the database shows as signed, and all that it ever held is one history."""
    register = FileRegister(keys / "register")
    notes: set[str] = set()
    log_db.append(1)
    calls = tracer.calls("sign", tmp_path)
    assert log_db.one(NEWEST) == register.load("log.example/1")
    for size, at in enumerate(every(calls), start=2):
        log_db.append(1)
        tracer.strike("sign", tmp_path, at)
        held = register.load("log.example/1")
        assert held is not None
        signed = log_db.one(NEWEST)
        assert signed in {held, *notes}, at
        notes |= {held}
        go_on("sign", tmp_path)
        assert head(log_db, register.load("log.example/1")) == size, at
    with connect(log_db.app_dsn) as db, db.cursor() as cursor:
        assert [compare(cursor, note, log_db.key.known) for note in notes] == [""] * len(notes)
    assert log_db.verify().ok
    assert tracer.struck.total() == 2 * calls.total() >= LEAST["sign"]


def head(log: LogDatabase, note: str | None) -> int:
    assert note is not None
    return Checkpoint.parse(open_note(note, log.key.known).text).size


def test_a_log_whose_first_key_is_struck_at_any_call(tracer: Tracer, tmp_path: Path) -> None:
    """Whoever was told a public key is never told another."""
    calls = tracer.calls("key", tmp_path / "first")
    for number, at in enumerate(every(calls)):
        folder = tmp_path / f"key-{number}"
        tracer.strike("key", folder, at)
        told = trusted_key(folder) if (folder / "log_vkey").exists() else None
        made = signer(folder, "log.example/2").verifier
        assert told in {None, made}, at
        assert trusted_key(folder) == made
    assert tracer.struck.total() == 2 * calls.total() >= LEAST["key"]
