"""A caller that leaves, a model that breaks off, a stop: the upstream is closed, the stream has an end, the money is booked."""

import asyncio
import json
import time
from decimal import Decimal
from uuid import UUID

import openai
import pytest

from tests.faults import books, hurt, load
from tests.journeys.installation import Installation, call_of

pytestmark = pytest.mark.faults
CLOSED_WITHIN_SECONDS = 1.5
SLOW = "[[sandbox tokens=40 chunks=40 delay=200ms]]"
INPUT_NANO, OUTPUT_NANO = 1_000, 10_000
"""1 EUR and 10 EUR a million tokens: what one costs."""


def _ask(text: str) -> dict[str, object]:
    return {"model": "one", "max_tokens": 60, "messages": [{"role": "user", "content": text}]}


async def _upstream_ended(it: Installation, call: UUID, seconds: float) -> tuple[str, float]:
    """How the call's last arrival ended at the upstream, and after how long."""
    began = time.monotonic()
    while (ended := (await asyncio.to_thread(it.upstream.arrivals, call))[-1]["ended"]) == "open":
        if time.monotonic() - began > seconds:
            break
        await asyncio.sleep(0.05)
    return ended, time.monotonic() - began


async def _settled(it: Installation, call: UUID) -> dict[str, object]:
    await asyncio.to_thread(it.wait_ended, call)
    (attempt,) = await asyncio.to_thread(it.attempts, call)
    return attempt


def _counted(attempt: dict[str, object]) -> int:
    """The counted charge: the input bound and every byte of output at its price, at most what was reserved."""
    tokens = attempt["tokens_input"] * INPUT_NANO + attempt["tokens_output"] * OUTPUT_NANO
    return min(tokens, attempt["reserved_nano"])


async def test_a_caller_leaves_a_stream(broken: Installation) -> None:
    async with load.client(broken) as sdk:
        chunks = await sdk.chat.completions.create(stream=True, **_ask(SLOW))
        call = call_of(chunks.response.headers)
        async for chunk in chunks:
            if chunk.choices and chunk.choices[0].delta.content:
                break
        await chunks.close()
    ended, after = await _upstream_ended(broken, call, 6.0)
    assert ended == "gone"
    assert after <= CLOSED_WITHIN_SECONDS
    attempt = await _settled(broken, call)
    assert broken.call(call)["state"] == "cancelled"
    assert (attempt["state"], attempt["basis"]) == ("failed", "counted")
    assert attempt["tokens_output"] > 0
    assert attempt["posted_nano"] == _counted(attempt)
    assert broken.entries(call)[-2:] == ["attempt.failed", "call.cancelled"]


async def test_a_caller_leaves_a_plain_call(broken: Installation) -> None:
    """It is paid for anyway, so it runs to its end and is charged by what was used."""
    async with load.client(broken) as sdk:
        before = {
            row["id"]
            for row in broken.rows("SELECT id FROM routing_call WHERE tenant = %s", load.TENANT)
        }
        task = asyncio.create_task(
            sdk.chat.completions.create(**_ask("[[sandbox tokens=30 latency=3s]]"))
        )
        call = await _new_started_call(broken, before)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    attempt = await _settled(broken, call)
    assert broken.call(call)["state"] == "completed"
    assert broken.upstream.arrivals(call)[-1]["ended"] == "answered"
    assert (attempt["state"], attempt["basis"]) == ("succeeded", "reported")
    tokens = attempt["tokens_input"] * INPUT_NANO + attempt["tokens_output"] * OUTPUT_NANO
    assert attempt["posted_nano"] == tokens


async def _new_started_call(it: Installation, before: set[UUID]) -> UUID:
    query = (
        "SELECT c.id FROM routing_call c JOIN routing_attempt a ON a.call = c.id"
        " WHERE c.tenant = %s AND a.state = 'started'"
    )
    for _ in range(200):
        found = {row["id"] for row in await asyncio.to_thread(it.rows, query, load.TENANT)} - before
        if found:
            return found.pop()
        await asyncio.sleep(0.05)
    raise AssertionError("no call was started")


async def test_a_model_breaks_a_stream_off(broken: Installation) -> None:
    async with load.client(broken) as sdk:
        chunks = await sdk.chat.completions.create(
            stream=True, **_ask("[[sandbox tokens=40 chunks=10 delay=100ms cut=after:4]]")
        )
        call = call_of(chunks.response.headers)
        error, text, _ = await _read(chunks)
    assert text
    assert isinstance(error, openai.APIError)
    assert not isinstance(error, openai.APIConnectionError)
    attempt = await _settled(broken, call)
    assert broken.call(call)["state"] == "failed"
    assert (attempt["state"], attempt["basis"]) == ("failed", "counted")
    assert attempt["tokens_output"] >= len(text.encode())
    assert attempt["posted_nano"] == _counted(attempt)


async def test_a_stop_cuts_what_streams(broken: Installation) -> None:
    async with load.client(broken) as sdk:
        chunks = await sdk.chat.completions.create(
            stream=True,
            **_ask("[[sandbox tokens=120 chunks=100 delay=200ms]]") | {"max_tokens": 200},
        )
        call = call_of(chunks.response.headers)
        reader = asyncio.create_task(_read(chunks))
        await asyncio.sleep(0.5)
        (stop, set_at) = await asyncio.to_thread(_stop, broken)
        try:
            error, _, ended_at = await reader
            refused = await load.call(sdk, load.Ask(0, plain="[[sandbox tokens=5]]"))
        finally:
            await asyncio.to_thread(broken.operate, "stop", "lift", stop)
    assert isinstance(error, openai.APIError)
    assert not isinstance(error, openai.APIConnectionError)
    assert ended_at - set_at <= CLOSED_WITHIN_SECONDS
    assert (refused.how, refused.error[:3]) == ("refused", "403")
    attempt = await _settled(broken, call)
    assert (broken.call(call)["state"], broken.call(call)["code"]) == ("failed", "stopped")
    assert (attempt["state"], attempt["basis"]) == ("failed", "counted")
    assert attempt["posted_nano"] == _counted(attempt)
    assert (await _upstream_ended(broken, call, 3.0))[0] == "gone"


async def _read(chunks: openai.AsyncStream) -> tuple[BaseException | None, str, float]:
    """Read a stream to its end: the error that the SDK raised, the text until then, and when it was."""
    text = ""
    try:
        async for chunk in chunks:
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
    except openai.APIError as error:
        return error, text, time.time()
    return None, text, time.time()


def _stop(it: Installation) -> tuple[str, float]:
    """Stop the tenant; the stop's id and when it was committed."""
    said = it.operate("stop", "set", "tenant", load.TENANT, "--reason", "tried", "--json")
    stop = json.loads(said.splitlines()[-1])["id"]
    (row,) = it.rows(
        "SELECT extract(epoch FROM set_at) AS at FROM policies_stop WHERE id = %s", stop
    )
    return stop, float(Decimal(row["at"]))


async def test_redis_is_away_when_a_call_comes(broken: Installation) -> None:
    """Nobody rings; the workers ask PostgreSQL, and the web looks at the row."""
    it = broken
    hurt.kill(it, hurt.VALKEY)
    async with load.client(it) as sdk:
        asks = load.asks(20, plain="[[sandbox tokens=5]]", streamed="[[sandbox tokens=5]]")
        outcomes = await asyncio.gather(*(load.call(sdk, ask) for ask in asks))
    assert {got.how for got in outcomes} == {"answered"}
    await asyncio.to_thread(books.check, it)
