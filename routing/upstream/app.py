"""The sandbox upstream: a plain ASGI app that answers as OpenAI and Anthropic would.

`POST /v1/chat/completions`, `/v1/responses`, `/v1/messages`, `GET /v1/models`; `GET /_sandbox/arrivals` lists
what came, `POST /_sandbox/reset` forgets it. Directives in the prompt are those of
`routing.simulator.model`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from routing.simulator.model import Failure, Simulated, simulate
from routing.upstream.anthropic_shapes import Anthropic
from routing.upstream.arrivals import Arrival, Arrivals, StartedCheck, decode
from routing.upstream.openai_shapes import OpenAI
from routing.upstream.responses_shapes import Responses
from routing.upstream.script import BadBody, Origin, Vendor

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LARGEST_BODY = 64 * 1024 * 1024
HANG_SECONDS = 3_600.0
MODELS = (
    "gpt-5-mini", "gpt-5", "claude-haiku-4-5", "claude-opus-4-5", "gemini-3-flash",
    "llama-4-scout", "llama-4-maverick",
)  # fmt: skip
_JSON = b"application/json"
_VENDORS: Mapping[str, Vendor] = {
    "/v1/chat/completions": OpenAI(),
    "/v1/responses": Responses(),
    "/v1/messages": Anthropic(),
}
_ID_PREFIX = {
    "/v1/chat/completions": "chatcmpl-sandbox",
    "/v1/responses": "resp_sandbox",
    "/v1/messages": "msg_sandbox",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`latency_seconds` is added before every answer; `check` looks up the log on arrival."""

    latency_seconds: float = 0.0
    check: StartedCheck | None = None
    models: tuple[str, ...] = MODELS


class Gone(Exception):
    """The client left before its answer was complete."""


@dataclass(slots=True)
class _Exchange:
    """One request and its answer on the wire."""

    receive: Receive
    send: Send
    vendor: Vendor
    arrival: Arrival
    watch: asyncio.Task[Message] | None = field(default=None)

    @property
    def request_id(self) -> str:
        return f"req_sandbox{self.arrival.no:08x}"

    async def wait(self, seconds: float) -> None:
        """Sleep; raises Gone as soon as the client leaves."""
        if seconds <= 0:
            return
        if self.watch is None:
            self.watch = asyncio.ensure_future(self.receive())
        done, _ = await asyncio.wait({self.watch}, timeout=seconds)
        if done:
            raise Gone

    async def start(self, status: int, kind: bytes, *more: tuple[bytes, bytes]) -> None:
        self.arrival.status = status
        headers = [
            (b"content-type", kind),
            (self.vendor.request_id_header, self.request_id.encode()),
            *more,
        ]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def body(self, data: bytes, *, more: bool = False) -> None:
        await self.send({"type": "http.response.body", "body": data, "more_body": more})


class Sandbox:
    """The ASGI application."""

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()
        self.arrivals = Arrivals()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        path, method = scope["path"].rstrip("/"), scope["method"]
        vendor = _VENDORS.get(path)
        if vendor is not None and method == "POST":
            await self._call(path, vendor, scope, receive, send)
        elif path == "/v1/models":
            await _respond(send, 200, self._models(dict(scope["headers"])))
        elif path == "/_sandbox/arrivals":
            await _respond(send, 200, self.arrivals.report())
        elif path == "/_sandbox/reset" and method == "POST":
            self.arrivals.reset()
            await _respond(send, 200, b"{}")
        elif path == "/_sandbox/health":
            await _respond(send, 200, b'{"status":"ok"}')
        else:
            error = OpenAI().error(404, f"Invalid URL ({method} {path})", "")
            await _respond(send, 404, error)

    async def _call(
        self, path: str, vendor: Vendor, scope: Scope, receive: Receive, send: Send
    ) -> None:
        headers = dict(scope["headers"])
        body = await _read(receive)
        if body is None:
            return
        arrival = self.arrivals.note(path, headers, body)
        exchange = _Exchange(receive, send, vendor, arrival)
        if self._options.check is not None:
            known = await self._options.check.committed(arrival.attempt)
            self.arrivals.checked(arrival, committed=known)
        try:
            if not _authorized(headers):
                how = await _fail(exchange, Failure("", 401, message="no API key was provided"))
            else:
                how = await self._answer(exchange, body)
        except BadBody as error:
            how = await _fail(exchange, Failure("", 400, message=str(error)))
        except Gone:
            how = "gone"
        finally:
            if exchange.watch is not None:
                exchange.watch.cancel()
        self.arrivals.end(arrival, how)

    async def _answer(self, exchange: _Exchange, raw: bytes) -> str:
        body, arrival = decode(raw), exchange.arrival
        arrival.model = str(body.get("model", ""))
        arrival.stream = body.get("stream") is True
        done = simulate(exchange.vendor.ask(body, self.arrivals.tries(arrival, raw)))
        if self._options.latency_seconds:
            # no watch here: a benchmark's plain answer stays one sleep and two sends
            await asyncio.sleep(self._options.latency_seconds)
        await exchange.wait(done.timing.first)
        if done.failure is not None:
            return await _fail(exchange, done.failure)
        prefix = _ID_PREFIX[arrival.path]
        origin = Origin(f"{prefix}{arrival.no:016x}", int(time.time()), arrival.model)
        if arrival.stream:
            return await _stream(exchange, body, origin, done)
        return await _plain(exchange, exchange.vendor.plain(body, origin, done), done)

    def _models(self, headers: Mapping[bytes, bytes]) -> bytes:
        names = self._options.models
        if b"anthropic-version" not in headers:
            data: list[dict[str, Any]] = [
                {"id": name, "object": "model", "created": 1_767_225_600, "owned_by": "sandbox"}
                for name in names
            ]
            return msgspec.json.encode({"object": "list", "data": data})
        data = [
            {
                "type": "model",
                "id": name,
                "display_name": name,
                "created_at": "2026-01-01T00:00:00Z",
                "lifecycle": "active",
            }
            for name in names
        ]
        page = {"data": data, "has_more": False, "first_id": names[0], "last_id": names[-1]}
        return msgspec.json.encode(page)


async def _plain(exchange: _Exchange, answer: bytes, done: Simulated) -> str:
    await exchange.wait(done.timing.stall)
    length = (b"content-length", str(len(answer)).encode())
    await exchange.start(200, _JSON, length)
    if done.cut_after is not None:
        # the announced length never comes: the server drops the connection
        await exchange.body(answer[: len(answer) // 2], more=True)
        return "cut"
    await exchange.body(answer)
    return "answered"


async def _stream(
    exchange: _Exchange, body: Mapping[str, Any], origin: Origin, done: Simulated
) -> str:
    script = exchange.vendor.script(body, origin, done)
    await exchange.start(200, b"text/event-stream; charset=utf-8")
    await exchange.body(script.prelude, more=True)
    for sent, delta in enumerate(script.deltas):
        if sent == done.cut_after:
            return "cut"
        if sent == done.error_after:
            break
        if sent == done.timing.stall_after:
            await exchange.wait(done.timing.stall)
        await exchange.wait(done.timing.between if sent else 0.0)
        await exchange.body(delta, more=True)
    if done.cut_after is not None:
        return "cut"
    if done.error_after is not None:
        message = "the sandbox was told to break off"
        await exchange.body(exchange.vendor.stream_error(message, exchange.request_id))
        return "failed"
    await exchange.body(script.end)
    return "answered"


async def _fail(exchange: _Exchange, failure: Failure) -> str:
    if failure.kind == "timeout":
        await exchange.wait(HANG_SECONDS)
    if failure.kind == "unreadable":
        await exchange.start(200, _JSON, (b"content-length", b"25"))
        await exchange.body(b"<html>not a model</html>\n")
        return "failed"
    status = 529 if failure.kind == "overloaded" and _is_anthropic(exchange) else failure.status
    body = exchange.vendor.error(status, failure.message, exchange.request_id)
    headers = [(b"content-length", str(len(body)).encode())]
    if failure.retry_after is not None:
        headers.append((b"retry-after", f"{failure.retry_after:g}".encode()))
    await exchange.start(status, _JSON, *headers)
    await exchange.body(body)
    return "failed"


def _is_anthropic(exchange: _Exchange) -> bool:
    return isinstance(exchange.vendor, Anthropic)


def _authorized(headers: Mapping[bytes, bytes]) -> bool:
    bearer = headers.get(b"authorization", b"").removeprefix(b"Bearer").strip()
    return bool(bearer or headers.get(b"x-api-key", b"").strip())


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None when the client left before it was complete."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST_BODY:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


async def _respond(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", _JSON), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
