"""The key is rotated under a sequencer at work, a process of its own: entries go on, both keys verify, an old head stays true."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from audit.log import signing
from audit.merkle.note import open_note
from audit.publication.folder import Folder
from audit.publication.kept import compare
from audit.publication.rotating import Rotation, rotate
from audit.register.file import FileRegister
from controlplane import env
from tests.audit.conftest import APPEND, LogDatabase, an_entry, row_of
from tests.audit.publication.test_rotating import heads, verified

PATIENCE_SECONDS = 120.0
NEWEST = "SELECT note FROM audit_checkpoint ORDER BY seq DESC LIMIT 1"
SIZE = "SELECT size FROM audit_tree_state"


def wait_for(what: Callable[[], bool], why: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < until, why
        time.sleep(0.05)


@contextmanager
def sequencer(log: LogDatabase, home: Path, said: TextIO) -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py sequencer` on that log."""
    environment = {
        **os.environ,
        "DATABASE_URL": log.app_dsn,
        "DATABASE_OWNER_URL": log.owner_dsn,
        "MANDATE_KEYS_DIR": str(home / "keys"),
        "MANDATE_LOG_REGISTER": str(home / "register"),
        "MANDATE_LOG_DIR": str(home / "published"),
        "MANDATE_LOG_ORIGIN": "log.example/1",
    }
    process = subprocess.Popen(
        [sys.executable, "manage.py", "sequencer"],
        cwd=env.ROOT,
        env=environment,
        stdout=said,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def appending(log: LogDatabase) -> Iterator[list[int]]:
    """Entries, one after another, meanwhile; how many so far."""
    stop, count = threading.Event(), [0]

    def go_on() -> None:
        with log.app() as db:
            while not stop.is_set():
                db.execute(APPEND, row_of(an_entry()))
                count[0] += 1
                stop.wait(0.01)

    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        yield count
    finally:
        stop.set()
        writer.join()


def test_entries_go_on_while_the_key_is_rotated(log_db: LogDatabase, tmp_path: Path) -> None:
    told = tmp_path / "said"
    asked = Rotation(
        log_db.app_dsn, tmp_path / "keys", FileRegister(tmp_path / "register"), "cli:ops"
    )
    with (
        told.open("w", encoding="utf-8") as said,
        sequencer(log_db, tmp_path, said) as process,
        appending(log_db) as count,
    ):
        wait_for(lambda: int(log_db.one(SIZE)) > 0, "nothing was signed")
        kept = str(log_db.one(NEWEST))
        old, new = rotate(asked)
        before = count[0]
        wait_for(lambda: count[0] >= before + 20, "nothing is appended any more")
        wait_for(lambda: int(log_db.one(SIZE)) > before + 20, "the new key signs nothing")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
    lines = told.read_text(encoding="utf-8")
    assert lines.count("sequencer: the key was rotated; going on with the new one") == 1
    assert "refusing" not in lines
    assert log_db.one("SELECT refusals FROM audit_sequencer") == 0
    log_db.key = signing.signer(tmp_path / "keys")
    log_db.sequence()  # what came after its last tick
    found = verified(log_db, old, new)
    assert (found.findings, found.size) == ((), count[0] + 1)
    signed = [key for _, key in heads(log_db, old, new)]
    assert signed == sorted(signed, key=[old, new].index)
    assert signed.count(old) > 1
    assert signed.count(new) > 1
    with log_db.app() as db, db.cursor() as cursor:
        assert compare(cursor, kept, (old, new)) == ""
    shown = Folder(tmp_path / "published").checkpoint()
    assert shown is not None
    assert open_note(shown, (old, new)).signed_by == (new,)
