"""`python -m tests.versions [MAJOR]`: what PostgreSQL itself decides, once more on another version than the embedded one.

Without a number the oldest one that this machine has. Runs the tests of everything that is written in SQL.
"""

import os
import subprocess
import sys

from controlplane import env
from tests import elsewhere

FOLDERS = (
    "tests/audit",
    "tests/policies/bundles",
    "tests/policies/order",
    "tests/policies/stops",
    "tests/routing/calls",
    "tests/routing/ledger",
)


def main(arguments: list[str]) -> int:
    """Run them; the exit code is pytest's."""
    releases = elsewhere.installed()
    asked = int(arguments[0]) if arguments else min(releases)
    if asked not in releases:
        sys.stderr.write(
            f"PostgreSQL {asked} is not here; there is {', '.join(map(str, releases))}\n"
        )
        return 2
    sys.stdout.write(f"PostgreSQL {asked}: {releases[asked].binaries}\n")
    sys.stdout.flush()
    folders = [folder for folder in FOLDERS if (env.ROOT / folder).is_dir()]
    command = [sys.executable, "-m", "pytest", "-m", "not browser and not faults", *folders]
    with elsewhere.cluster(releases[asked], testing=True) as addresses:
        superuser = {"DATABASE_SUPERUSER_URL": addresses.superuser}
        environment = {**os.environ, **addresses.environment(), **superuser}
        return subprocess.run(command, cwd=env.ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
