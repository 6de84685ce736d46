"""`manage.py sandbox` as an operator meets it."""

import socket
import subprocess
import sys

import httpx2
import pytest
from django.core.management import CommandError, call_command

from controlplane import env
from tests.routing.upstream.process import serving


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=rf"127\.0\.0\.1:{port} cannot be used: Address"):
            call_command("sandbox", port=port)


def test_it_answers_after_its_latency_and_ends_when_told() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    with serving("--latency-ms", "150") as upstream:
        answer = httpx2.post(
            f"{upstream.openai}/chat/completions", json=body, headers={"authorization": "Bearer k"}
        )
        assert answer.status_code == 200
        assert 0.14 < answer.elapsed.total_seconds() < 5
        assert httpx2.get(f"{upstream.url}/_sandbox/health").json() == {"status": "ok"}
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{upstream.url}/_sandbox/health")


def test_it_loads_neither_dialects_nor_sdks_nor_tables() -> None:
    code = (
        "import sys, routing.upstream.app;"
        "print([name for name in ('routing.dialects', 'routing.providers', 'openai', 'anthropic',"
        " 'django') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=env.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
