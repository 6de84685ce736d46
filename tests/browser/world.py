"""A console of its own for tests: a database, a home, the demo's people, calls in every state, and a web server."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psycopg
from psycopg import sql

from controlplane import env

TEAMS = ("insurance/claims", "insurance/underwriting", "retail/support", "group/data-science")


@dataclass
class Console:
    """A running console. `calls` names one call of each kind; `people` by first name."""

    url: str
    environment: Mapping[str, str]
    people: Mapping[str, Mapping[str, Any]]
    tokens: Mapping[str, str]
    keys: Mapping[str, str]
    calls: Mapping[str, str] = field(default_factory=dict)
    sessions: dict[str, dict[str, str]] = field(default_factory=dict)

    def visitor(self) -> httpx2.Client:
        """Nobody: follows no redirect."""
        return httpx2.Client(base_url=self.url, timeout=30.0, follow_redirects=False)

    @contextmanager
    def signed_in(self, name: str) -> Iterator[httpx2.Client]:
        """A member with a session, made once: sign-ins are counted and slowed down."""
        with self.visitor() as client:
            if name not in self.sessions:
                self.sessions[name] = self._sign_in(client, name)
            for cookie, value in self.sessions[name].items():
                client.cookies.set(cookie, value, domain="127.0.0.1")
            yield client

    def _sign_in(self, client: httpx2.Client, name: str) -> dict[str, str]:
        person = self.people[name]
        token = hidden(client.get("/account/login/").text, "csrfmiddlewaretoken")
        form = {
            "login": person["email"],
            "password": person["password"],
            "csrfmiddlewaretoken": token,
        }
        answer = client.post("/account/login/", data=form, headers={"referer": self.url})
        assert (answer.status_code, answer.headers.get("location")) == (302, "/"), answer.text
        found = {cookie.name: str(cookie.value) for cookie in client.cookies.jar}
        client.cookies.clear()
        return found

    def bearer(self, credential: str) -> httpx2.Client:
        """A script with a token or an API key."""
        headers = {"authorization": f"Bearer {credential}"}
        return httpx2.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=30.0)

    def post(self, client: httpx2.Client, path: str, **data: str) -> httpx2.Response:
        """Send a form as the page that has it would, with the session's CSRF token."""
        token = client.cookies.get("mandate_csrf") or ""
        form = {"csrfmiddlewaretoken": token, **data}
        return client.post(path, data=form, headers={"referer": self.url})

    def manage(self, *arguments: str) -> str:
        """A `manage.py` command of this installation."""
        return run(self.environment, "manage.py", *arguments)

    def rows(self, query: str, *params: object) -> list[tuple[Any, ...]]:
        """What PostgreSQL holds, as the application role reads it."""
        with psycopg.connect(self.environment["DATABASE_URL"], autocommit=True) as db:
            return db.execute(query, params).fetchall()


def run(environment: Mapping[str, str], *arguments: str) -> str:
    """A Python command of the installation; its output. The words on standard error are shown when it fails."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=env.ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


@dataclass
class Running:
    """What must be ended."""

    console: Console
    server: "subprocess.Popen[bytes]"
    owner_url: str
    database: str

    def stop(self) -> None:
        """End the server and drop the database."""
        self.server.terminate()
        self.server.wait(20)
        with psycopg.connect(_with_name(self.owner_url, "postgres"), autocommit=True) as db:
            db.execute("SET ROLE mandate_owner")
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            db.execute(drop.format(sql.Identifier(self.database)))


def start(home: Path) -> Running:
    """Make the installation and start its server."""
    database = f"mandate_console_{secrets.token_hex(4)}"
    owner_url = env.database_owner_url()
    _create(owner_url, database)
    environment = {
        **os.environ,
        "DATABASE_URL": _with_name(env.database_url(), database),
        "DATABASE_OWNER_URL": _with_name(owner_url, database),
        "MANDATE_HOME": str(home),
        "MANDATE_LOG_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore",
    }
    run(environment, "manage.py", "migrate", "--database", "owner", "-v0")
    run(
        environment,
        "manage.py",
        "init",
        "--admin-email",
        "ada@acme.example",
        "--admin-name",
        "Ada",
        "--json",
    )
    told = json.loads(run(environment, "-m", "tests.browser.seed"))
    run(environment, "manage.py", "sequencer", "--once")
    port = _free_port()
    server = subprocess.Popen(
        [sys.executable, "manage.py", "runserver", f"127.0.0.1:{port}", "--noreload"],
        cwd=env.ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    people = {person["name"].lower(): person for person in told["people"]}
    url = f"http://127.0.0.1:{port}"
    console = Console(url, environment, people, told["tokens"], told["keys"], told["calls"])
    _wait(console)
    return Running(console, server, owner_url, database)


def _create(owner_url: str, database: str) -> None:
    with psycopg.connect(_with_name(owner_url, "postgres"), autocommit=True) as db:
        db.execute("SET ROLE mandate_owner")
        db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))


def _wait(console: Console) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            with console.visitor() as visitor:
                assert visitor.get("/account/login/").status_code == 200
        except httpx2.TransportError:
            assert time.monotonic() < until, "the console did not start within 30 s"
            time.sleep(0.2)
        else:
            return


def _with_name(dsn: str, name: str) -> str:
    return urlsplit(dsn)._replace(path=f"/{name}").geturl()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def hidden(page: str, name: str) -> str:
    """The value of a hidden field."""
    return page.split(f'name="{name}" value="', 1)[1].split('"', 1)[0]
