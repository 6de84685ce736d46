"""Large bodies are parsed in threads, four at once: the fifth is told to come again, in its dialect, and nothing waits."""

import asyncio
import json
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from routing import wire
from routing.dialects.registry import dialect
from routing.gateway import Web
from routing.gathering import THREAD_FROM

PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses")
LARGE = b"x" * (THREAD_FROM + 1)


class Codec:
    """Parses when the gate is opened; counts how many do at once."""

    def __init__(self) -> None:
        self.gate, self.lock = threading.Event(), threading.Lock()
        self.now = self.most = 0

    def parse(self, body: bytes, _headers: object, _query: str) -> Any:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        if len(body) > THREAD_FROM:
            assert self.gate.wait(20)
        with self.lock:
            self.now -= 1
        return SimpleNamespace(previous="", body=body)


class Caller:
    """One request, and what came back."""

    def __init__(self, path: str, body: bytes) -> None:
        self.path, self.body = path, body
        self.status, self.headers, self.answer = 0, dict[str, str](), b""

    async def receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        else:
            self.answer += message["body"]

    async def ask(self, app: Any) -> None:
        scope = {"path": self.path, "method": "POST", "headers": [(b"x-api-key", b"k")]}
        await app(scope, self.receive, self.send)


@pytest.fixture
def codec(monkeypatch: pytest.MonkeyPatch) -> Codec:
    """Stands in for parsing in every dialect; a call that was parsed is answered at once."""
    made = Codec()

    async def serve(_web: object, ask: Any, connection: Any) -> None:
        body = str(len(ask.request.body)).encode()
        await connection.start(200, {"content-length": str(len(body))})
        await connection.finish(body)

    monkeypatch.setattr(wire, "serve", serve)
    for path in PATHS:
        monkeypatch.setattr(
            type(dialect(wire.CALLS[path])), "parse_request", lambda _self, *a: made.parse(*a)
        )
    return made


async def _until_parsing(codec: Codec, count: int) -> None:
    for _ in range(500):
        if codec.now == count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{codec.now} are parsed, not {count}")


@pytest.mark.parametrize("path", PATHS)
async def test_the_fifth_large_body_at_once_is_turned_away(codec: Codec, path: str) -> None:
    async def authenticate(_key: str) -> object:
        return object()

    keys = SimpleNamespace(authenticate=authenticate)
    web = SimpleNamespace(draining=False, keys=keys, parsing=asyncio.Semaphore(4))
    app = wire.build(cast("Web", web))
    four = [Caller(path, LARGE) for _ in range(4)]
    running = [asyncio.create_task(caller.ask(app)) for caller in four]
    await _until_parsing(codec, 4)

    fifth = Caller(path, LARGE)
    await asyncio.wait_for(fifth.ask(app), 5)
    assert (fifth.status, fifth.headers["retry-after"]) == (503, "1")
    assert "x-should-retry" not in fifth.headers or fifth.headers["x-should-retry"] == "true"
    said = json.loads(fifth.answer)
    assert "too many large requests at once" in said["error"]["message"]
    assert (said.get("type") == "error") is (path == "/v1/messages")
    # a small one is parsed where it stands
    small = Caller(path, b"{}")
    await asyncio.wait_for(small.ask(app), 5)
    assert (small.status, small.answer) == (200, b"2")

    codec.gate.set()
    await asyncio.gather(*running)
    assert [(caller.status, caller.answer) for caller in four] == [
        (200, str(len(LARGE)).encode())
    ] * 4
    assert codec.most == 5  # four large and the small one
    again = Caller(path, LARGE)
    await again.ask(app)
    assert again.status == 200
