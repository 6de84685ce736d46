"""A sequencer that dies by SIGKILL at a statement of its life: `python -m … DSN KEY_FOLDER STATEMENT`."""

import os
import signal
import sys
from pathlib import Path
from threading import Event
from typing import Any

import psycopg

from audit.log import running
from audit.log.signing import signer


class Mortal(psycopg.Connection[Any]):
    """Counts statements; the one that is due is never sent, and neither is a commit after it."""

    left = 0

    def execute(self, *arguments: Any, **options: Any) -> Any:
        Mortal.left -= 1
        if Mortal.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(*arguments, **options)


def main(dsn: str, folder: str, statement: str) -> None:
    Mortal.left = int(statement)
    running.psycopg.connect = Mortal.connect  # type: ignore[attr-defined]
    rhythm = running.Rhythm(tick=0.02, sweep=0.5, full_sweep=2.0)
    running.Loop(dsn, signer(Path(folder)), lambda _: None, rhythm).run(Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
