"""Publishes, signs or makes a key again and again, each time in a child that strace strikes at one of its system calls.

`python -m tests.audit.publication.traced DSN KEYS`; a line of standard input is JSON: what to do, where, and the arguments of
strace. The child's wait status comes back when strace is done. A child waits for strace with everything imported and its
connection open, so what is traced is the work and nothing else.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from audit.log import signing
from audit.log.running import connect
from audit.log.sequence import Refused, Sequencer
from audit.publication.folder import Folder
from audit.publication.publish import Publisher
from audit.register.base import Registered, RegisterError
from audit.register.file import FileRegister

REFUSED, UNANSWERED = 90, 91
"""It would not sign or read on; PostgreSQL's answer was lost."""
_SET_PTRACER, _ANYBODY = 0x59616D61, ctypes.c_ulong(-1)
"""Yama lets nobody trace who is not a child; `prctl` lifts that for the one that asks."""


def register(keys: Path) -> Registered:
    """The log's register, which lies beside its key."""
    return Registered(FileRegister(keys / "register"), signing.trusted_keys(keys))


def publish(db: Any, keys: Path, folder: Path) -> None:
    """One round of the publisher."""
    with db.cursor() as cursor:
        Publisher(Folder(folder), signing.trusted_keys(keys), register(keys)).publish(cursor)


def sign(db: Any, keys: Path, _folder: Path) -> None:
    """The sequencer until all is signed; a transaction elsewhere may hold the horizon back for a while."""
    sequencer = Sequencer(db, signing.signer(keys), register=register(keys))
    while sequencer.tick().more or sequencer.lag_seconds():
        pass


def make_key(_db: Any, _keys: Path, folder: Path) -> None:
    """The first start of a log."""
    signing.signer(folder, "log.example/2")


WORK: dict[str, Callable[[Any, Path, Path], None]] = {
    "publish": publish,
    "sign": sign,
    "key": make_key,
}


def _child(what: str, dsn: str, keys: Path, folder: Path) -> int:
    """Do it when told to; the exit status."""
    ctypes.CDLL(None).prctl(_SET_PTRACER, _ANYBODY, 0, 0, 0)
    db = connect(dsn)
    os.kill(os.getppid(), signal.SIGUSR2)
    signal.sigwait({signal.SIGUSR1})
    try:
        WORK[what](db, keys, folder)
    except OSError as error:
        return error.errno or 1
    except (Refused, RegisterError):
        return REFUSED
    except psycopg.Error:
        return UNANSWERED
    return 0


def _strike(asked: dict[str, Any], dsn: str, keys: Path) -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(_child(asked["what"], dsn, keys, Path(asked["folder"])))
    signal.sigwait({signal.SIGUSR2})
    command = ["strace", *asked["strace"], "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        said = strace.stderr
        assert said is not None
        line = said.readline()
        if "attached" not in line:
            os.kill(pid, signal.SIGKILL)
            raise SystemExit(f"strace may not trace here: {line}")
        os.kill(pid, signal.SIGUSR1)
        status = os.waitpid(pid, 0)[1]
        said.read()
    return status


def main(dsn: str, keys: Path) -> None:
    """A child for each line, once everything that is imported late has been."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGUSR2})
    with TemporaryDirectory() as place, connect(dsn) as db:
        for work in WORK.values():
            work(db, keys, Path(place))
    for line in sys.stdin:
        sys.stdout.write(f"{_strike(json.loads(line), dsn, keys)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
