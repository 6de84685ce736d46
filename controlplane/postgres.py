"""One embedded PostgreSQL cluster: made, configured, cleared of what a dead predecessor left, and given its roles."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from controlplane import env
from controlplane.places import Identity, give, reachable, readable_copy, write_private
from controlplane.supervisor import LAUNCH, ChildFailed

DATABASE = "mandate"
GUARD = env.ROOT / "deploy" / "guard.sql"
_ORPHAN_SECONDS = 10.0
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "max_prepared_transactions": "0",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "jit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "huge_pages": "off",
    "io_method": "sync",
    "update_process_title": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u ",
    "password_encryption": "scram-sha-256",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Binaries, data folder and socket folder, and the face PostgreSQL shows."""

    binaries: Path
    data: Path
    sockets: Path
    identity: Identity
    testing: bool = False

    def _bin(self, name: str) -> str:
        folder = self.binaries
        if self.identity is Identity.NOBODY:
            folder = readable_copy(folder, self.data)
        return str(folder / "bin" / name)

    def launch_options(self) -> tuple[str, ...]:
        """What launch.py must do before it becomes one of our programs."""
        chosen = ("--as", self.identity.value)
        closed = self.identity is Identity.NOBODY and not reachable(self.data)
        return (*chosen, "--reach") if closed else chosen

    def ensure(self, password: str) -> None:
        """Make the cluster if there is none, and let it belong to whom it runs as. Raises ChildFailed."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        give(self.data, self.identity.uid)
        give(self.sockets, self.identity.uid)
        if (self.data / "PG_VERSION").is_file() and (self.data / "mandate.made").is_file():
            return
        for leftover in self.data.iterdir():  # a first start that was cut
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        self._initdb(password)
        (self.data / "mandate.made").write_text("18\n", encoding="ascii")

    def _initdb(self, password: str) -> None:
        secret = self.sockets / "initial"
        write_private(secret, password)
        give(secret, self.identity.uid)
        argv = [
            *(self._bin("initdb"), "-D", str(self.data), "-U", "postgres", "-E", "UTF8"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            *("--auth=scram-sha-256", f"--pwfile={secret}"),
            *(["--no-sync"] if self.testing else []),
        ]
        launcher = [sys.executable, "-I", "-S", str(LAUNCH), "--parent", str(os.getpid())]
        made = subprocess.run(  # noqa: S603 - our own programs
            [*launcher, *self.launch_options(), "--", *argv],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
        )
        secret.unlink(missing_ok=True)
        if made.returncode != 0:
            raise ChildFailed(f"PostgreSQL could not be set up:\n{made.stdout}\n{made.stderr}")

    def server_argv(self) -> tuple[str, ...]:
        """The server's command line: every setting that matters said out loud."""
        settings = {**_SETTINGS, "unix_socket_directories": f'"{self.sockets}"'}
        said = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return (self._bin("postgres"), "-D", str(self.data), *said)

    def clear_leftovers(self) -> None:
        """Before a start: end an orphan that still runs on our data, and drop a pid file that names a stranger.

        A pid file outlives a crash of the machine, and the number in it may by then belong to anybody: PostgreSQL
        would refuse to start for ever. A pid that is a zombie is left alone; the start is tried again instead.
        """
        pid_file = self.data / "postmaster.pid"
        if not pid_file.is_file():
            return
        until = time.monotonic() + _ORPHAN_SECONDS
        while (ours := self._processes()) and time.monotonic() < until:
            for pid in ours:
                _signal(pid, signal.SIGINT)
            time.sleep(0.1)
        first = (
            pid_file.read_text(encoding="ascii", errors="replace").split("\n", 1)[0].strip()
            if pid_file.is_file()
            else ""
        )
        if first.isdigit() and not self._processes() and not _is_zombie(int(first)):
            pid_file.unlink(missing_ok=True)

    def _processes(self) -> list[int]:
        """Processes whose working folder is our data folder: a postmaster and its children, nobody else."""
        found = []
        data = self.data.resolve()
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                if (folder / "cwd").readlink() == data and not _is_zombie(int(folder.name)):
                    found.append(int(folder.name))
            except OSError:
                continue
        return found

    def ready(self) -> bool:
        """Whether it answers: being asked for a password is an answer."""
        try:
            psycopg.connect(
                host=str(self.sockets), user="postgres", dbname="postgres", connect_timeout=2
            ).close()
        except psycopg.OperationalError as refused:
            return "no password supplied" in str(refused) or "authentication failed" in str(refused)
        return True

    def ensure_roles(self, passwords: Mapping[str, str]) -> None:
        """The owner nobody can log in as, the migrator who may become it, the application, and the database."""
        with psycopg.connect(
            host=str(self.sockets),
            user="postgres",
            password=passwords["postgres"],
            dbname="postgres",
            autocommit=True,
        ) as link:
            _role(
                link, "mandate_owner", "NOLOGIN CREATEDB" if self.testing else "NOLOGIN NOCREATEDB"
            )
            for name in ("migrator", "mandate_app"):
                _role(link, name, "LOGIN", passwords[name])
            link.execute("GRANT mandate_owner TO migrator WITH INHERIT FALSE, SET TRUE")
            known = link.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
            ).fetchone()
            if known is None:
                link.execute(
                    sql.SQL("CREATE DATABASE {} OWNER mandate_owner").format(
                        sql.Identifier(DATABASE)
                    )
                )
            link.execute(
                sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(DATABASE))
            )
            link.execute(
                sql.SQL("GRANT CONNECT ON DATABASE {} TO migrator, mandate_app").format(
                    sql.Identifier(DATABASE)
                )
            )
        with psycopg.connect(self.superuser_dsn(passwords["postgres"]), autocommit=True) as link:
            link.execute(GUARD.read_bytes())

    def superuser_dsn(self, password: str) -> str:
        """Our database as the superuser, who alone can unseal the log."""
        return (
            f"postgresql://postgres:{password}@/{DATABASE}?host={quote(str(self.sockets), safe='')}"
        )


def _role(link: psycopg.Connection, name: str, options: str, password: str | None = None) -> None:
    known = link.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    verb = "ALTER" if known else "CREATE"
    parts = [sql.SQL(f"{verb} ROLE {{}} WITH {options}").format(sql.Identifier(name))]
    if password is not None:
        parts.append(sql.SQL("PASSWORD {}").format(sql.Literal(password)))
    link.execute(sql.SQL(" ").join(parts))


def _is_zombie(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            == "Z"
        )
    except OSError:
        return False


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        return
