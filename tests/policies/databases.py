"""A migrated database in which nothing was published, and the command line over it."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from controlplane.env import ROOT


@dataclass(frozen=True, slots=True)
class Installation:
    """Its DSN as the application, its home, and the environment of its processes."""

    dsn: str
    home: Path
    environment: Mapping[str, str]

    def shell(self, *words: str) -> str:
        """What `manage.py …` printed; raises CalledProcessError."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout


@contextmanager
def installation(
    owner_dsn: str, app_dsn: str, environment: Mapping[str, str], home: Path
) -> Iterator[Installation]:
    """Made and migrated, and dropped at the end."""
    name = f"mandate_{secrets.token_hex(4)}"
    with psycopg.connect(owner_dsn, autocommit=True) as owner:
        owner.execute("SET ROLE mandate_owner")
        owner.execute(f"CREATE DATABASE {name}")
        dsn = _at(app_dsn, name)
        found = {
            **os.environ,
            **environment,
            "DATABASE_URL": dsn,
            "DATABASE_OWNER_URL": _at(owner_dsn, name),
            "MANDATE_HOME": str(home),
            "MANDATE_DEMO": "1",
            "LOGNAME": "tess",
        }
        made = Installation(dsn, home, found)
        made.shell("migrate", "--database", "owner", "--skip-checks")
        yield made
        owner.execute(f"DROP DATABASE {name}")


def _at(dsn: str, name: str) -> str:
    return urlsplit(dsn)._replace(path=f"/{name}").geturl()
