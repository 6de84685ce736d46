"""Strange machines: a copy of the checkout under any path, run as anyone, with or without user namespaces."""

import contextlib
import ctypes
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from controlplane import env

NAMELESS = 4711
"""An ordinary user without a name in /etc/passwd."""
NAMED = next((entry.pw_uid for entry in pwd.getpwall() if 0 < entry.pw_uid < 1000), 1)
"""One with a name."""
_GIVEN = (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "REDIS_URL",
    "MANDATE_DEMO",
    "PORT",
    "MAKELEVEL",
    "MAKEFLAGS",
    "PYTHONDONTWRITEBYTECODE",
)

_DIES_WITH_US = ("setpriv", "--pdeathsig", "TERM", "--")
"""A test run that is killed leaves no installation behind."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@dataclass
class Machine:
    """Where and as whom `up` runs. `wrap` goes before the command: setpriv, or a shell that takes namespaces away."""

    home: Path
    port: int
    wrap: Sequence[str] = ()
    command: Sequence[str] = (sys.executable, "manage.py", "up")
    extra: Mapping[str, str] = field(default_factory=dict)
    checkout: Path = env.ROOT

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in _GIVEN}
        return {
            **kept,
            "MANDATE_HOME": str(self.home),
            "PORT": str(self.port),
            "MANDATE_DEMO_HISTORY": "0",  # its test asks for it
            **self.extra,
        }

    def start(self) -> "Running":
        out = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `end`
        # a run in the background of a shell inherits SIGINT as ignored, and make would keep it so
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)
        process = subprocess.Popen(
            [*self.wrap, *_DIES_WITH_US, *self.command],
            cwd=self.checkout,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        signal.signal(signal.SIGINT, before)
        return Running(self, process, out)


@dataclass
class Running:
    machine: Machine
    process: "subprocess.Popen[str]"
    out: object

    def said(self) -> str:
        self.out.seek(0)
        return self.out.read()

    def wait_for(self, words: str, seconds: float = 90.0) -> str:
        """Wait until the output holds `words`; fails with everything that was said."""
        until = time.monotonic() + seconds
        while words not in (said := self.said()):
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{said}"
            assert time.monotonic() < until, (
                f'no "{words}" after {seconds} s:\n{said}\n{self.logs()}'
            )
            time.sleep(0.1)
        return said

    def logs(self) -> str:
        folder = self.machine.home / "log"
        return "\n".join(
            f"== {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-8:])
            for log in sorted(folder.glob("*.log"))
        )

    def children(self) -> dict[int, str]:
        """Every process of the session: pid and command line."""
        found = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                state, _ppid, _pgrp, session = (
                    (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                )
                if int(session) == self.process.pid and state != "Z":
                    line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found[int(folder.name)] = line.strip()
        return found

    def pid_of(self, part: str) -> int:
        """The one process whose command line holds `part`, the eldest when it has forked."""
        return min(pid for pid, line in self.children().items() if part in line)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 10.0) -> float:
        """Signal the command's own pid; returns how long it took until nothing of its session was left."""
        began = time.monotonic()
        self.process.send_signal(number)
        while self.children() and time.monotonic() < began + seconds + 5:
            self.process.poll()
            time.sleep(0.05)
        assert self.children() == {}, (
            f"left after {seconds + 5} s: {self.children()}\n{self.said()}"
        )
        return time.monotonic() - began

    def end(self) -> None:
        """Leave nothing, whatever the test did."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        until = time.monotonic() + 12
        while (left := self.children()) and time.monotonic() < until:
            self.process.poll()
            time.sleep(0.05)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.out.close()


@contextlib.contextmanager
def running(machine: Machine) -> Iterator[Running]:
    """`up` on that machine, ended with the test."""
    it = machine.start()
    try:
        yield it
    finally:
        it.end()


def free_port() -> int:
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        return int(link.getsockname()[1])


def get(port: int, path: str) -> dict[str, object]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return json.loads(answer.read())


def first_call(machine: Machine) -> str:
    """One governed call with the first key of welcome.json; returns the text of its answer."""
    facts = json.loads((machine.home / "welcome.json").read_text())
    request = urllib.request.Request(
        f"http://127.0.0.1:{machine.port}/v1/chat/completions",
        headers={
            "Authorization": f"Bearer {next(iter(facts['keys'].values()))}",
            "Content-Type": "application/json",
        },
        data=json.dumps(
            {"model": facts["route"], "messages": [{"role": "user", "content": "Hail."}]}
        ).encode(),
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
        return json.loads(answer.read())["choices"][0]["message"]["content"]


def manage(machine: Machine, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command on that machine, as ourselves."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=machine.checkout,
        env=machine.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextlib.contextmanager
def folder(parent: str | None = None, mode: int = 0o755) -> Iterator[Path]:
    """A folder outside pytest's own, which strangers could not enter."""
    made = Path(tempfile.mkdtemp(prefix="machine-", dir=parent))
    made.chmod(mode)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


WITHOUT_NAMESPACES = """
import ctypes, os, sys
go, told = os.pipe()
libc = ctypes.CDLL(None, use_errno=True)
ready, unshared = os.pipe()
child = os.fork()
if child == 0:
    if libc.unshare(0x10000000):
        os._exit(97)
    os.write(unshared, b"1")
    os.read(go, 1)
    with open("/proc/sys/user/max_user_namespaces", "w") as limit:
        limit.write("0")
    os.execvp(sys.argv[1], sys.argv[1:])
os.read(ready, 1)
for name in ("uid_map", "gid_map"):
    with open(f"/proc/{child}/{name}", "w") as table:
        table.write("0 0 65536")
os.write(told, b"1")
import signal
signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Runs a command as root of a machine whose kernel refuses any (further) user namespace: the limit is set to 0."""


def without_namespaces() -> Sequence[str]:
    return (sys.executable, "-c", WITHOUT_NAMESPACES)


def kernel_allows_namespaces() -> bool:
    """Asked in a child, since asking changes who asks."""
    child = os.fork()
    if child == 0:
        os._exit(1 if ctypes.CDLL(None).unshare(0x10000000) else 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def as_user(uid: int) -> tuple[int, Sequence[str]]:
    """An ordinary user, and the words that make a command run as one. Root lends one right: to read this checkout."""
    if os.geteuid() != 0:
        return os.geteuid(), ()
    user = (f"--reuid={uid}", f"--regid={uid}", "--clear-groups")
    lent = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    return uid, ("setpriv", *user, "--securebits=+no_setuid_fixup", *lent, "--")
