"""`python -m tests.mutants.nest`: runs of pytest, each in a child that finds what others wrote loaded, and nothing of ours.

One line of JSON on standard input for each run, its exit code on standard output when it has ended.
"""

import importlib
import json
import os
import signal
import sys
from collections.abc import Mapping

import pytest

SECONDS = 300
TOO_LATE = 124
THEIRS = (
    "django.core.management",
    "django.db.backends.postgresql.base",
    "django.test",
    "httpx2",
    "hypothesis",
    "msgspec",
    "psycopg_pool",
    "pydantic",
    "redis.asyncio",
    "structlog",
    "yaml",
)
"""What takes long to load, and nearly every run wants."""
OURS = {"audit", "controlplane", "policies", "routing"}


def run(asked: Mapping[str, object]) -> int:
    """Exit code of one run in a child of its own group, which ends with its time."""
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        os._exit(tests(**asked))  # type: ignore[arg-type] # as `Hand.run_tests` writes it
    if signal.sigtimedwait({signal.SIGCHLD}, SECONDS) is None:
        os.killpg(child, signal.SIGKILL)
        signal.sigwait({signal.SIGCHLD})
        os.waitpid(child, 0)
        return TOO_LATE
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def tests(arguments: list[str], environment: dict[str, str], output: str) -> int:
    """In the child: pytest, with what it says in a file."""
    os.setsid()
    said = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(said, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    os.environ.update(environment)
    # INVARIANT: what a patch may touch is loaded after the fork
    assert OURS.isdisjoint(name.partition(".")[0] for name in sys.modules)
    code = pytest.main(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    return int(code)


def main() -> None:
    """One run for each line, until there is no more."""
    for name in THEIRS:
        importlib.import_module(name)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    for line in sys.stdin:
        print(run(json.loads(line)), flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
