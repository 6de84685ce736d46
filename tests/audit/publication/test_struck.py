"""An error told of every call by which the publisher changed the disk: what is there holds, and the next round goes on."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from errno import EIO
from pathlib import Path

import pytest
from django.conf import settings

from audit.log.running import connect
from audit.publication import fsck
from audit.publication.folder import Folder
from audit.publication.publish import Publisher
from tests.audit.conftest import LogDatabase
from tests.audit.publication.struck import WENT_ON

LEAST_STRIKES = 30
Strike = Callable[[Path, int], int]


@pytest.fixture
def strike(log_db: LogDatabase) -> Iterator[Strike]:
    """Strikes a publisher of this log; its exit status, which is 0 when there was no such call any more."""
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.audit.publication.struck",
            log_db.app_dsn,
            str(log_db.key.verifier),
        ],
        cwd=settings.BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        asked, told = process.stdin, process.stdout
        assert asked is not None
        assert told is not None

        def at(folder: Path, number: int) -> int:
            asked.write(f"{folder} {number}\n")
            asked.flush()
            return int(told.readline())

        yield at
        asked.close()


def publish(log: LogDatabase, folder: Folder) -> None:
    with connect(log.app_dsn) as db, db.cursor() as cursor:
        Publisher(folder, log.key.known).publish(cursor)


def holds(log: LogDatabase, folder: Folder) -> int:
    found = fsck.check(folder, log.key.known)
    assert found.wrong == ()
    return found.size


def test_whatever_strikes_what_is_published_holds(
    log_db: LogDatabase, strike: Strike, tmp_path: Path
) -> None:
    log_db.append(254)
    log_db.sequence()
    publish(log_db, Folder(tmp_path / "before"))
    log_db.append(4)
    log_db.sequence()
    for number in range(1, 200):
        folder = Folder(tmp_path / str(number))
        shutil.copytree(tmp_path / "before", folder.root)
        status = strike(folder.root, number)
        if status == 0:
            break
        assert status in {EIO, WENT_ON}
        assert holds(log_db, folder) in {254, 258}
        publish(log_db, folder)
        assert holds(log_db, folder) == 258
        assert list(folder.root.glob(".draft-*")) == []
    assert LEAST_STRIKES < number < 199
    assert holds(log_db, Folder(tmp_path / str(number))) == 258
