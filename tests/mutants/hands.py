"""The hands of `python -m tests.mutants`: each has a copy of the tree, and services of its own that stay up between mutants."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from controlplane import embedded
from controlplane.supervisor import Supervisor

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300
_SERVICES = ("database_url", "database_owner_url", "database_superuser_url", "redis_url")
_SCHEMA = re.compile(r"^\+\+\+ .*(\.sql|/migrations/.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Hand:
    """`environment` names its services; in its PostgreSQL lies a migrated database that a run of tests may copy."""

    tree: Path
    environment: dict[str, str]

    def run_tests(self, tests: Sequence[str], changed: str = "") -> tuple[int, str]:
        """pytest's exit code and output, in a process of its own that finds only the copy.

        Its database is new: a copy of the migrated one, or migrated from nothing where the patch `changed` is about that.
        """
        Redis.from_url(self.environment["REDIS_URL"]).flushall()
        template = {} if _SCHEMA.search(changed) else {"MANDATE_TEST_TEMPLATE": "mandate"}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
        try:
            done = subprocess.run(
                [*command, "-p", "no:schemathesis", "-x", *tests],
                cwd=self.tree,
                env=self.environment | template,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            return 124, f"no end after {SECONDS} s\n{late.stdout!r}"
        return done.returncode, done.stdout + done.stderr


def hands_in(folders: Sequence[Path], supervisor: Supervisor) -> list[Hand]:
    """One in each folder, with what it needs. Raises CalledProcessError, ChildFailed."""
    wanted = embedded.Wanted(testing=True)
    facts = [embedded.start(folder / "services", wanted, supervisor) for folder in folders]
    with ThreadPoolExecutor(len(folders)) as threads:
        return list(threads.map(_hand, folders, facts))


def _hand(folder: Path, facts: Mapping[str, str]) -> Hand:
    tree = folder / "main"
    _copy_tree(tree)
    _compile(tree)
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        **{name.upper(): facts[name] for name in _SERVICES},
        "MANDATE_DEMO": "1",
        "PYTHONPATH": str(tree),
    }
    home = {"MANDATE_HOME": str(folder / "home")}
    migrate = [sys.executable, "manage.py", "migrate", "--database", "owner", "--verbosity", "0"]
    subprocess.run(migrate, cwd=tree, env=environment | home, check=True)
    return Hand(tree, environment)


def _compile(tree: Path) -> None:
    """So that a start need not; by the hash of each source, since a patch may leave its size and come within the second."""
    how = ("-q", "--invalidation-mode", "checked-hash")
    subprocess.run([sys.executable, "-m", "compileall", *how, str(tree)], check=True)


def _copy_tree(to: Path) -> None:
    """What git tracks or would, as it lies in the work tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source = ROOT / name
        if source.is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, to / name)
    shared = ROOT.parent / "shared"
    if shared.is_dir():
        (to.parent / "shared").symlink_to(shared)
