"""What one installation is: its home, its port, its mode, its keys, and who runs it at the moment."""

import contextlib
import fcntl
import json
import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from controlplane import env
from controlplane.places import write_private

KNOWN_LOGS = "known"
"""In a demo witness's folder: the public keys of the logs that it may cosign."""
HANDOVERS = "log_handovers"
"""Beside the log's keys, as `audit.log.signing` writes it: whom each rotated key named as the next."""
WITNESS_PORT = "witness_port"
RUNNING_FILE = "up.json"
LOCK_FILE = "up.lock"
DRAIN_SECONDS = 8


class CannotStart(RuntimeError):
    """Something about the environment stands in the way; the message says what to do."""


HISTORY, WANTED, DONE = "demo_history", "wanted", "done"
"""What `services.json` says of a demo's history: to be made, made up to a moment, or made."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The choices of one `up`, taken from the environment and the command line."""

    home: Path
    port: int
    demo: str
    """When to seed the demo: `never`, `empty` (into an empty database) or `always`."""
    own_postgres: bool
    own_valkey: bool

    @property
    def console(self) -> str:
        """Where the console answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def keys(self) -> Path:
        """Pepper, SECRET_KEY and key store."""
        return Path(env.text("MANDATE_KEYS_DIR", str(self.home / "keys")))

    @property
    def witness(self) -> Path:
        """The key, the memory and the known logs of a demo's own witness: nobody else reads or writes there."""
        return self.home / "witness"

    @property
    def witnesses(self) -> Path:
        """Where a demo's publisher reads whom it asks."""
        return self.home / "witnesses"


def from_environment(*, demo_asked: bool) -> Installation:
    """Read MANDATE_HOME, PORT, MANDATE_DEMO and the addresses of services of one's own. Raises CannotStart."""
    database, owner = env.text("DATABASE_URL"), env.text("DATABASE_OWNER_URL")
    if bool(database) != bool(owner):
        raise CannotStart(
            "set both DATABASE_URL (the application role) and DATABASE_OWNER_URL (the migrator), or neither"
        )
    own_postgres = not database
    return Installation(
        home=env.home(),
        port=env.number("PORT", 8000, least=1, most=65535),
        demo=_when_to_seed(own_postgres=own_postgres, asked=demo_asked),
        own_postgres=own_postgres,
        own_valkey=not env.text("REDIS_URL"),
    )


def _when_to_seed(*, own_postgres: bool, asked: bool) -> str:
    if asked:
        return "always"
    return "empty" if own_postgres and env.flag("MANDATE_DEMO", default=True) else "never"


def ensure_keys(folder: Path) -> None:
    """Make pepper and SECRET_KEY where missing (0600); never replace one."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, value in (
        ("secret_key", secrets.token_urlsafe(48)),
        ("pepper", secrets.token_hex(32)),
    ):
        if not (folder / name).is_file():
            write_private(folder / name, value + "\n")


def remember(home: Path, **facts: str) -> None:
    """Add to the facts in `services.json`."""
    write_private(
        home / env.SERVICES_FILE,
        json.dumps({**env.services(home), **facts}, indent=1, sort_keys=True),
    )


@contextlib.contextmanager
def claim(place: Installation) -> Iterator[None]:
    """Be the only `up` of this home for as long as we live. Raises CannotStart when another one runs."""
    place.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (place.home / LOCK_FILE).open("a", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(_already(place.home)) from None
        facts = {"pid": os.getpid(), "started": _start_ticks(os.getpid()), "port": place.port}
        write_private(place.home / RUNNING_FILE, json.dumps(facts))
        try:
            yield
        finally:
            (place.home / RUNNING_FILE).unlink(missing_ok=True)


def _already(home: Path) -> str:
    found = running(home)
    if found is None:
        return f"another process holds {home / LOCK_FILE}"
    return (
        f"Mandate already runs from {home}: process {found['pid']} on port {found['port']}. "
        "Stop it with `make down`, or choose another MANDATE_HOME and PORT"
    )


def running(home: Path) -> Mapping[str, int] | None:
    """Who runs this home: pid and port, checked to be that very process and not a later one with its number."""
    path = home / RUNNING_FILE
    if not path.is_file():
        return None
    facts: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
    same = _start_ticks(facts["pid"]) == facts["started"] != 0
    return facts if same else None


def _start_ticks(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 when there is none, or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])


def stop_running(home: Path, patience: float = 15.0) -> int | None:
    """Ask the `up` of this home to stop and wait for it; returns its pid, None when none runs. Raises CannotStart."""
    found = running(home)
    if found is None:
        return None
    os.kill(found["pid"], signal.SIGTERM)
    until = time.monotonic() + patience
    while running(home) is not None:
        if time.monotonic() > until:
            raise CannotStart(f"process {found['pid']} did not stop within {patience:.0f} s")
        time.sleep(0.1)
    return found["pid"]


def history_wanted(home: Path) -> bool:
    """Whether a demo's history is to be made, or gone on with."""
    return env.services(home).get(HISTORY, DONE) != DONE
