"""The upstream remembers what came, how it ended, and whether the log had it before."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from uuid import UUID

import httpx2
import psycopg
import pytest

from audit.log import entry
from controlplane.kernel.ids import IdSource
from routing.upstream import arrivals
from routing.upstream.app import Options, Sandbox
from routing.upstream.arrivals import Arrivals
from routing.upstream.started import CommittedStarts
from tests.routing.upstream.process import Upstream, serving

IDS = IdSource()
BODY = {"model": "m", "messages": [{"role": "user", "content": "x"}]}


@pytest.fixture
async def caller(upstream: Upstream) -> AsyncIterator[httpx2.AsyncClient]:
    upstream.reset()
    headers = {"authorization": "Bearer k"}
    async with httpx2.AsyncClient(base_url=upstream.openai, headers=headers) as made:
        yield made


async def ask(caller: httpx2.AsyncClient, text: str, attempt: str, *, stream: bool = False) -> int:
    body = {**BODY, "messages": [{"role": "user", "content": text}], "stream": stream}
    headers = {"x-mandate-attempt": attempt}
    answer = await caller.post("/chat/completions", json=body, headers=headers)
    return answer.status_code


async def test_arrivals_are_counted_and_listed(
    upstream: Upstream, caller: httpx2.AsyncClient
) -> None:
    call = IDS.new().hex
    assert await ask(caller, "x", f"{call}/1") == 200
    assert await ask(caller, "x [[sandbox fail=overloaded]]", f"{call}/2") == 503
    with pytest.raises(httpx2.RemoteProtocolError):
        await ask(caller, "x [[sandbox cut=1]]", f"{call}/2", stream=True)
    report = upstream.report()
    assert report["counts"] == {"arrivals": 3, "answered": 1, "failed": 1, "cut": 1}
    assert report["repeated"] == [f"{call}/2"]
    assert report["violations"] == []
    assert [
        (found["attempt"], found["ended"], found["status"], found["stream"], found["committed"])
        for found in upstream.arrivals(call)
    ] == [
        (f"{call}/1", "answered", 200, False, None),
        (f"{call}/2", "failed", 503, False, None),
        (f"{call}/2", "cut", 200, True, None),
    ]


async def until(upstream: Upstream, counted: str) -> None:
    """Wait until the upstream has counted one."""
    for _ in range(600):
        if counted in upstream.report()["counts"]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"no {counted}")


async def test_a_client_that_leaves_is_seen(upstream: Upstream, caller: httpx2.AsyncClient) -> None:
    call = IDS.new().hex
    asking = asyncio.create_task(ask(caller, "x [[sandbox latency=60s]]", f"{call}/1"))
    await until(upstream, "arrivals")
    asking.cancel()
    await until(upstream, "gone")
    assert upstream.report()["counts"] == {"arrivals": 1, "gone": 1}


async def test_reset_forgets(upstream: Upstream, caller: httpx2.AsyncClient) -> None:
    await ask(caller, "x", "00/1")
    upstream.reset()
    assert upstream.report() == {"counts": {}, "violations": [], "repeated": [], "arrivals": []}


async def test_bad_bodies_are_refused(caller: httpx2.AsyncClient) -> None:
    for content in (b"", b"{", b"[]", b'{"model": "m"}', b'{"messages": [{}]}', b"\xff"):
        answer = await caller.post("/chat/completions", content=content)
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "TRIES_KEPT", 10)
    kept = Arrivals()
    for no in range(arrivals.LISTED + 10):
        kept.tries(kept.note("/x", {b"x-mandate-attempt": b"%d/1" % no}, b"{}"), b"{}")
    report = json.loads(kept.report())
    assert report["counts"]["arrivals"] == arrivals.LISTED + 10
    assert len(report["arrivals"]) == arrivals.LISTED
    assert sum(found["body"] is not None for found in report["arrivals"]) == arrivals.BODIES
    assert len(kept._tries) == 10


def test_tries_are_counted_by_call_and_model() -> None:
    kept = Arrivals()

    def tries(attempt: str, model: str, body: bytes = b"{}") -> int:
        arrival = kept.note("/x", {b"x-mandate-attempt": attempt.encode()}, body)
        arrival.model = model
        return kept.tries(arrival, body)

    found = [tries("a/1", "m"), tries("a/2", "m"), tries("a/3", "other"), tries("b/1", "m")]
    assert found == [0, 1, 0, 0]
    assert [tries("", "m", b"1"), tries("", "m", b"1"), tries("", "m", b"2")] == [0, 1, 0]


async def test_lifespan_is_answered() -> None:
    said: list[str] = []
    asked = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, object]:
        return {"type": next(asked)}

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        said.append(message["type"])

    await Sandbox(Options())({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.fixture(scope="module")
def checking(app_dsn: str) -> Iterator[Upstream]:
    with serving("--check-dsn", app_dsn, "--latency-ms", "20") as found:
        yield found


def started(call: UUID, no: int) -> entry.Entry:
    return entry.build(
        "attempt.started",
        id=IDS.new(),
        at=datetime.now(tz=UTC),
        actor="worker:test",
        tenant="test",
        call=call,
        data={"no": no, "model": "m"},
    )


async def append(connection: psycopg.AsyncConnection, row: entry.Entry) -> None:
    await connection.execute(
        "SELECT audit_append(%s, %s, %s, %s, %s)",
        (row.id, row.kind, row.call, row.tenant, row.body),
    )


async def test_only_a_committed_start_is_no_violation(checking: Upstream, app_dsn: str) -> None:
    call = IDS.new()
    headers = {"authorization": "Bearer k"}
    async with (
        httpx2.AsyncClient(base_url=checking.openai, headers=headers) as caller,
        await psycopg.AsyncConnection.connect(app_dsn) as connection,
    ):
        await append(connection, started(call, 1))
        await ask(caller, "x", f"{call.hex}/1")
        await connection.commit()
        await ask(caller, "x", f"{call.hex}/1")
        await ask(caller, "x", f"{call.hex}/2")
        await ask(caller, "x", "nonsense")
    report = checking.report()
    assert [found["committed"] for found in report["arrivals"]] == [False, True, False, False]
    assert report["violations"] == [f"{call.hex}/1", f"{call.hex}/2", "nonsense"]
    assert report["counts"]["checked"] == 4


async def test_the_check_opens_a_new_connection_when_its_own_is_gone(app_dsn: str) -> None:
    call = IDS.new()
    check = CommittedStarts(app_dsn)
    async with await psycopg.AsyncConnection.connect(app_dsn, autocommit=True) as connection:
        await append(connection, started(call, 1))
        assert await check.committed(f"{call.hex}/1") is True
        await check.close()
        assert await check.committed(f"{call.hex}/1") is True
        assert await check.committed(f"{call.hex}/3") is False
        await check.close()
