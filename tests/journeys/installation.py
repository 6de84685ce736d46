"""One installation for journeys: `up` in a home of its own, every process real, and an upstream that counts and checks."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import anthropic
import openai
import psycopg
from psycopg.rows import dict_row

from controlplane import env
from tests.controlplane.machines import Machine, Running, free_port
from tests.journeys import world

OPERATE = """
import io, json, sys
from django.core.management import CommandError, call_command
from django.db import close_old_connections
for line in sys.stdin:
    out, err, ok = io.StringIO(), io.StringIO(), True
    try:
        call_command(*json.loads(line), stdout=out, stderr=err)
    except CommandError as error:
        ok = False
        err.write(str(error))
    close_old_connections()
    print(json.dumps([ok, out.getvalue(), err.getvalue()]), flush=True)
"""


class Operator:
    """One `manage.py` process that runs command after command, since each start of Python costs seconds on a busy machine."""

    def __init__(self, machine: Machine) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "shell", "-v", "0", "-c", OPERATE],
            cwd=env.ROOT,
            env=machine.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[bool, str, str]:
        """A command as an operator types it: whether it exited with 0, its output, its errors."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        ok, out, err = json.loads(self._process.stdout.readline())
        return ok, out, err

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@dataclass
class Upstream:
    """The sandbox as an upstream in its own process: it looks up `attempt.started` over its own connection on arrival."""

    port: int
    process: "subprocess.Popen[bytes]"

    def _call(self, method: str, path: str) -> Any:
        return exchange(self.port, method, path).json()

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
    operator: Operator
    trap: socket.socket
    keys: dict[str, str] = field(default_factory=dict)
    _clients: dict[tuple[object, ...], Any] = field(default_factory=dict)
    _databases: dict[str, "psycopg.Connection[dict[str, Any]]"] = field(default_factory=dict)

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

    def operate(self, *arguments: str) -> str:
        """A command in the operator's process, which must succeed; its output."""
        ok, out, err = self.operator.run(*arguments)
        assert ok, out + err
        return out

    def apply(self, folder: Path) -> None:
        """Publish a folder of documents."""
        self.operate("policy", "apply", str(folder))

    def make_keys(self, *names: str) -> None:
        """API keys for `tenant/team`s; `tenant/team#2` is another one of the same team."""
        for name in names:
            made = self.operate("keys", "create", name.partition("#")[0], "--json")
            self.keys[name] = json.loads(made)["key"]

    def key_id(self, name: str) -> str:
        return self.keys[name].split("_")[1]

    def openai(self, key: str, **options: Any) -> openai.OpenAI:
        """The real client, changing only the base URL and the key."""
        given = {"max_retries": 0, "timeout": 60.0, **options}
        return self._client(openai.OpenAI, f"{self.url}/v1", key, given)

    def anthropic(self, key: str, **options: Any) -> anthropic.Anthropic:
        """The same for Anthropic's."""
        given = {"max_retries": 0, "timeout": 60.0, **options}
        return self._client(anthropic.Anthropic, self.url, key, given)

    def _client(self, made: Any, url: str, key: str, options: dict[str, Any]) -> Any:
        known = (made, key, repr(options))
        if known not in self._clients:
            self._clients[known] = made(base_url=url, api_key=self.keys[key], **options)
        return self._clients[known]

    def send(self, path: str, body: bytes, headers: Mapping[str, str]) -> "Answered":
        """A POST past the SDKs: these bytes, these headers."""
        given = {"content-type": "application/json", **headers}
        return exchange(self.running.machine.port, "POST", path, body, given)

    def seen_by(self, key: str, call: UUID) -> "Answered":
        """`GET /api/v1/calls/{id}/` with an API key."""
        shown = {"authorization": f"Bearer {self.keys[key]}"}
        path = f"/api/v1/calls/call_{call.hex}/"
        return exchange(self.running.machine.port, "GET", path, b"", shown)

    def decided_again(self, call: UUID) -> Any:
        """`POST /api/v1/calls/{id}/replay/` by a person who may read everything."""
        shown = {"authorization": f"Bearer {self.facts()['tokens']['auditor']}"}
        path = f"/api/v1/calls/call_{call.hex}/replay/"
        return exchange(self.running.machine.port, "POST", path, b"", shown).json()

    def listed(self, **filters: str) -> list[str]:
        """The calls that `GET /api/v1/calls/` names for a person who may read everything."""
        shown = {"authorization": f"Bearer {self.facts()['tokens']['auditor']}"}
        path = f"/api/v1/calls/?{urlencode(filters)}"
        found = exchange(self.running.machine.port, "GET", path, b"", shown).json()
        return [item["id"] for item in found["items"]]

    def decisions(self, call: UUID) -> list[tuple[int, str, int, str]]:
        """Number, stage, revision and effect of the call's decision records."""
        found = self.rows(
            "SELECT no, stage, revision, effect FROM policies_decision WHERE call = %s ORDER BY no",
            call,
        )
        return [(row["no"], row["stage"], row["revision"], row["effect"]) for row in found]

    def rows(self, query: str, *params: object, owner: bool = False) -> list[dict[str, Any]]:
        """What PostgreSQL holds, read as the application role."""
        dsn = self.services()["database_owner_url" if owner else "database_url"]
        db = self._databases.get(dsn)
        if db is None or db.closed:
            db = psycopg.connect(dsn, row_factory=dict_row, autocommit=True)
            self._databases[dsn] = db
        try:
            return db.execute(query, params).fetchall()
        except psycopg.OperationalError:
            db.close()
            return self.rows(query, *params, owner=owner)

    def call(self, call: UUID) -> dict[str, Any]:
        (row,) = self.rows("SELECT * FROM routing_call WHERE id = %s", call)
        return row

    def attempts(self, call: UUID) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM routing_attempt WHERE call = %s ORDER BY no", call)

    def entries(self, call: UUID) -> list[str]:
        """The kinds of a call's entries in the order of the log."""
        found = self.rows("SELECT kind FROM audit_entry WHERE call = %s ORDER BY xid, id", call)
        return [row["kind"] for row in found]

    def told(self, call: UUID) -> list[dict[str, Any]]:
        """The bodies of a call's entries in the order of the log."""
        found = self.rows("SELECT body FROM audit_entry WHERE call = %s ORDER BY xid, id", call)
        return [json.loads(bytes(row["body"])) for row in found]

    def facts_of(self, call: UUID) -> dict[str, Any]:
        """The facts of a call's last decision."""
        found = self.rows(
            "SELECT facts FROM policies_decision WHERE call = %s ORDER BY no DESC LIMIT 1", call
        )
        facts: dict[str, Any] = json.loads(bytes(found[0]["facts"]))
        return facts

    def tables_with(self, words: str) -> list[str]:
        """The tables in which these words stand, as text or as bytes."""
        self.rows("SELECT set_config('role', 'mandate_owner', false)", owner=True)
        tables = self.rows(
            "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'"
        )
        both = (f"%{words}%", f"%{words.encode().hex()}%")
        return [
            table["name"]
            for table in tables
            if self.rows(
                f"SELECT 1 AS found FROM {table['name']} t WHERE t::text LIKE %s OR t::text LIKE %s LIMIT 1",
                *both,
                owner=True,
            )
        ]

    @staticmethod
    def raw(arrival: Mapping[str, Any]) -> bytes:
        """The body that arrived upstream."""
        return base64.b64decode(arrival["body"])

    @staticmethod
    def sent(arrival: Mapping[str, Any]) -> dict[str, Any]:
        """The same as values."""
        body: dict[str, Any] = json.loads(Installation.raw(arrival))
        return body

    def ended_upstream(self, call: UUID) -> list[str]:
        """How the call's requests ended upstream, once none is open any more."""
        until = time.monotonic() + 30
        while "open" in (ended := [a["ended"] for a in self.upstream.arrivals(call)]):
            assert time.monotonic() < until, ended
            time.sleep(0.1)
        return ended

    @contextmanager
    def no_worker(self) -> Iterator[None]:
        """While the calls worker stands still: what is admitted now starts afterwards. For less than its lease."""
        pid = self.running.pid_of("-n calls-1@")
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def admitted(self, tenant: str, known: int) -> UUID:
        """The call of the tenant that is admitted next, `known` being how many there were."""
        until = time.monotonic() + 20
        while len(found := self.calls_of(tenant)) == known:
            assert time.monotonic() < until
            time.sleep(0.02)
        call: UUID = found[known]["id"]
        return call

    def calls_of(self, tenant: str) -> list[dict[str, Any]]:
        """The calls of a tenant, oldest first."""
        return self.rows("SELECT * FROM routing_call WHERE tenant = %s ORDER BY id", tenant)

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


@dataclass(frozen=True, slots=True)
class Answered:
    """An HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def exchange(
    port: int,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Answered:
    """One request over a connection of its own."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
    try:
        link.request(method, path, body, dict(headers or {}))
        answer = link.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answered(answer.status, found, answer.read())
    finally:
        link.close()


def call_of(headers: Mapping[str, str]) -> UUID:
    """The call that an answer's headers name."""
    return UUID(hex=headers["x-mandate-call-id"].removeprefix("call_"))


def start(home: Path, folder: Path, extra: Mapping[str, str] | None = None) -> Installation:
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
    machine = Machine(home=home, port=free_port(), extra=extra or {})
    running = machine.start()
    try:
        running.wait_for("Ready after", 150)
        operator = Operator(machine)
        trap = socket.create_server(("127.0.0.1", 0))
        it = Installation(running, _upstream(machine, port), operator, trap)
    except BaseException:
        running.end()
        raise
    try:
        world.write(folder, port, trap.getsockname()[1])
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
    for client in it._clients.values():
        client.close()
    for database in it._databases.values():
        database.close()
    it.trap.close()
    it.operator.close()
    it.upstream.process.terminate()
    it.upstream.process.wait(30)
    it.running.end()


def environment_without_services() -> dict[str, str]:
    """This process's environment without the services of the test session."""
    given: Sequence[str] = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL")
    return {name: value for name, value in os.environ.items() if name not in given}
