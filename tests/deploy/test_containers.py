"""The image and the compose file: no engine runs here, so what can be known without one is checked, and the health is run."""

import importlib.util
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from controlplane import env, health
from controlplane.up.installation import Installation
from controlplane.up.processes import Fleet

COMPOSE = yaml.safe_load((env.ROOT / "deploy" / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"] == "mandate"}
LIVING = {name: one for name, one in OURS.items() if name != "prepare"}
DOCKERFILE = (env.ROOT / "deploy" / "Dockerfile").read_text()
BIN = Path(sys.executable).parent


def test_every_process_of_an_installation_has_its_container(tmp_path: Path) -> None:
    place = Installation(home=tmp_path, port=1, demo="never", own_postgres=True, own_valkey=True)
    kinds = {spec.name.partition("-")[0] for spec in Fleet(place, 3, None).specs()}
    assert set(LIVING) == kinds == {"web", "calls", "jobs", "beat", "sequencer"}
    assert set(SERVICES) == kinds | {"postgres", "valkey", "prepare"}


@pytest.mark.parametrize("name", OURS)
def test_ours_run_as_an_ordinary_user_on_a_read_only_root(name: str) -> None:
    one = OURS[name]
    assert one["read_only"] is True
    assert one["user"] == "10001:10001"
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert one["volumes"] == ["state:/var/lib/mandate"]
    assert "state" in COMPOSE["volumes"]


@pytest.mark.parametrize("name", OURS)
def test_each_command_exists(name: str) -> None:
    command = OURS[name]["command"]
    chained = command[0] == "sh"
    parts = [part.split() for part in command[2].split(" && ")] if chained else [command]
    for program, *arguments in parts:
        assert (BIN / program).exists(), program
        if arguments[0] == "manage.py":
            assert (env.ROOT / "manage.py").is_file()
            assert arguments[1] in get_commands()
        elif program == "python":
            assert arguments[0] == "-m"
            assert importlib.util.find_spec(arguments[1]) is not None
        else:
            assert arguments[:2] == ["-A", "controlplane.celery:app"]


@pytest.mark.parametrize("name", LIVING)
def test_each_has_its_role_a_health_and_time_to_drain(name: str) -> None:
    one = LIVING[name]
    roles = {"web": "web", "calls": "calls", "jobs": "jobs", "beat": "jobs", "sequencer": None}
    assert one["environment"].get("MANDATE_ROLE") == roles[name]
    assert "DATABASE_OWNER_URL" not in one["environment"]  # the migrator is 'prepare's alone
    drain = int(one["environment"]["MANDATE_DRAIN_SECONDS"])
    assert int(one["stop_grace_period"].removesuffix("s")) > drain
    assert one["restart"] == "unless-stopped"
    test = one["healthcheck"]["test"]
    assert test[:3] == ["CMD", "python", "deploy/healthy.py"]
    known = set(re.findall(r'Check\(\s*"([a-z_]+)"', Path(health.__file__).read_text()))
    assert test[4:]
    assert set(test[4:]) <= known
    assert one["depends_on"] == {"prepare": {"condition": "service_completed_successfully"}}


def test_only_web_is_reached_from_outside_and_only_on_loopback() -> None:
    assert {name: one["ports"] for name, one in SERVICES.items() if "ports" in one} == {
        "web": ["127.0.0.1:8000:8000"]
    }


def test_no_password_has_a_default() -> None:
    text = (env.ROOT / "deploy" / "compose.yaml").read_text()
    named = re.findall(r"\$\{(\w+PASSWORD)(:?\??[^}]*)\}", text)
    assert {name for name, _ in named} == {
        "POSTGRES_PASSWORD",
        "MIGRATOR_PASSWORD",
        "APP_PASSWORD",
        "VALKEY_PASSWORD",
    }
    assert {rest for _, rest in named} == {":?"}


def test_the_image_holds_what_it_copies_and_runs_as_nobody_special() -> None:
    lines = [line for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
    for line in lines:
        if line.startswith("COPY "):
            assert (env.ROOT / line.split()[1]).exists(), line
    assert "USER 10001:10001" in lines
    assert "VOLUME /var/lib/mandate" in lines
    assert "MANDATE_HOME=/var/lib/mandate" in DOCKERFILE
    assert "--require-hashes -r requirements/base.txt" in DOCKERFILE
    assert lines.index("USER 10001:10001") < next(
        number for number, line in enumerate(lines) if line.startswith("CMD ")
    )
    ignored = (env.ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    copied = {line.split()[1] for line in lines if line.startswith("COPY ")}
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
    apps = {path.parent.name for path in env.ROOT.glob("*/apps.py")}
    assert apps <= copied


@contextmanager
def a_web_that_says(status: int, body: object) -> Iterator[str]:
    hosts = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hosts.append(self.headers["host"])
            data = json.dumps(body).encode()
            self.send_response(status if self.path == "/readyz" else 404)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
        assert set(hosts) <= {"localhost"}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def healthy(*arguments: str) -> tuple[int, str]:
    told = subprocess.run(
        [sys.executable, "-I", "-S", str(env.ROOT / "deploy" / "healthy.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return told.returncode, told.stderr


def test_the_health_of_a_container_is_that_of_its_own_checks() -> None:
    checks = [{"name": "log", "ok": True}, {"name": "sweep", "ok": False}]
    for status in (200, 503):
        with a_web_that_says(status, {"ready": status == 200, "checks": checks}) as url:
            assert healthy(url, "log") == (0, "")
            assert healthy(url, "log", "sweep") == (1, "not fine: sweep\n")
            assert healthy(url, "unheard_of") == (1, "not fine: unheard_of\n")
    assert healthy("http://127.0.0.1:9", "log")[0] == 1
