"""The plain ASGI app at /v1: callers, in their dialect.

It bypasses Django, so what Django's middleware would do is this room's duty: limits, authentication, request ids, metrics.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge, Histogram
from psycopg import InterfaceError, OperationalError
from psycopg_pool import PoolTimeout

from controlplane.kernel.errors import (
    InvalidRequest,
    MandateError,
    NotFound,
    TooLarge,
    Unavailable,
)
from policies.identity.authentication import Caller
from routing import responses
from routing.dialects.base import Dialect
from routing.dialects.received import labelled
from routing.dialects.registry import dialect
from routing.exchange import CallRequest
from routing.gateway import Client, Web, follow, serve
from routing.gathering import Ask, Options, check_route, routes_of
from routing.relay import Frame, Mailbox, Outcome
from routing.responses import After
from routing.ticket import answer_headers

log = structlog.get_logger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LARGEST_BODY = 32 * 1024 * 1024
THREAD_FROM = 256 * 1024
LONGEST_DEADLINE_SECONDS = 600.0
CALLS = {
    "/v1/chat/completions": "openai.chat",
    "/v1/responses": "openai.responses",
    "/v1/messages": "anthropic.messages",
}
MODELS = "/v1/models"
RESPONSES = "/v1/responses"
FORWARDED = ("anthropic-version", "anthropic-beta", "openai-beta")
RUN_HEADERS = ("x-mandate-run", "x-claude-code-session-id", "session-id", "x-session-id")

answered = Counter("mandate_calls_answered_total", "Answers at /v1", ["dialect", "status"])
waiting = Gauge("mandate_calls_waiting", "Requests at /v1 that wait for an answer")
seconds = Histogram("mandate_call_seconds", "Time from request to the last byte", ["dialect"])


class Connection:
    """The caller's connection: implements `routing.gateway.Client` over ASGI."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._watch: asyncio.Task[None] | None = None
        self.started = False
        self.status = 0
        self.after: After | None = None

    async def body(self) -> bytes:
        """The whole request body. Raises TooLarge above 32 MiB."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise InvalidRequest("the connection closed before the body was complete")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > LARGEST_BODY:
                raise TooLarge(f"the body is above {LARGEST_BODY} bytes; send less, or use files")
            if not message.get("more_body"):
                return b"".join(parts)

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status line and headers."""
        self.started = True
        self.status = status
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes) -> None:
        """Send bytes of the body; of a stream that is followed from an event on, those after it."""
        if self.after is not None:
            data = self.after(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self, data: bytes = b"") -> None:
        """Send the last bytes of the body."""
        if self.after is not None:
            data = self.after(data) + self.after.end()
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    def when_gone(self, mailbox: Mailbox) -> None:
        """Put a `gone` frame into the mailbox when the caller closes the connection."""
        self._watch = asyncio.create_task(self._wait_gone(mailbox))

    async def _wait_gone(self, mailbox: Mailbox) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        mailbox.tell(Frame("gone", 0, b""))

    def close(self) -> None:
        """Stop watching the connection."""
        if self._watch is not None:
            self._watch.cancel()


def build(web: Web) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The ASGI app for every path under /v1."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        connection = Connection(receive, send)
        codec = dialect(_dialect_of(scope["path"].rstrip("/"), headers))
        began = time.perf_counter()
        waiting.inc()
        try:
            await _answer(web, codec, scope, headers, connection)
        except MandateError as error:
            await refuse(codec, error, connection)
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            log.warning("wire.database", error=type(error).__name__)
            away = Unavailable("the database is away; try again", retry_after_seconds=2)
            await refuse(codec, away, connection)
        finally:
            connection.close()
            waiting.dec()
            answered.labels(codec.name, connection.status).inc()
            seconds.labels(codec.name).observe(time.perf_counter() - began)

    return app


def _dialect_of(path: str, headers: Mapping[str, str]) -> str:
    """By path; for the shared paths by the header that only Anthropic's clients send."""
    if path.startswith(f"{RESPONSES}/"):
        return responses.DIALECT
    return CALLS.get(path) or (
        "anthropic.messages" if "anthropic-version" in headers else "openai.chat"
    )


async def _answer(
    web: Web, codec: Dialect, scope: Scope, headers: Mapping[str, str], connection: Connection
) -> None:
    path, method = scope["path"].rstrip("/"), scope["method"]
    if web.draining:
        raise Unavailable("this process is shutting down; try again", retry_after_seconds=1)
    caller = await web.keys.authenticate(_presented(headers))
    if path in CALLS and method == "POST":
        body = await connection.body()
        query = scope.get("query_string", b"").decode("latin-1")
        request = await _parse(web, codec, body, headers, query)
        options = _options(headers)
        if request.previous:
            request, options = await responses.go_on(web.desk, caller, request, options)
        request = labelled(request, headers.get("x-mandate-labels", ""))
        await serve(web, Ask(caller, request, options), connection)
    elif path.startswith(f"{RESPONSES}/"):
        await _response(web, caller, scope, connection)
    elif (path == MODELS or path.startswith(f"{MODELS}/")) and method == "GET":
        body = await _models(web, codec, caller, path.removeprefix(MODELS)[1:])
        await _plain(connection, 200, {"content-type": "application/json"}, body)
    else:
        raise NotFound(f'{method} "{path}" is not served here; see /api/v1/docs')


async def _response(web: Web, caller: Caller, scope: Scope, connection: Connection) -> None:
    """A response that is come back to: read, followed, cancelled."""
    path, method = scope["path"].rstrip("/"), scope["method"]
    name, _, what = path.removeprefix(f"{RESPONSES}/").partition("/")
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    match method, what:
        case "GET", "" if asked.get("stream") == ["true"]:
            connection.after = _starting_after(asked)
            ticket = await responses.ticket(web.desk, caller, name, LONGEST_DEADLINE_SECONDS)
            await follow(web, ticket, connection)
        case "GET", "":
            await _told(connection, await responses.read(web.desk, caller, name))
        case "POST", "cancel":
            await _told(connection, await responses.cancel(web.desk, caller, name))
        case "GET", "input_items":
            body = await responses.input_items(web.desk, caller, name)
            await _plain(connection, 200, {"content-type": responses.JSON}, body)
        case "DELETE", "":
            await responses.find(web.desk, caller, name)
            raise InvalidRequest(
                "a caller does not delete a response: what was said is kept as long as the organisation decided, "
                'and erased with its key; send "store": false for one that nobody reads again',
                code="not_deletable",
            )
        case _:
            raise NotFound(f'{method} "{path}" is not served here; see /api/v1/docs')


async def _told(connection: Connection, told: Outcome) -> None:
    await _plain(
        connection, told.status, {"content-type": told.content_type, **told.headers}, told.body
    )


def _starting_after(asked: Mapping[str, list[str]]) -> After | None:
    """Which events the caller has already. Raises InvalidRequest."""
    text = asked.get("starting_after", [""])[0]
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidRequest(f'"starting_after" is "{text[:40]}"; send the number of an event')
    return After(int(text))


async def _models(web: Web, codec: Dialect, caller: Caller, name: str) -> bytes:
    """The routes this key may call, or the one of that name. Raises NotFound."""
    snapshot = await web.desk.snapshots.current()
    if not name:
        return codec.models_body(routes_of(snapshot, caller))
    check_route(snapshot, caller, name)
    return codec.model_body(name)


async def _plain(connection: Client, status: int, headers: Mapping[str, str], body: bytes) -> None:
    await connection.start(status, {**headers, "content-length": str(len(body))})
    await connection.finish(body)


async def refuse(codec: Dialect, error: MandateError, connection: Client) -> None:
    """An error in the caller's dialect, as an answer or, in an open stream, as its event."""
    named = error.details.get("call")
    call = named if isinstance(named, UUID) else None
    if connection.started:
        await connection.finish(codec.error_event(error, call))
        return
    status, headers, body = codec.error_body(error, call)
    told = error.details.get("headers")
    ours = told if isinstance(told, Mapping) else answer_headers(call) if call else {}
    await _plain(connection, status, {**ours, **headers}, body)


def _presented(headers: Mapping[str, str]) -> str:
    """The API key as the caller sent it: `Authorization: Bearer` or `x-api-key`."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


async def _parse(
    web: Web, codec: Dialect, body: bytes, headers: Mapping[str, str], query: str
) -> CallRequest:
    """Large bodies are parsed in a thread, at most four at once; more are turned away."""
    kept = {name: headers[name] for name in FORWARDED if name in headers}
    if len(body) <= THREAD_FROM:
        return codec.parse_request(body, kept, query)
    if web.parsing.locked():
        raise Unavailable("too many large requests at once; try again", retry_after_seconds=1)
    async with web.parsing:
        return await asyncio.to_thread(codec.parse_request, body, kept, query)


def _options(headers: Mapping[str, str]) -> Options:
    declared = headers.get("x-mandate-data-classes", "")
    run = next((headers[name] for name in RUN_HEADERS if headers.get(name)), "")
    key = headers.get("idempotency-key", "")
    if len(key) > 255 or len(run) > 128:
        raise InvalidRequest("Idempotency-Key may have 255 characters, x-mandate-run 128")
    return Options(
        data_classes=tuple(sorted({part.strip() for part in declared.split(",") if part.strip()})),
        deadline_seconds=_deadline(headers.get("x-mandate-deadline-seconds", "")),
        run=run,
        idempotency_key=key,
    )


def _deadline(text: str) -> float:
    if not text:
        return LONGEST_DEADLINE_SECONDS
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= LONGEST_DEADLINE_SECONDS:
        raise InvalidRequest(
            f'x-mandate-deadline-seconds is "{text[:40]}"; use a number above 0, at most 600'
        )
    return value
