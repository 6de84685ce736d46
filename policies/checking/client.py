"""Ask the checker: started when first needed, started again when it died, ended when nobody asked for a while.

One child for each process that asks; questions go one after the other.
"""

import atexit
import contextlib
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from controlplane.kernel.errors import Unavailable
from policies.checking.messages import (
    ANSWERS,
    ENCODER,
    Answer,
    Documents,
    OneCondition,
    Question,
    Source,
)
from policies.documents.problems import InvalidDocuments, Problem
from policies.engine.forms import CheckedForms, Form

IDLE_SECONDS = 120.0
ANSWER_SECONDS = 30.0
_TRIES = 2
_ROOT = Path(__file__).resolve().parents[2]


class _Died(Exception):
    """The child ended before it answered."""


class Checker:
    """One child. Safe to use from several threads; a process that was forked gets a child of its own."""

    def __init__(
        self, *, idle_seconds: float = IDLE_SECONDS, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self._idle_seconds, self._answer_seconds = idle_seconds, answer_seconds
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._timer: threading.Timer | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id while it lives."""
        return self._child.pid if self._child is not None else None

    def ask(self, question: Question) -> Answer:
        """The answer. Raises Unavailable when the checker died twice over this question, or took too long."""
        line = ENCODER.encode(question) + b"\n"
        with self._lock:
            for _ in range(_TRIES):
                try:
                    return ANSWERS.decode(self._exchange(line))
                except (_Died, OSError):
                    self._end()
            raise Unavailable("the checker of conditions ended twice over these documents")

    def close(self) -> None:
        """End the child, if there is one."""
        with self._lock:
            self._end()

    def _exchange(self, line: bytes) -> bytes:
        child = self._running()
        assert child.stdin is not None  # noqa: S101 - both are pipes, see _running
        child.stdin.write(line)
        child.stdin.flush()
        answer = self._read(child)
        self._rest()
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._timer is not None:
            self._timer.cancel()
        if self._owner != os.getpid():
            self._child, self._owner = None, os.getpid()
        if self._child is None:
            # it needs nothing of our environment: no database, no secret
            self._child = subprocess.Popen(
                [sys.executable, "-m", "policies.checking.child"],
                cwd=_ROOT,
                env={"PYTHONPATH": str(_ROOT), "PATH": os.defpath},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        return self._child

    def _read(self, child: subprocess.Popen[bytes]) -> bytes:
        assert child.stdout is not None  # noqa: S101 - a pipe, see _running
        until, parts = time.monotonic() + self._answer_seconds, [b""]
        with selectors.DefaultSelector() as ready:
            ready.register(child.stdout, selectors.EVENT_READ)
            while not parts[-1].endswith(b"\n"):
                if not ready.select(max(0.0, until - time.monotonic())):
                    self._end()
                    raise Unavailable(
                        f"the checker of conditions did not answer within {self._answer_seconds:g} s"
                    )
                part = os.read(child.stdout.fileno(), 1 << 20)
                if not part:
                    raise _Died
                parts.append(part)
        return b"".join(parts)

    def _rest(self) -> None:
        self._timer = threading.Timer(self._idle_seconds, self.close)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        child, self._child = self._child, None
        if child is None or self._owner != os.getpid():
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                _shut(pipe)


def _shut(pipe: IO[bytes]) -> None:
    """Close a pipe whose other end is gone; what it still held is of no use."""
    with contextlib.suppress(OSError):
        pipe.close()


_CHECKER = Checker()
atexit.register(_CHECKER.close)


def check_sources(sources: Iterable[tuple[str, str]]) -> CheckedForms:
    """The checked forms of documents given as (file, text). Raises InvalidDocuments with every problem, Unavailable."""
    wanted = Documents(tuple(Source(file, text) for file, text in sources))
    answer = _CHECKER.ask(wanted)
    if answer.forms is None:
        raise InvalidDocuments(answer.problems)
    return answer.forms


def check_condition(place: str, text: str, result: str = "bool") -> Form | list[Problem]:
    """One condition as an editor has it: its form, or what is wrong at which line and column of the text.

    `place` is one of `policies.engine.schema.PLACES` (`place_of` finds it for a field whose place the document names), `result`
    the type it must have. `policies.engine.cel` evaluates the form. Raises Unavailable.
    """
    answer = _CHECKER.ask(OneCondition(place, result, text))
    return answer.form if answer.form is not None else list(answer.problems)
