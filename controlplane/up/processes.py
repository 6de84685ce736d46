"""The processes of one installation, and in which round each is stopped.

Round 0 drains: web and workers end running calls. Round 1: the sequencer writes what they appended, the sandbox was
needed until now. Then Valkey, then PostgreSQL (`controlplane/embedded.py`).
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from controlplane import env
from controlplane.supervisor import Spec
from controlplane.telemetry import SHARED_FOLDER
from controlplane.up.installation import DRAIN_SECONDS, Installation

STAGE_CALLERS, STAGE_WRITERS = 0, 1
_QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")


def processes_per_kind() -> int:
    """How many web processes, and how many calls workers: half the cores each, since they share them."""
    return env.number("MANDATE_PROCESSES", max(1, (os.cpu_count() or 2) // 2), least=1, most=64)


def environment(place: Installation) -> dict[str, str]:
    """What every child finds in its environment."""
    return {
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        "MANDATE_HOME": str(place.home),
        "MANDATE_DEMO": "1" if place.demo else "0",
        "MANDATE_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "PORT": str(place.port),
        "PYTHONUNBUFFERED": "1",
        SHARED_FOLDER: str(place.home / "metrics"),
    }


def specs(place: Installation, listening: int, facts: Mapping[str, str]) -> list[Spec]:
    """Every process of ours, in the order of their start."""
    each = range(1, processes_per_kind() + 1)
    return [
        *(
            [_manage(place, "sandbox", "sandbox", "--port", facts["sandbox_port"])]
            if place.demo
            else []
        ),
        *[_web(place, number, listening) for number in each],
        *[_calls(place, number) for number in each],
        _manage(place, "sequencer", "sequencer"),
        _jobs(place),
        _beat(place),
    ]


def _web(place: Installation, number: int, listening: int) -> Spec:
    spec = _python(place, f"web-{number}", "-m", "controlplane.web", "--fd", str(listening))
    return replace(spec, env={**spec.env, "MANDATE_ROLE": "web"}, fds=(listening,))


def _calls(place: Installation, number: int) -> Spec:
    arguments = ("worker", "-P", "solo", "-Q", "calls", "-n", f"calls-{number}@%h", *_QUIET)
    return _celery(place, f"calls-{number}", "calls", arguments)


def _jobs(place: Installation) -> Spec:
    arguments = ("worker", "-P", "prefork", "-c", "1", "-Q", "jobs", "-n", "jobs@%h", *_QUIET)
    return _celery(place, "jobs", "jobs", arguments)


def _beat(place: Installation) -> Spec:
    folder = place.home / "beat"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    arguments = ("beat", "--schedule", str(folder / "schedule"), "--pidfile", "", *_QUIET[3:])
    return _celery(place, "beat", "jobs", arguments)


def _celery(place: Installation, name: str, role: str, arguments: Sequence[str]) -> Spec:
    spec = _python(place, name, "-m", "celery", "-A", "controlplane.celery:app", *arguments)
    # its own checks would load every page of the console into each worker
    return replace(spec, env={**spec.env, "MANDATE_ROLE": role, "CELERY_SKIP_CHECKS": "1"})


def _manage(place: Installation, name: str, *arguments: str) -> Spec:
    """A command that lives as long as we do; stopped once the drained workers need it no more."""
    return replace(_python(place, name, "manage.py", *arguments), stage=STAGE_WRITERS)


def _python(place: Installation, name: str, *arguments: str) -> Spec:
    """One process of this interpreter, started in the checkout."""
    return Spec(
        name=name,
        argv=(sys.executable, *arguments),
        log=place.home / "log" / f"{name}.log",
        stage=STAGE_CALLERS,
        env=environment(place),
        cwd=env.ROOT,
    )
