"""Child processes under one roof: started by `launch.py`, restarted when they die, stopped in order.

Everything runs on the caller's main thread: the kernel's parent-death signal follows the *thread* that forked.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

LAUNCH = Path(__file__).resolve().with_name("launch.py")
POLL_SECONDS = 0.1
LOG_LIMIT_BYTES = 16 * 2**20
_PATIENCE = 3
_BACK_OFF_SECONDS = 0.8


class ChildFailed(RuntimeError):
    """A child did not come up; the message carries the end of its log."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One process: what to run, how to stop it, and in which round (`stage`, lowest first) it is stopped."""

    name: str
    argv: Sequence[str]
    log: Path
    stage: int = 0
    stop_signal: int = signal.SIGTERM
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = Path("/")
    identity: tuple[str, ...] = ()
    """Options for launch.py: `("--as", "namespace")`."""
    prepare: Callable[[], None] | None = None
    """Run before each start: clears what a dead predecessor left behind."""
    fds: tuple[int, ...] = ()
    """Open files it inherits under the same numbers: the listening socket."""
    once: bool = False
    """Whether it ends by itself: then it is not started again."""


class Child:
    """A running (or dead) process of one Spec."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.restarts = 0
        self.process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        if self.spec.prepare is not None:
            self.spec.prepare()
        command = [
            *(sys.executable, "-I", "-S", str(LAUNCH), "--parent", str(os.getpid())),
            *("--death", str(int(self.spec.stop_signal)), *self.spec.identity, "--"),
            *self.spec.argv,
        ]
        self.started_at = time.monotonic()
        with _log(self.spec.log) as log:
            return subprocess.Popen(  # noqa: S603 - our own programs
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.spec.env},
                cwd=self.spec.cwd,
                pass_fds=self.spec.fds,
            )

    @property
    def pid(self) -> int:
        """The process id of the running program (launch.py becomes it, so the id stays)."""
        return self.process.pid

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def restart(self) -> None:
        """Start a new process for the same spec."""
        self.restarts += 1
        self.process = self._spawn()

    def signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.alive():
            self.process.send_signal(number)

    def failure(self) -> ChildFailed:
        """Why it is not there, with the last lines of its log."""
        return ChildFailed(
            f"{self.spec.name} ended with {self.process.poll()}; the end of {self.spec.log}:\n{tail(self.spec.log)}"
        )


def _log(path: Path) -> BinaryIO:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_suffix(path.suffix + ".1"))
    return path.open("ab")


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    if not path.is_file():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


class Supervisor:
    """Starts children, brings back those that die, and stops all of them stage by stage."""

    def __init__(self, say: Callable[[str], None] = lambda _line: None) -> None:
        self._say = say
        self.children: list[Child] = []

    def start(self, spec: Spec) -> Child:
        """Start one process and keep watch over it."""
        child = Child(spec)
        self.children.append(child)
        return child

    def revive(self) -> None:
        """Start again what has died; one that keeps dying at once waits a little, never a second."""
        for child in list(self.children):
            if child.alive():
                continue
            if child.spec.once:
                self._forget(child)
                continue
            since_start = time.monotonic() - child.started_at
            if child.restarts >= _PATIENCE and since_start < _BACK_OFF_SECONDS:
                continue
            self._say(f"{child.spec.name} ended ({_how(child.process.returncode)}); started again")
            child.restart()

    def _forget(self, child: Child) -> None:
        if child.process.returncode != 0:
            self._say(f"{child.spec.name} ended ({_how(child.process.returncode)}); see its log")
        self.children.remove(child)

    def stop(self, deadlines: Mapping[int, float], default: float = 1.0) -> list[str]:
        """Stop every stage in turn; returns the names of those that had to be killed.

        A stage's deadline counts in seconds from now, so that what an earlier stage did not need is left to it.
        """
        began = time.monotonic()
        killed = []
        for stage in sorted({child.spec.stage for child in self.children}):
            group = [child for child in self.children if child.spec.stage == stage]
            end = began + deadlines[stage] if stage in deadlines else time.monotonic() + default
            killed += _stop_together(group, end)
        self.children.clear()
        return killed


def _stop_together(group: Sequence[Child], end: float) -> list[str]:
    for child in group:
        child.signal(child.spec.stop_signal)
    while any(child.alive() for child in group) and time.monotonic() < end:
        time.sleep(POLL_SECONDS / 5)
    killed = [child.spec.name for child in group if child.alive()]
    for child in group:
        _end(child)
    return killed


def _end(child: Child) -> None:
    """SIGKILL for whatever is left of the child's own process group, prefork's children included."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.process.wait()


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
