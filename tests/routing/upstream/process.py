"""The sandbox upstream in a process of its own, for tests that go through real HTTP."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from controlplane import env


@dataclass(frozen=True)
class Upstream:
    """Where it listens. `url` has no path; OpenAI's base URL ends in `/v1`."""

    url: str
    pid: int

    @property
    def openai(self) -> str:
        return f"{self.url}/v1"

    @property
    def host(self) -> str:
        """`host:port`, as an operator lists it."""
        return self.url.removeprefix("http://")

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx2.get(
            f"{self.url}/_sandbox/arrivals", timeout=5, trust_env=False
        ).json()
        return found

    def arrivals(self, call: str) -> list[dict[str, Any]]:
        """What arrived for one call (hex)."""
        return [found for found in self.report()["arrivals"] if found["attempt"].startswith(call)]

    def reset(self) -> None:
        httpx2.post(f"{self.url}/_sandbox/reset", timeout=5).raise_for_status()


@contextmanager
def serving(*options: str) -> Iterator[Upstream]:
    """Start it on a free port; end it and wait."""
    command = [sys.executable, "manage.py", "sandbox", "--port", "0", *options]
    with subprocess.Popen(
        command, cwd=env.ROOT, env=dict(os.environ), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("sandbox listens on "), line
            yield Upstream(line.split()[-1].removesuffix("/v1"), process.pid)
        finally:
            process.terminate()
            assert process.wait(timeout=10) in {0, -15}
