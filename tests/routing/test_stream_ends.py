"""Every stream ends with a word: what was left of the answer, or an event that the SDK raises."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from controlplane.kernel.errors import Unavailable
from routing import gateway, wire
from routing.dialects.registry import dialect
from routing.gateway import Web
from routing.relay import Frame, Mailbox, Outcome, pack_outcome
from routing.ticket import Ticket

CALL, KEY, NOW = UUID(int=9), bytes(32), datetime(2026, 11, 1, tzinfo=UTC)
CODEC = dialect("openai.chat")
EVENT = CODEC.error_event(Unavailable("no model answered", call=CALL), CALL)


class Caller:
    """The caller's end of the connection."""

    def __init__(self) -> None:
        self.started, self.status, self.body, self.ended = False, 0, b"", False

    async def start(self, status: int, _headers: Mapping[str, str]) -> None:
        self.started, self.status = True, status

    async def write(self, data: bytes) -> None:
        self.body += data

    async def finish(self, data: bytes = b"") -> None:
        self.body += data
        self.ended = True


async def relayed(*frames: Frame) -> Caller:
    """What a streaming caller has after these frames."""
    box, caller = Mailbox(CALL, KEY), Caller()
    for frame in frames:
        box.tell(frame)
    ticket = Ticket(
        call=CALL,
        frames_key=KEY,
        deadline=NOW + timedelta(seconds=60),
        stream=True,
        keeps_running=False,
        tenant="t",
        key="k",
        headers={},
    )
    web = cast("Web", SimpleNamespace(clock=lambda: NOW))
    line = gateway._Line(ticket, box, cast("Any", caller), CODEC)
    await asyncio.wait_for(gateway._relay(web, line), 5)
    return caller


def end(status: int, body: bytes, offset: int) -> Frame:
    outcome = Outcome(status, "application/json", {}, body, EVENT if status != 200 else b"")
    return Frame("end", offset, pack_outcome(outcome))


async def test_an_answer_ends_with_its_last_bytes() -> None:
    caller = await relayed(Frame("chunk", 0, b"data: 1\n\n"), end(200, b"data: [DONE]\n\n", 9))
    assert (caller.status, caller.body) == (200, b"data: 1\n\ndata: [DONE]\n\n")
    assert caller.ended


async def test_a_failure_in_an_open_stream_is_an_event() -> None:
    caller = await relayed(Frame("chunk", 0, b"data: 1\n\n"), end(502, b'{"error":{}}', 9))
    assert (caller.status, caller.body) == (200, b"data: 1\n\n" + EVENT)
    assert caller.ended


async def test_a_failure_before_the_stream_is_an_answer() -> None:
    caller = await relayed(end(502, b'{"error":{}}', 0))
    assert (caller.status, caller.body, caller.ended) == (502, b'{"error":{}}', True)


async def test_our_own_error_in_an_open_stream_is_an_event() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    connection = wire.Connection(cast("Any", None), send)
    await connection.start(200, {"content-type": "text/event-stream"})
    await wire.refuse(CODEC, Unavailable("this process is shutting down", call=CALL), connection)
    body = b"".join(message.get("body", b"") for message in sent)
    assert b"shutting down" in body
    assert body.startswith(b"data: ")
    assert sent[-1]["more_body"] is False


async def test_a_drain_reaches_every_open_line() -> None:
    with pytest.raises(Unavailable):
        await relayed(Frame("drain", 0, b""))
