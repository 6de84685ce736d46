"""Spans to an OpenTelemetry collector: OTLP over HTTP, as JSON. Loaded only where OTEL_* asks for it (`controlplane/tracing.py`).

The trace id of a call *is* the call's id; its root span's id is made from it. So web and workers meet in one trace although
the Celery message carries the call id and nothing else, and an operator finds a trace by the name of a call. A caller's own
`traceparent` becomes a link of the root. Exceptions leave their class, since their text may quote content. A collector that is
away costs a call nothing: spans wait in a bounded queue, then are dropped.
"""

import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import sha256
from queue import Empty, Full, Queue
from re import ASCII
from re import compile as pattern
from threading import Event, Thread
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen
from uuid import UUID

import structlog

from controlplane.kernel.tracing import Fact

log = structlog.get_logger(__name__)

WAITING_AT_MOST = 4096
BATCH = 512
EVERY_SECONDS = 2.0
SEND_SECONDS = 2.0
CLOSE_SECONDS = 1.0
SERVER, INTERNAL = 2, 1
FAILED = 2
_TRACEPARENT = pattern(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", ASCII)
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Collector:
    """Where spans go, with which headers, and what is said of this process."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    about: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(slots=True)
class Span:
    """One step of a call. `parent` 0: the root."""

    name: str
    call: UUID
    id: int
    parent: int
    started_ns: int
    facts: dict[str, Fact] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()
    ended_ns: int = 0
    failed: bool = False

    def tell(self, facts: Mapping[str, Fact]) -> None:
        """Facts of ours get our prefix."""
        self.facts |= {f"mandate.{name}": value for name, value in facts.items()}

    def as_json(self) -> dict[str, object]:
        """OTLP's JSON: ids in hex, times in decimal strings."""
        return {
            "traceId": self.call.hex,
            "spanId": f"{self.id:016x}",
            "parentSpanId": f"{self.parent:016x}" if self.parent else "",
            "name": self.name,
            "kind": INTERNAL if self.parent else SERVER,
            "startTimeUnixNano": str(self.started_ns),
            "endTimeUnixNano": str(self.ended_ns),
            "attributes": attributes({"mandate.call": self.call.hex, **self.facts}),
            "links": [{"traceId": trace, "spanId": span} for trace, span in self.links],
            "status": {"code": FAILED} if self.failed else {},
        }


@dataclass(slots=True)
class _Request:
    """A request at /v1: since when, its caller's own span, the call it became, how it was answered."""

    since_ns: int
    links: tuple[tuple[str, str], ...]
    call: UUID | None = None
    status: int = 0


_at_hand: ContextVar[Span | None] = ContextVar("at_hand", default=None)
_request: ContextVar[_Request | None] = ContextVar("request", default=None)


def root_of(call: UUID) -> int:
    """The id of the root span: 8 bytes of a hash, so that it is spread evenly, as a call's id is not."""
    return int.from_bytes(sha256(call.bytes).digest()[:8]) or 1


def attributes(facts: Mapping[str, Fact]) -> list[dict[str, object]]:
    """OTLP's typed values; 64-bit numbers are strings."""
    return [{"key": name, "value": _value(value)} for name, value in facts.items()]


def _value(value: Fact) -> dict[str, object]:
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


class Sender:
    """A thread that sends what has gathered every two seconds, or at once when it is told to end."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._waiting: Queue[Span] = Queue(WAITING_AT_MOST)
        self._ending = Event()
        self._thread = Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def put(self, span: Span) -> None:
        """Hand over a span that has ended; dropped where the queue is full."""
        try:
            self._waiting.put_nowait(span)
        except Full:
            return

    def close(self) -> None:
        """Send what is left, but hold up the end of the process for a second at most."""
        self._ending.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while not self._ending.wait(EVERY_SECONDS):
            self._send_all()
        self._send_all()

    def _send_all(self) -> None:
        while batch := self._batch():
            try:
                self._send(batch)
            except (URLError, OSError) as away:
                log.warning("spans.not_sent", spans=len(batch), error=type(away).__name__)
                return

    def _batch(self) -> list[Span]:
        batch: list[Span] = []
        try:
            while len(batch) < BATCH:
                batch.append(self._waiting.get_nowait())
        except Empty:
            pass
        return batch

    def _send(self, batch: list[Span]) -> None:
        scope = {"scope": {"name": "mandate"}, "spans": [span.as_json() for span in batch]}
        resource = {"attributes": attributes(self._collector.about)}
        body = {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}
        headers = {"content-type": "application/json", **self._collector.headers}
        request = Request(self._collector.url, json.dumps(body).encode(), headers)  # noqa: S310 - checked to be http(s)
        with urlopen(request, timeout=SEND_SECONDS) as answer:  # noqa: S310 - as above
            answer.read()


class _Step:
    """A span that is under way, and the step at hand meanwhile."""

    def __init__(self, span: Span, end: Callable[[Span], None]) -> None:
        self._span, self._end = span, end

    def __enter__(self) -> Span:
        self._token = _at_hand.set(self._span)
        return self._span

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        _at_hand.reset(self._token)
        if kind is not None:
            self._span.failed = True
            self._span.facts["error.type"] = kind.__name__
        self._end(self._span)


class Otel:
    """The recorder of one process. `share` of all calls are recorded, the same ones in every process."""

    def __init__(self, put: Callable[[Span], None], share: float = 1.0) -> None:
        self._put = put
        self._bound = int(share * 2**64)

    def _recorded(self, call: UUID) -> bool:
        return root_of(call) < self._bound

    def span(self, name: str, call: UUID) -> "_Step":
        """A step; below the step that it is part of, else below the call's root, which may be another process's."""
        above = _at_hand.get()
        parent = above.id if above is not None and above.call == call else root_of(call)
        return _Step(Span(name, call, secrets.randbits(64) or 1, parent, time.time_ns()), self._end)

    def named(self, call: UUID) -> None:
        """What was done up to here was the call's ingress."""
        request = _request.get()
        if request is None:
            return
        request.call = call
        span = Span("ingress", call, secrets.randbits(64) or 1, root_of(call), request.since_ns)
        self._end(span)

    def around(self, app: App) -> App:
        """The app at /v1, each of its requests the root of its call's trace."""

        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            request = _Request(time.time_ns(), _links(scope))
            token = _request.set(request)

            async def noting(message: MutableMapping[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    request.status = message["status"]
                await send(message)

            try:
                await app(scope, receive, noting)
            finally:
                _request.reset(token)
                self._root(request)

        return wrapped

    def _root(self, request: _Request) -> None:
        if request.call is None:
            return
        facts: dict[str, Fact] = {"http.response.status_code": request.status}
        root = root_of(request.call)
        self._end(Span("call", request.call, root, 0, request.since_ns, facts, request.links))

    def _end(self, span: Span) -> None:
        if self._recorded(span.call):
            span.ended_ns = time.time_ns()
            self._put(span)


def _links(scope: Scope) -> tuple[tuple[str, str], ...]:
    """The caller's own span, by its W3C `traceparent`."""
    for name, value in scope.get("headers", ()):
        if name == b"traceparent" and (found := _TRACEPARENT.fullmatch(value)):
            trace, span = (part.decode("ascii") for part in found.groups())
            return ((trace, span),) if int(trace, 16) and int(span, 16) else ()
    return ()
