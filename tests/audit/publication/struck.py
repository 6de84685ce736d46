"""Publishes a log again and again, each time in a child that is told an error of one of its calls that was made all the same.

`python -m tests.audit.publication.struck DSN VKEY`; a line of standard input is `FOLDER NUMBER`, and the child's exit
status comes back. Every call that changes the disk is one of `CALLS`; a write is struck in its middle, too. strace cannot do
that (`traced.py`): what it strikes is not made.
"""

import os
import sys
from collections.abc import Callable
from errno import EIO
from functools import partial
from pathlib import Path
from typing import Any, Self

from audit.log.running import connect
from audit.merkle.note import VerifierKey
from audit.publication.folder import Folder
from audit.publication.publish import Publisher

CALLS = ("open", "fsync", "replace", "mkdir", "unlink", "rmdir")
WENT_ON = 99
"""It was struck, and needed no other call to be whole."""


class Strikes:
    """Counts the calls, and strikes at one."""

    def __init__(self, number: int) -> None:
        self._left = number

    @property
    def spared(self) -> bool:
        """Whether there was no such call."""
        return self._left > 0

    def at(self, do: Callable[[], Any]) -> Any:
        """Make a call; then, if it is the one, tell an error. Raises OSError."""
        self._left -= 1
        done = do()
        if self._left == 0:
            raise OSError(EIO, "struck")
        return done


class Torn:
    """A file whose writes have a middle."""

    def __init__(self, file: Any, strikes: Strikes) -> None:
        self._file, self._strikes = file, strikes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        """In two halves."""
        for half in (data[: len(data) // 2], data[len(data) // 2 :]):
            self._strikes.at(partial(self._put, half))

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()

    def flush(self) -> None:
        """Was done."""


def publish(dsn: str, vkey: str, folder: Path, strikes: Strikes) -> None:
    """Publish with every call to the disk counted."""
    with connect(dsn) as db, db.cursor() as cursor:
        for name in CALLS:
            made = getattr(os, name)
            setattr(os, name, lambda *a, _made=made, **k: strikes.at(lambda: _made(*a, **k)))
        opened = os.fdopen
        vars(os)["fdopen"] = lambda *a, **k: Torn(opened(*a, **k), strikes)
        Publisher(Folder(folder), (VerifierKey.parse(vkey),)).publish(cursor)


def main(dsn: str, vkey: str) -> None:
    """A child for each line."""
    for line in sys.stdin:
        folder, number = line.split()
        pid = os.fork()
        if pid == 0:
            strikes = Strikes(int(number))
            try:
                publish(dsn, vkey, Path(folder), strikes)
            except OSError as error:
                os._exit(error.errno or 1)
            os._exit(0 if strikes.spared else WENT_ON)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
