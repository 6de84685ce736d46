"""The hands of `python -m tests.mutants`: each has a copy of the tree, and services of its own that stay up between mutants."""

import json
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
QUIETLY = (
    *("-p", "no:cacheprovider", "-p", "no:schemathesis"),
    # plugins are loaded before pytest could rewrite them
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)
_SERVICES = ("database_url", "database_owner_url", "database_superuser_url", "redis_url")
_SCHEMA = re.compile(r"^\+\+\+ .*(\.sql|/migrations/.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Hand:
    """`environment` names its services; in its PostgreSQL lies a migrated database that a run of tests may copy.

    `nest` is where its runs of pytest come from: see nest.py.
    """

    tree: Path
    environment: dict[str, str]
    nest: "subprocess.Popen[str]"

    def run_tests(self, tests: Sequence[str], changed: str = "") -> tuple[int, str]:
        """pytest's exit code and output, in a process of its own that finds only the copy.

        Its database is new: a copy of the migrated one, or migrated from nothing where the patch `changed` is about that.
        """
        Redis.from_url(self.environment["REDIS_URL"]).flushall()
        template = {} if _SCHEMA.search(changed) else {"MANDATE_TEST_TEMPLATE": "mandate"}
        output = self.tree.parent / "output"
        asked = {
            "arguments": [*QUIETLY, "-x", *tests],
            "environment": template,
            "output": str(output),
        }
        assert self.nest.stdin is not None
        assert self.nest.stdout is not None
        self.nest.stdin.write(f"{json.dumps(asked)}\n")
        self.nest.stdin.flush()
        code = int(self.nest.stdout.readline())
        return code, output.read_text(encoding="utf-8", errors="replace")

    def rest(self) -> None:
        """End the nest."""
        with self.nest:
            pass


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
    nest = subprocess.Popen(
        [sys.executable, "-m", "tests.mutants.nest"],
        cwd=tree,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return Hand(tree, environment, nest)


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
