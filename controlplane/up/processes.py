"""The processes of one installation, and in which round each is stopped.

Round 0 drains: web and workers end running calls. Round 1: the sequencer writes what they appended, the sandbox was
needed until now. Then Valkey, and with it the witness, whom the sequencer asked about its last head; then PostgreSQL
(`controlplane/embedded.py`).
"""

import os
import sys
from dataclasses import dataclass, replace

from controlplane import embedded, env
from controlplane.supervisor import Spec
from controlplane.telemetry import SHARED_FOLDER
from controlplane.up.installation import DRAIN_SECONDS, HANDOVERS, KNOWN_LOGS, Installation

STAGE_CALLERS, STAGE_WRITERS = 0, 1
_QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")


def processes_per_kind() -> int:
    """How many web processes, and how many calls workers: half the cores each, since they share them."""
    return env.number("MANDATE_PROCESSES", max(1, (os.cpu_count() or 2) // 2), least=1, most=64)


def environment(place: Installation, *, demo: bool) -> dict[str, str]:
    """What every child finds in its environment."""
    return {
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        "MANDATE_HOME": str(place.home),
        "MANDATE_DEMO": "1" if demo else "0",
        "MANDATE_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "PORT": str(place.port),
        "PYTHONUNBUFFERED": "1",
        SHARED_FOLDER: str(place.home / "metrics"),
    }


@dataclass(frozen=True, slots=True)
class Fleet:
    """Every process of ours for one `up`: which sockets web, the sandbox and the witness inherit.

    Outside a demo there is no sandbox, and no witness, who should be another department's.
    """

    place: Installation
    listening: int
    sandbox: int | None
    witness: int | None = None

    def specs(self) -> list[Spec]:
        """In the order of their start."""
        each = range(1, processes_per_kind() + 1)
        return [
            *([] if self.sandbox is None else [self._sandbox(self.sandbox)]),
            *[self._web(number) for number in each],
            *[self._calls(number) for number in each],
            *([] if self.witness is None else [self._witness(self.witness)]),
            self._sequencer(),
            self._jobs(),
            self._beat(),
        ]

    def _sandbox(self, listening: int) -> Spec:
        spec = self._manage("sandbox", "sandbox", "--fd", str(listening))
        return replace(spec, fds=(listening,))

    def _witness(self, listening: int) -> Spec:
        """By itself: it loads no Django and reaches no database."""
        folder = self.place.witness
        # a key that is rotated while we run hands over to the next in a line that it signed
        handovers = str(self.place.keys / HANDOVERS)
        options = (
            *("--state", str(folder), "--logs", str(folder / KNOWN_LOGS)),
            *("--handovers", handovers),
        )
        spec = self._python("witness", "-m", "audit.witness", *options, "--fd", str(listening))
        return replace(spec, fds=(listening,), stage=embedded.STAGE_VALKEY)

    def _sequencer(self) -> Spec:
        spec = self._manage("sequencer", "sequencer")
        if self.witness is None:
            return spec
        asked = {"MANDATE_LOG_WITNESSES": str(self.place.witnesses), "MANDATE_LOG_QUORUM": "1"}
        return replace(spec, env={**spec.env, **asked})

    def _web(self, number: int) -> Spec:
        spec = self._python(f"web-{number}", "-m", "controlplane.web", "--fd", str(self.listening))
        return replace(spec, env={**spec.env, "MANDATE_ROLE": "web"}, fds=(self.listening,))

    def _calls(self, number: int) -> Spec:
        name = f"calls-{number}"
        return self._worker(name, "calls", "-P", "solo", "-Q", "calls")

    def history(self) -> Spec:
        """Makes the weeks behind a demo, once."""
        return replace(self._python("history", "manage.py", "history"), once=True)

    def _jobs(self) -> Spec:
        return self._worker("jobs", "jobs", "-P", "prefork", "-c", "2", "-Q", "jobs")

    def _worker(self, name: str, role: str, *arguments: str) -> Spec:
        return self._celery(name, role, "worker", "-n", f"{name}@%h", *arguments, *_QUIET)

    def _beat(self) -> Spec:
        folder = self.place.home / "beat"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        schedule = str(folder / "schedule")
        return self._celery("beat", "jobs", "beat", "--schedule", schedule, "--pidfile", "")

    def _celery(self, name: str, role: str, *arguments: str) -> Spec:
        spec = self._python(name, "-m", "celery", "-A", "controlplane.celery:app", *arguments)
        # its own checks would load every page of the console into each worker
        return replace(spec, env={**spec.env, "MANDATE_ROLE": role, "CELERY_SKIP_CHECKS": "1"})

    def _manage(self, name: str, *arguments: str) -> Spec:
        """A command that lives as long as we do; stopped once the drained workers need it no more."""
        return replace(self._python(name, "manage.py", *arguments), stage=STAGE_WRITERS)

    def _python(self, name: str, *arguments: str) -> Spec:
        """One process of this interpreter, started in the checkout."""
        return Spec(
            name=name,
            argv=(sys.executable, *arguments),
            log=self.place.home / "log" / f"{name}.log",
            stage=STAGE_CALLERS,
            env=environment(self.place, demo=self.sandbox is not None),
            cwd=env.ROOT,
        )
