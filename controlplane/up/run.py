"""`manage.py up`, from the first line to the last.

1. claim the home, take the port, make the keys
2. start PostgreSQL and Valkey, unless the environment names others
3. migrate, init, seed
4. start every process, wait until /readyz says yes
5. welcome; then bring back whatever dies
6. on a signal: stop in rounds, within ten seconds
"""

import json
import os
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from socket import socket
from types import FrameType
from typing import Any

from controlplane import embedded, env
from controlplane.ports import PortTaken, listen, who_listens
from controlplane.supervisor import POLL_SECONDS, Child, ChildFailed, Spec, Supervisor
from controlplane.up import processes, welcome
from controlplane.up.installation import (
    DRAIN_SECONDS,
    WITNESS_PORT,
    Installation,
    claim,
    ensure_keys,
    history_wanted,
    remember,
)
from controlplane.up.parent import Parent

READY_SECONDS = 120.0
PREPARE_SECONDS = 180.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_DEADLINES = {
    processes.STAGE_CALLERS: DRAIN_SECONDS - 0.1,
    processes.STAGE_WRITERS: DRAIN_SECONDS + 0.3,
    embedded.STAGE_VALKEY: DRAIN_SECONDS + 0.4,
    embedded.STAGE_POSTGRES: DRAIN_SECONDS + 1.0,
}
"""Seconds from the signal; a second is left for make and for us, so that everything is gone within ten."""


class Stopped(Exception):
    """A signal came while we were still starting."""


class Up:
    """One run of `up`: its supervisor, its clock, and whether it was told to stop."""

    def __init__(self, place: Installation, out: Callable[[str], None]) -> None:
        self.place = place
        self._out = out
        self._began = time.time()
        self._asked_at = float(env.text("MANDATE_STARTED", str(self._began)))
        self._parent = Parent()
        self._told_to_stop = False
        self._missing = "no answer"
        self._sockets = ExitStack()
        self._shown: list[Progress] = []
        self.supervisor = Supervisor(self.say)

    def say(self, line: str) -> None:
        """One line of progress, with the seconds since the start."""
        self._out(f"[{time.time() - self._asked_at:5.1f} s] {line}")

    def stopping(self) -> bool:
        """Whether a signal reached us, or `make`, whose signals may end at itself."""
        return self._told_to_stop or self._parent.gave_up()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._told_to_stop = True

    def run(self) -> int:
        """The whole story; returns the exit code. Raises CannotStart, PortTaken, ChildFailed, NoPlace."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)
        with claim(self.place), self._sockets:
            web = self._hold(listen(self.place.port))
            try:
                self._start(web)
                while not self.stopping():
                    self.supervisor.revive()
                    for shown in self._shown:
                        shown.show()
                    time.sleep(POLL_SECONDS)
            except Stopped:
                self.say("told to stop")
            finally:
                self._sockets.close()
                self._stop()
        return 0

    def _hold(self, link: socket) -> int:
        """Keep a listening socket for as long as we run: a child that inherits it may die and lose no connection."""
        self._sockets.enter_context(link)
        os.set_inheritable(link.fileno(), True)  # noqa: FBT003 - the system's signature
        return link.fileno()

    def _start(self, web: int) -> None:
        place = self.place
        ensure_keys(place.keys)
        _fresh_folder(place.home / "metrics")
        self._services()
        may_be_demo = place.demo != "never" or "demo" in env.services(place.home)
        sandbox = self._hold(self._listen("sandbox_port", "the sandbox")) if may_be_demo else None
        witness = self._witness() if may_be_demo else None
        told = self._prepare()
        demo = bool(told.pop("demo"))
        fleet = (
            processes.Fleet(place, web, sandbox, witness)
            if demo
            else processes.Fleet(place, web, None)
        )
        for spec in fleet.specs():
            self.supervisor.start(spec)
        self.say("starting " + ", ".join(child.spec.name for child in self.supervisor.children))
        self._wait(self._healthy, READY_SECONDS, "the installation")
        facts = welcome.compose(place.console, {**(welcome.read(place.home) or {}), **told})
        welcome.write(place.home, facts)
        self._out(welcome.render(facts, time.time() - self._asked_at))
        if history_wanted(place.home):
            child = self.supervisor.start(fleet.history())
            self._shown.append(Progress(child.spec.log, self.say))

    def _services(self) -> None:
        place = self.place
        wanted = embedded.Wanted(postgres=place.own_postgres, valkey=place.own_valkey)
        embedded.start(place.home, wanted, self.supervisor, self.say)
        given = {
            name.lower(): env.text(name)
            for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL")
            if env.text(name)
        }
        remember(place.home, **given, console=place.console)

    def _witness(self) -> int | None:
        """A demo shows what a witness is, unless somebody named a real one."""
        if env.text("MANDATE_LOG_WITNESSES"):
            return None
        return self._hold(self._listen(WITNESS_PORT, "the witness"))

    def _listen(self, name: str, who: str) -> socket:
        """Listen where the last `up` did, else anywhere: `prepare` then tells those who ask there."""
        kept = int(env.services(self.place.home).get(name, "0"))
        try:
            link = listen(kept)
        except PortTaken:
            link = listen(0)
            holder = who_listens(kept) or "somebody else"
            self.say(f"{who}'s port {kept} is taken by {holder}; it moves")
        remember(self.place.home, **{name: str(link.getsockname()[1])})
        return link

    def _prepare(self) -> dict[str, object]:
        """Migrate, init and seed in a process of its own; returns what seeding told, once."""
        place = self.place
        answer = place.home / "log" / "prepared.json"
        answer.unlink(missing_ok=True)
        child = Child(
            Spec(
                name="prepare",
                argv=(
                    *(sys.executable, "-m", "controlplane.up.prepare"),
                    *(str(answer), place.demo),
                ),
                log=place.home / "log" / "prepare.log",
                env=processes.environment(place, demo=place.demo != "never"),
                cwd=env.ROOT,
            )
        )
        shown = Progress(child.spec.log, self.say)
        self._wait(
            lambda: shown.show() or not child.alive(), PREPARE_SECONDS, "the database", child
        )
        if child.process.returncode != 0:
            raise child.failure()
        told: dict[str, object] = json.loads(answer.read_text(encoding="utf-8"))
        answer.unlink()
        return told

    def _wait(
        self, done: Callable[[], bool], seconds: float, what: str, child: Child | None = None
    ) -> None:
        """Wait for something, bringing back what dies meanwhile. Raises Stopped, ChildFailed."""
        until = time.monotonic() + seconds
        while not done():
            if self.stopping():
                if child is not None:
                    child.signal(signal.SIGTERM)
                raise Stopped
            if time.monotonic() > until:
                raise ChildFailed(
                    f"{what} was not ready after {seconds:.0f} s: {self._missing}; see {self.place.home / 'log'}"
                )
            self.supervisor.revive()
            time.sleep(POLL_SECONDS)

    def _healthy(self) -> bool:
        """Whether everything answers: web, workers, the sequencer's first signature."""
        try:
            with urllib.request.urlopen(f"{self.place.console}/readyz", timeout=5) as answer:  # noqa: S310 - our own address
                self._missing = _not_ok(json.load(answer))
        except urllib.error.HTTPError as unready:
            self._missing = _unready(unready)
        except (OSError, ValueError) as away:
            self._missing = f"web ({type(away).__name__})"
        return not self._missing

    def _stop(self) -> None:
        self.say("stopping: running calls end first")
        killed = self.supervisor.stop(_DEADLINES)
        if killed:
            self.say(f"killed after its time was up: {', '.join(killed)}")
        self.say("stopped")


def _fresh_folder(folder: Path) -> None:
    """Figures of processes that are gone are nobody's."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)


def _unready(answer: urllib.error.HTTPError) -> str:
    """What is missing; an answer that is no report (web cannot read its database yet) is told by its status."""
    try:
        return _not_ok(json.load(answer))
    except ValueError:
        return f"web (status {answer.code})"


def _not_ok(said: dict[str, Any]) -> str:
    return ", ".join(
        f"{check['name']} ({check['detail']})" for check in said["checks"] if not check["ok"]
    )


class Progress:
    """Shows new lines of a child's log as our own progress."""

    def __init__(self, log: Path, say: Callable[[str], None]) -> None:
        self._log = log
        self._say = say
        self._at = log.stat().st_size if log.is_file() else 0

    def show(self) -> bool:
        """Say what is new; always False, so that it can stand in a condition."""
        with self._log.open("rb") as log:
            log.seek(self._at)
            *lines, rest = log.read().split(b"\n")
        self._at += sum(len(line) + 1 for line in lines)
        for line in lines:
            if line.startswith(b"- "):
                self._say(line[2:].decode(errors="replace"))
        return bool(rest) and False
