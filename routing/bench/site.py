"""The benchmark's own installation: `up` in a temporary home, an upstream and a bare proxy in their own processes."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from routing.bench.usage import Usage, of_tree

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 120.0
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_NOT_OURS = {
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "REDIS_URL",
    "MANDATE_HOME",
    "PORT",
    "MANDATE_DEMO",
}

DOCUMENTS = """\
apiVersion: mandate/v1
kind: Provider
metadata: {{name: bench}}
spec: {{type: openai, baseUrl: "http://127.0.0.1:{port}/v1", credential: "secret:bench", maxConcurrency: 2000}}
---
apiVersion: mandate/v1
kind: Model
metadata: {{name: bench-model}}
spec:
  provider: bench
  upstreamName: bench-model
  tier: small
  capabilities: [chat, tools, json_schema]
  contextWindow: 400000
  maxOutputTokens: 32000
  regions: [eu]
  clearance: [public, internal, personal]
  prices: [{{from: 2026-01-01, currency: EUR, inputPerMillion: "0.25", outputPerMillion: "2.00"}}]
---
apiVersion: mandate/v1
kind: Tenant
metadata: {{name: bench}}
spec: {{displayName: Bench, region: eu, costCentre: "1", timeZone: Europe/Berlin, teams: [load]}}
---
apiVersion: mandate/v1
kind: UseCase
metadata: {{name: bench, tenant: bench}}
spec: {{owner: ada@acme.example, purpose: "Measure", riskClass: minimal, dataClasses: [internal], reviewOn: 2030-03-01,
       validation: {{by: rui@acme.example, on: 2026-10-01, evidence: "none needed", validUntil: 2030-10-01}}}}
---
apiVersion: mandate/v1
kind: Permission
metadata: {{name: load-may-call, tenant: bench}}
spec: {{effect: permit, on: call, when: 'team.name in ["load"]', obligations: {{maxOutputTokens: 4000}}}}
---
apiVersion: mandate/v1
kind: Route
metadata: {{name: bench, tenant: bench}}
spec: {{useCase: bench, task: chat, strategy: {{type: single, model: bench-model}}}}
---
apiVersion: mandate/v1
kind: Budget
metadata: {{name: bench-key, tenant: bench}}
spec: {{scope: {{team: load}}, each: [key], owner: finn@acme.example, period: day, limit: "1000000.00"}}
---
apiVersion: mandate/v1
kind: Budget
metadata: {{name: bench-team, tenant: bench}}
spec: {{scope: {{team: load}}, owner: finn@acme.example, period: month, limit: "1000000.00"}}
---
apiVersion: mandate/v1
kind: Budget
metadata: {{name: bench-tenant}}
spec: {{scope: {{tenant: bench}}, owner: finn@acme.example, period: month, limit: "1000000.00"}}
"""


@dataclass(frozen=True, slots=True)
class Site:
    """Where everything listens, and what identifies our processes."""

    home: Path
    up: int
    port: int
    upstream_port: int
    proxy_port: int
    proxy: int
    key: str

    def usage(self) -> Usage:
        """CPU and memory of the installation now."""
        return of_tree(self.up)

    def proxy_cpu_s(self) -> float:
        """CPU-seconds of the bare proxy so far."""
        return sum(of_tree(self.proxy).cpu_s.values())

    def services(self) -> dict[str, str]:
        """DSNs of the installation."""
        found: dict[str, str] = json.loads((self.home / "services.json").read_text())
        return found


@contextmanager
def running(latency_ms: int) -> Iterator[Site]:
    """Start everything, publish the benchmark's documents, and end it all."""
    with TemporaryDirectory(prefix="mandate-bench-") as folder, ExitStack() as stack:
        home = Path(folder) / "home"
        port, upstream, proxy = free_port(), free_port(), free_port()
        _secret(home, upstream)
        up = stack.enter_context(process(["manage.py", "up"], home, port))
        ready(home, port)
        stack.enter_context(
            process(
                ["manage.py", "sandbox", "--port", str(upstream), "--latency-ms", str(latency_ms)],
                home,
                port,
            )
        )
        bare = stack.enter_context(
            process(
                ["-m", "routing.bench.proxy", "--port", str(proxy), "--upstream", str(upstream)],
                home,
                port,
            )
        )
        _wait(lambda: _answers(f"http://127.0.0.1:{proxy}/_sandbox/health"))
        documents = Path(folder) / "documents"
        documents.mkdir()
        (documents / "bench.yaml").write_text(DOCUMENTS.format(port=upstream))
        manage(home, port, "policy", "apply", str(documents))
        key = json.loads(manage(home, port, "keys", "create", "bench/load", "--json"))["key"]
        yield Site(home, up, port, upstream, proxy, bare, key)


def _secret(home: Path, upstream: int) -> None:
    folder = home / "secrets"
    folder.mkdir(mode=0o700, parents=True)
    for name, text in (("bench", "sk-bench"), ("bench.hosts", f"127.0.0.1:{upstream}")):
        path = folder / name
        path.write_text(text)
        path.chmod(0o600)


def environment(home: Path, port: int) -> dict[str, str]:
    """Of a process of the installation: nothing that this one was told of services, and no history of the demo beside it."""
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
    return {**kept, "MANDATE_HOME": str(home), "PORT": str(port), "MANDATE_DEMO_HISTORY": "0"}


@contextmanager
def process(arguments: list[str], home: Path, port: int) -> Iterator[int]:
    """A process in a session of its own; yields the session's id."""
    process = subprocess.Popen(  # noqa: S603 - our own commands
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(home, port),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads run yet, and it only asks the kernel
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)


def _die_with_parent() -> None:
    """A benchmark that is killed leaves nothing running: the kernel ends what it started."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def manage(home: Path, port: int, *arguments: str) -> str:
    """What a command of the installation says. Raises CalledProcessError."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(home, port),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def ready(home: Path, port: int) -> None:
    """Wait until it answers. Raises TimeoutError."""
    _wait(lambda: (home / "welcome.json").is_file() and _answers(f"http://127.0.0.1:{port}/readyz"))


def _wait(done: Callable[[], bool]) -> None:
    until = time.monotonic() + START_SECONDS
    while not done():
        if time.monotonic() > until:
            raise TimeoutError("the benchmark's installation did not start")
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - loopback
            return bool(answer.status == 200)
    except OSError:
        return False


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        return int(link.getsockname()[1])
