"""`bench replay`: how long a draft takes to be replayed over what was decided, and how much memory that holds.

An installation of its own; a process beside it fills the tables and works at the replay as the jobs worker does.
What is real: the tables, the canonical bytes of facts (each call its own), the attempts with what they used, the bundle
and the draft published and compiled as always, the job with its child processes. What is not: the calls were never made,
so effect and digest of each record are those of one of a few hundred calls of the same shape, decided once.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from routing.bench.calls import Mismatch
from routing.bench.site import ROOT, environment, free_port, process, ready

SECONDS = 400


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many recorded decisions."""

    decisions: int = 100_000


def run(sizes: Sizes, say: Callable[[str], object]) -> dict[str, object]:
    """The figures. Raises Mismatch where not every record was decided, or one was lost."""
    with TemporaryDirectory(prefix="mandate-bench-") as folder, ExitStack() as stack:
        home, port = Path(folder) / "home", free_port()
        stack.enter_context(process(["manage.py", "up"], home, port))
        ready(home, port)
        services: dict[str, str] = json.loads((home / "services.json").read_text())
        say(f"filling the tables with {sizes.decisions:,} decisions")
        told = {**environment(home, port), **services}
        _again(sizes.decisions, told)
        found: dict[str, object] = json.loads(_again(0, told).splitlines()[-1])
    if found["decisions"] != sizes.decisions:
        raise Mismatch(f"{found['decisions']} of {sizes.decisions} decisions were replayed")
    missing = [kind for kind in ("denied", "rerouted", "held", "unchanged") if not found[kind]]
    if missing:
        raise Mismatch(f"no call came out {' or '.join(missing)}: the draft is no example")
    return found


def _again(count: int, told: dict[str, str]) -> str:
    """Run the program beside the installation. Raises Mismatch where it fails."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "routing.bench.again", str(count)],
        cwd=ROOT,
        env=told,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise Mismatch(f"the replay did not end well: {done.stderr.strip()[-400:]}")
    return done.stdout
