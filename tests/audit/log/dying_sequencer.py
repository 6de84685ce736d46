"""Sequencers that die by SIGKILL, one after another, each one step later: `python -m … DSN KEY_FOLDER FIRST_STEP REPORT`.

A step is the moment before or after anything that is sent to PostgreSQL: BEGIN, each statement, a COPY's end, COMMIT. Each of
them is a process of its own, forked from this one, which only waits; what it dies at is a line of the report.
"""

import os
import signal
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import psycopg

from audit.log import running
from audit.log.signing import signer

LAST_STEP = 70
"""A first sweep and two ticks that write."""


class Steps:
    """Counts down to the last one."""

    left = 0
    report = Path()

    @classmethod
    def step(cls, when: str, what: object) -> None:
        cls.left -= 1
        if cls.left == 0:
            said = what.decode() if isinstance(what, bytes) else str(what)
            with cls.report.open("a", encoding="utf-8") as lines:
                lines.write(f"{when} {' '.join(said.split())}\n")
            os.kill(os.getpid(), signal.SIGKILL)


class DyingCursor(psycopg.Cursor[Any]):
    """Dies before or after what it sends, and before a COPY ends."""

    def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
        Steps.step("before", query)
        done = super().execute(query, *arguments, **options)
        Steps.step("after", query)
        return done

    def executemany(self, query: Any, *arguments: Any, **options: Any) -> None:
        Steps.step("before", query)
        super().executemany(query, *arguments, **options)
        Steps.step("after", query)

    @contextmanager
    def copy(self, statement: Any, *arguments: Any, **options: Any) -> Iterator[psycopg.Copy]:
        Steps.step("before", statement)
        with super().copy(statement, *arguments, **options) as rows:
            yield rows
            Steps.step("amid", statement)
        Steps.step("after", statement)


class DyingConnection(psycopg.Connection[Any]):
    """Dies before or after BEGIN, COMMIT and ROLLBACK too, which no cursor sends."""

    def _exec_command(
        self, command: Any, *arguments: Any, **options: Any
    ) -> Generator[Any, Any, Any]:
        Steps.step("before", command)
        done = yield from super()._exec_command(command, *arguments, **options)
        Steps.step("after", command)
        return done


def one(dsn: str, folder: Path, step: int) -> None:
    """Live until that step."""
    Steps.left = step
    connect = partial(DyingConnection.connect, cursor_factory=DyingCursor)
    running.psycopg.connect = connect  # type: ignore[attr-defined]
    rhythm = running.Rhythm(tick=0.02, sweep=0.5, full_sweep=2.0, sign_of_life=0.2)
    running.Loop(dsn, signer(folder), lambda _: None, rhythm).run(Event())


def main(dsn: str, folder: str, first: str, report: str) -> None:
    """One after another, until this process is killed, which ends the one that lives."""
    Steps.report = Path(report)
    step = int(first)
    while True:
        child = os.fork()
        if child == 0:
            one(dsn, Path(folder), step)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            raise SystemExit("it ended otherwise than by its own hand")
        step = step % LAST_STEP + 1


if __name__ == "__main__":
    main(*sys.argv[1:])
