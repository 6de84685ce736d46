"""An early pytest plugin: real PostgreSQL and Valkey for the session, in the environment before settings load.

Loaded with `-p tests.services` (pyproject.toml). DATABASE_URL, REDIS_URL and MANDATE_HOME given from outside are used as
they are; what is missing is started from the wheels in a temporary home and removed at the end. Never the developer's own.
"""

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from controlplane import embedded
from controlplane.supervisor import Supervisor

_SUPERVISOR = Supervisor()
_TEMPORARY: list[Path] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """The earliest hook there is: pytest-django reads the settings right after it."""
    os.environ.setdefault("MANDATE_DEMO", "1")
    if not os.environ.get("MANDATE_HOME"):
        _TEMPORARY.append(Path(tempfile.mkdtemp(prefix="mandate-tests-")))
        os.environ["MANDATE_HOME"] = str(_TEMPORARY[0])
    wanted = embedded.Wanted(
        postgres=not os.environ.get("DATABASE_URL"),
        valkey=not os.environ.get("REDIS_URL"),
        testing=True,
    )
    if not (wanted.postgres or wanted.valkey):
        return
    sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix="mandate-tests-"))
    _TEMPORARY.append(folder)
    facts = embedded.start(folder, wanted, _SUPERVISOR)
    for name in ("database_url", "database_owner_url", "database_superuser_url", "redis_url"):
        if name in facts:
            os.environ.setdefault(name.upper(), facts[name])


def pytest_unconfigure() -> None:
    """Stop what we started and leave nothing behind."""
    _SUPERVISOR.stop({}, default=5.0)
    while _TEMPORARY:
        shutil.rmtree(_TEMPORARY.pop(), ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what ended installations have left for their sockets: empty for an hour. One that starts makes its own anew."""
    before = time.time() - 3600
    for left in folder.glob(f"mandate-{os.geteuid()}-*"):
        with contextlib.suppress(OSError):  # not empty, or gone meanwhile
            if left.stat().st_mtime < before:
                left.rmdir()


def ours() -> bool:
    """Whether PostgreSQL is a throw-away of this session, so that nothing in it needs to be dropped."""
    return any(child.spec.name == "postgres" for child in _SUPERVISOR.children)
