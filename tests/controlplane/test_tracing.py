"""Spans of a call: one trace known by the call's id, across processes, without content; nothing where nobody collects."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from controlplane import env, otel, tracing
from controlplane.kernel import tracing as seam
from controlplane.kernel.ids import IdSource
from controlplane.otel import Otel, Span, root_of
from tests.controlplane.machines import Machine, first_call, folder, free_port, running

IDS = IdSource()


class Door:
    """Something with a call, as the walk has."""

    def __init__(self, call: UUID) -> None:
        self.call = call

    @seam.traced("outer", lambda self, *_: self.call)
    async def outer(self, fail: str = "") -> str:
        return await self.inner(fail)

    @seam.traced("inner", lambda self, _: self.call, lambda _, fail: {"failed": bool(fail)})
    async def inner(self, fail: str) -> str:
        """The step within."""
        if fail:
            raise ValueError(fail)
        return "done"


@pytest.fixture
def collected() -> Iterator[list[Span]]:
    found: list[Span] = []
    seam.record_with(Otel(found.append))
    yield found
    seam.record_with(None)


def named(collected: list[Span]) -> dict[str, Span]:
    return {span.name: span for span in collected}


async def test_where_nobody_collects_a_step_is_the_step_itself() -> None:
    door = Door(IDS.new())
    assert await door.outer() == "done"
    coroutine = door.inner("")
    assert coroutine.cr_code is Door.inner.__wrapped__.__code__
    await coroutine
    seam.named(door.call)
    assert Door.inner.__doc__ == "The step within."


async def test_steps_lie_in_the_trace_of_their_call(collected: list[Span]) -> None:
    call = IDS.new()
    await Door(call).outer()
    found = named(collected)
    outer, inner = found["outer"], found["inner"]
    assert outer.call == inner.call == call
    assert outer.parent == root_of(call)
    assert inner.parent == outer.id
    assert inner.facts == {"mandate.failed": False}
    assert 0 < outer.started_ns <= inner.started_ns <= inner.ended_ns <= outer.ended_ns


async def test_two_calls_at_once_do_not_mix(collected: list[Span]) -> None:
    await asyncio.gather(*(Door(IDS.new()).outer() for _ in range(20)))
    by_id = {span.id: span for span in collected}
    assert len(collected) == len(by_id) == 40
    inner = [span for span in collected if span.name == "inner"]
    assert all(by_id[span.parent].call == span.call for span in inner)


async def test_a_step_within_another_calls_step_hangs_on_its_own_root(
    collected: list[Span],
) -> None:
    one, two = IDS.new(), IDS.new()

    @seam.traced("sweep", lambda: one)
    async def sweep() -> None:
        await Door(two).inner("")

    await sweep()
    assert named(collected)["inner"].parent == root_of(two)


async def test_a_failure_leaves_its_class_and_not_its_words(collected: list[Span]) -> None:
    with pytest.raises(ValueError, match="my diagnosis"):
        await Door(IDS.new()).outer("my diagnosis")
    assert [span.name for span in collected] == ["inner", "outer"]
    for span in collected:
        told = span.as_json()
        assert told["status"] == {"code": 2}
        assert {"key": "error.type", "value": {"stringValue": "ValueError"}} in told["attributes"]
        assert "diagnosis" not in json.dumps(told)


@pytest.mark.parametrize(
    ("header", "links"),
    [
        (
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            [{"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331"}],
        ),
        (b"00-00000000000000000000000000000000-b7ad6b7169203331-01", []),
        (b"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", []),
        (b"nonsense", []),
    ],
)
async def test_a_request_is_the_root_and_links_to_its_callers_own_trace(
    collected: list[Span], header: bytes, links: list[object]
) -> None:
    call, sent = IDS.new(), []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seam.named(call)
        await Door(call).outer()
        await send({"type": "http.response.start", "status": 403})
        await send({"type": "http.response.body", "body": b"no"})

    async def send(message: Any) -> None:
        sent.append(message["type"])

    scope = {"type": "http", "headers": [(b"traceparent", header)]}
    await seam._recorders[0].around(app)(scope, None, send)
    found = named(collected)
    root = found["call"]
    assert (root.call, root.id, root.parent) == (call, root_of(call), 0)
    told = root.as_json()
    assert (told["parentSpanId"], told["kind"], told["links"]) == ("", 2, links)
    assert root.facts == {"http.response.status_code": 403}
    assert found["ingress"].parent == found["outer"].parent == root.id
    assert root.started_ns == found["ingress"].started_ns <= found["outer"].started_ns
    assert root.ended_ns >= found["outer"].ended_ns
    assert sent == ["http.response.start", "http.response.body"]


async def test_a_request_that_became_no_call_leaves_nothing(collected: list[Span]) -> None:
    async def app(*_: Any) -> None:
        """A list of models, or nobody's key."""

    await seam._recorders[0].around(app)({"type": "http"}, None, None)
    seam.named(IDS.new())  # outside any request
    assert collected == []


async def test_a_share_of_calls_is_the_same_share_in_every_process() -> None:
    calls = [IDS.new() for _ in range(400)]
    seen = []
    for _ in ("web", "calls"):
        found: list[Span] = []
        seam.record_with(Otel(found.append, share=0.25))
        for call in calls:
            await Door(call).outer()
        seen.append({span.call for span in found})
    seam.record_with(None)
    assert seen[0] == seen[1]
    assert 60 <= len(seen[0]) <= 140


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, False),
    ],
)
def test_only_an_environment_that_asks_gets_spans(
    monkeypatch: pytest.MonkeyPatch, given: Mapping[str, str], wanted: bool
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert tracing.configured() is wanted
    if not wanted:
        assert tracing.begin("web") is None


def test_a_share_that_is_no_share_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.1")
    assert tracing.share() == 0.1
    for wrong in ("2", "some", "nan"):
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", wrong)
        with pytest.raises(env.BadEnvironment, match="use a number from"):
            tracing.share()
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    assert tracing.share() == 1.0


def test_nothing_is_loaded_where_nobody_asks() -> None:
    code = (
        "import django; django.setup()\n"
        "import controlplane.asgi, controlplane.worker_half, controlplane.tracing, sys\n"
        "assert controlplane.tracing.begin('web') is None\n"
        "print([name for name in sys.modules if name == 'controlplane.otel'])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=env.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "[]"


class Collector:
    """An OTLP/HTTP receiver on loopback."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []

    def spans(self) -> list[tuple[str, Any]]:
        """Every span with the role of its process."""
        found = []
        for body in self.bodies:
            for resource in json.loads(body)["resourceSpans"]:
                about = {
                    a["key"]: a["value"]["stringValue"] for a in resource["resource"]["attributes"]
                }
                assert about["service.name"] == "mandate"
                for scope in resource["scopeSpans"]:
                    found += [(about["mandate.role"], span) for span in scope["spans"]]
        return found


@contextmanager
def collector() -> Iterator[tuple[Collector, str]]:
    kept = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            kept.bodies.append(body)
            kept.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield kept, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_spans_are_sent_with_the_headers_that_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as (kept, address):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc, x-team=one")
        recorder = tracing.begin("calls")
        assert recorder is not None
        call = IDS.new()
        with recorder.span("provider", call) as span:
            span.tell({"model": "claude-large", "tokens": 2**40, "streamed": True})
        tracing.end()
        assert seam._recorders == []
    ((role, sent),) = kept.spans()
    assert role == "calls"
    assert kept.headers[0]["authorization"] == "Bearer abc"
    assert kept.headers[0]["x-team"] == "one"
    assert (sent["traceId"], sent["name"]) == (call.hex, "provider")
    assert sent["attributes"] == [
        {"key": "mandate.call", "value": {"stringValue": call.hex}},
        {"key": "mandate.model", "value": {"stringValue": "claude-large"}},
        {"key": "mandate.tokens", "value": {"intValue": "1099511627776"}},
        {"key": "mandate.streamed", "value": {"boolValue": True}},
    ]


def test_a_collector_that_is_away_costs_nothing_but_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(otel, "WAITING_AT_MOST", 10)
    with capture_logs() as heard:
        recorder = tracing.begin("web")
        assert recorder is not None
        for _ in range(50):
            with recorder.span("admit", IDS.new()):
                pass
        tracing.end()
    assert [(one["event"], one["spans"]) for one in heard] == [("spans.not_sent", 10)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}, "is no collector"),
        ({"OTEL_TRACES_EXPORTER": "jaeger"}, "use otlp or none"),
    ],
)
def test_what_cannot_be_used_is_said(
    monkeypatch: pytest.MonkeyPatch, given: Mapping[str, str], said: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(env.BadEnvironment, match=said):
        tracing.begin("web")
    assert seam._recorders == []


@pytest.mark.machines
@pytest.mark.slow
def test_web_and_worker_meet_in_one_trace_that_holds_no_content() -> None:
    with collector() as (kept, address), folder() as parent:
        extra = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "MANDATE_DEMO_HISTORY": "0"}
        machine = Machine(home=parent / "home", port=free_port(), extra=extra)
        with running(machine) as it:
            it.wait_for("Ready after", 240)
            text = first_call(machine)
            assert it.stop() <= 10.0
    found = kept.spans()
    (root,) = [span for _, span in found if span["name"] == "call"]
    call = UUID(hex=root["traceId"])
    assert {span["traceId"] for _, span in found} == {call.hex}
    assert {(role, span["name"]) for role, span in found} == {
        *(("web", name) for name in ("call", "ingress", "decide", "admit", "dispatch", "relay")),
        *(("calls", name) for name in ("run", "open", "start", "provider", "settle", "finish")),
    }
    by_id = {span["spanId"]: span for _, span in found}
    above = {by_id[s["parentSpanId"]]["name"] for _, s in found if s["parentSpanId"]}
    assert above == {"call", "run"}
    everything = b"".join(kept.bodies)
    for word in (b"Hail.", text[:20].encode(), b"mdt_", b"insurance"):
        assert word not in everything
