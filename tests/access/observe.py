"""Make an installation of its own, walk the table in it, and read the report."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from controlplane import env
from tests.policies.databases import installation

SECONDS = 900


def observed(home: Path) -> dict[str, Any]:
    """What every asker got at every row."""
    return _run(home, "tests.access.walk")


def fuzzed(home: Path) -> dict[str, Any]:
    """What broke when schemathesis called every operation."""
    return _run(home, "tests.access.fuzz")


def _run(home: Path, module: str) -> dict[str, Any]:
    dsns = env.database_owner_url(), env.database_url()
    quiet = {"MANDATE_LOG_LEVEL": "CRITICAL", "PYTHONWARNINGS": "ignore"}
    with installation(*dsns, quiet, home) as made:
        made.shell("init", "--json")
        done = subprocess.run(
            [sys.executable, "-m", module],
            cwd=env.ROOT,
            env=made.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
    return found
