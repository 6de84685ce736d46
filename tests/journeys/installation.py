"""One installation for journeys: `up` in a home of its own, every process real, and an upstream that counts and checks."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import anthropic
import openai
import psycopg
from psycopg.rows import dict_row

from controlplane import env
from tests.controlplane.machines import Machine, Running, free_port
from tests.journeys import world

MAKE_KEYS = """
import json, sys
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.identity.commands import NewKey, create_key
me = Principal("cli", "journeys", "journeys", {ORGANISATION: frozenset({"admin"})})
made = {}
for name in sys.argv[1].split(","):
    tenant, team = name.split("/")
    made[name] = create_key(me, NewKey(tenant=tenant, team=team, name="journey")).shown
print("KEYS", json.dumps(made))
"""


@dataclass
class Upstream:
    """The sandbox as an upstream in its own process: it looks up `attempt.started` over its own connection on arrival."""

    port: int
    process: "subprocess.Popen[bytes]"

    def _call(self, method: str, path: str) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def arrivals(self, call: UUID | None = None) -> list[dict[str, Any]]:
        """What came in, oldest first; of one call when it is named."""
        found: list[dict[str, Any]] = self._call("GET", "/_sandbox/arrivals")["arrivals"]
        return [a for a in found if call is None or a["attempt"].startswith(call.hex)]

    def violations(self) -> list[dict[str, Any]]:
        """Arrivals whose `attempt.started` was not committed."""
        return [a for a in self.arrivals() if a.get("committed") is False]


@dataclass
class Installation:
    """A running `up`, with what tests need to drive it and to look behind it."""

    running: Running
    upstream: Upstream
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.running.machine.home

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.running.machine.port}"

    def facts(self) -> dict[str, Any]:
        return json.loads((self.home / "welcome.json").read_text())

    def services(self) -> dict[str, str]:
        return json.loads((self.home / "services.json").read_text())

    def manage(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """A `manage.py` command of this installation, as an operator runs it."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=env.ROOT,
            env=self.running.machine.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def apply(self, folder: Path) -> None:
        """Publish a folder of documents."""
        self.manage("policy", "apply", str(folder))

    def make_keys(self, *names: str) -> None:
        """API keys for `tenant/team`s, in one process."""
        done = self.manage(
            "shell",
            "-v",
            "0",
            "-c",
            f"import sys; sys.argv = ['', '{','.join(names)}']\n{MAKE_KEYS}",
        )
        line = next(line for line in done.stdout.splitlines() if line.startswith("KEYS "))
        self.keys |= json.loads(line.removeprefix("KEYS "))

    def openai(self, key: str, **options: Any) -> openai.OpenAI:
        """The real client, changing only the base URL and the key."""
        given = {"max_retries": 0, "timeout": 60.0, **options}
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.keys[key], **given)

    def anthropic(self, key: str, **options: Any) -> anthropic.Anthropic:
        """The same for Anthropic's."""
        given = {"max_retries": 0, "timeout": 60.0, **options}
        return anthropic.Anthropic(base_url=self.url, api_key=self.keys[key], **given)

    def rows(self, query: str, *params: object, owner: bool = False) -> list[dict[str, Any]]:
        """What PostgreSQL holds, read as the application role."""
        dsn = self.services()["database_owner_url" if owner else "database_url"]
        with psycopg.connect(dsn, row_factory=dict_row, autocommit=True) as db:
            return db.execute(query, params).fetchall()

    def call(self, call: UUID) -> dict[str, Any]:
        (row,) = self.rows("SELECT * FROM routing_call WHERE id = %s", call)
        return row

    def attempts(self, call: UUID) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM routing_attempt WHERE call = %s ORDER BY no", call)

    def entries(self, call: UUID) -> list[str]:
        """The kinds of a call's entries in the order of the log."""
        found = self.rows("SELECT kind FROM audit_entry WHERE call = %s ORDER BY xid, id", call)
        return [row["kind"] for row in found]

    def window(self, budget: str, tenant: str) -> dict[str, Any]:
        found = self.rows(
            "SELECT * FROM routing_ledger_window WHERE budget = %s AND tenant = %s ORDER BY starts DESC",
            budget,
            tenant,
        )
        return found[0]

    def wait_ended(self, call: UUID, seconds: float = 30.0) -> dict[str, Any]:
        """The call's row once it has ended."""
        until = time.monotonic() + seconds
        while (row := self.call(call))["finished_at"] is None:
            assert time.monotonic() < until, f"{row['state']} after {seconds} s"
            time.sleep(0.1)
        return row


def call_of(headers: Mapping[str, str]) -> UUID:
    """The call that an answer's headers name."""
    return UUID(hex=headers["x-mandate-call-id"].removeprefix("call_"))


def start(home: Path, folder: Path) -> Installation:
    """`up` with the demo, an upstream that checks, and the journeys' tenants beside the demo's."""
    secrets = home / "secrets"
    secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    port = free_port()
    for name, text in {
        "journey": "sk-journey-canary",
        "journey.hosts": f"127.0.0.1:{port}",
    }.items():
        (secrets / name).write_text(text)
        (secrets / name).chmod(0o600)
    machine = Machine(home=home, port=free_port())
    running = machine.start()
    try:
        running.wait_for("Ready after", 150)
        it = Installation(running, _upstream(machine, port))
    except BaseException:
        running.end()
        raise
    try:
        world.write(folder, port)
        it.apply(folder)
        it.make_keys(*world.TEAMS)
        it.keys |= it.facts()["keys"]
    except BaseException:
        stop(it)
        raise
    return it


def _upstream(machine: Machine, port: int) -> Upstream:
    dsn = json.loads((machine.home / "services.json").read_text())["database_url"]
    process = subprocess.Popen(
        [sys.executable, "manage.py", "sandbox", "--port", str(port), "--check-dsn", dsn],
        cwd=env.ROOT,
        env=machine.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return Upstream(port, process)
        except OSError:
            time.sleep(0.1)
    process.kill()
    raise AssertionError("the upstream did not start")


def stop(it: Installation) -> None:
    """End everything this installation started."""
    it.upstream.process.terminate()
    it.upstream.process.wait(10)
    it.running.end()


def environment_without_services() -> dict[str, str]:
    """This process's environment without the services of the test session."""
    given: Sequence[str] = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL")
    return {name: value for name, value in os.environ.items() if name not in given}
