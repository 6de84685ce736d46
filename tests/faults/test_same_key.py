"""The web process that has a call dies: its client raises a broken connection, and the same Idempotency-Key brings the answer."""

import asyncio
import time
from typing import Any
from uuid import UUID, uuid4

import anthropic
import httpx2
import openai
import pytest

from tests.faults import books, hurt, load
from tests.journeys.installation import Installation

pytestmark = pytest.mark.faults
WORDS = "the roof is covered"
PLAIN = f"Is it? [[sandbox say='{WORDS}' latency=5s]]"
STREAMED = f"Is it? [[sandbox say='{WORDS}' chunks=4 delay=1500ms]]"


def _given(content: str) -> dict[str, Any]:
    asked = [{"role": "user", "content": content}]
    return {"model": "one", "max_tokens": 50, "messages": asked}


async def _chat(it: Installation, key: str) -> str:
    async with load.client(it) as sdk:
        same = {"idempotency-key": key}
        answer = await sdk.chat.completions.create(extra_headers=same, **_given(PLAIN))
        return answer.choices[0].message.content or ""


async def _stream(it: Installation, key: str) -> str:
    async with load.client(it) as sdk:
        same = {"idempotency-key": key}
        chunks = await sdk.chat.completions.create(
            extra_headers=same, stream=True, **_given(STREAMED)
        )
        return "".join([c.choices[0].delta.content or "" async for c in chunks if c.choices])


async def _responses(it: Installation, key: str) -> str:
    async with load.client(it) as sdk:
        same = {"idempotency-key": key}
        asked = {"model": "one", "input": PLAIN}
        return (await sdk.responses.create(extra_headers=same, **asked)).output_text


async def _messages(it: Installation, key: str) -> str:
    sdk = anthropic.AsyncAnthropic(
        base_url=it.url, api_key=it.keys[load.KEY], max_retries=0, timeout=load.PATIENCE_SECONDS
    )
    async with sdk:
        answer = await sdk.messages.create(extra_headers={"idempotency-key": key}, **_given(PLAIN))
        return "".join(block.text for block in answer.content if block.type == "text")


CALLERS = (_chat, _stream, _responses, _messages)
BROKEN = (openai.APIConnectionError, anthropic.APIConnectionError, httpx2.TransportError)


async def test_the_same_key_after_the_web_process_died(broken: Installation) -> None:
    printed: dict[str, list[str]] = {uuid4().hex: [] for _ in CALLERS}
    mine = list(zip(CALLERS, printed, strict=True))

    async def print_answer(caller: Any, key: str) -> bool:
        """What a caller's program does; whether its connection broke."""
        try:
            printed[key].append(await caller(broken, key))
        except BROKEN:
            return True
        return False

    first = [asyncio.create_task(print_answer(caller, key)) for caller, key in mine]
    calls = await _at_their_models(broken, list(printed))
    hurt.kill(broken, hurt.WEB)
    assert await asyncio.gather(*first) == [True] * len(CALLERS)
    assert list(printed.values()) == [[]] * len(CALLERS)

    await asyncio.to_thread(hurt.wait_ready, broken)
    assert await asyncio.gather(*(print_answer(*one) for one in mine)) == [False] * len(CALLERS)
    assert list(printed.values()) == [[WORDS]] * len(CALLERS)
    for key, call in calls.items():
        row = load.call_of_key(broken, key)
        assert row is not None
        assert (row["id"], row["state"]) == (call, "completed")
        assert [attempt["state"] for attempt in broken.attempts(call)] == ["succeeded"]
        assert [seen["ended"] for seen in broken.upstream.arrivals(call)] == ["answered"]
    await asyncio.to_thread(books.check, broken)


async def _at_their_models(it: Installation, keys: list[str]) -> dict[str, UUID]:
    """The calls of these keys, once each is at its model."""
    until = time.monotonic() + 30
    while True:
        rows = {key: await asyncio.to_thread(load.call_of_key, it, key) for key in keys}
        calls = {key: row["id"] for key, row in rows.items() if row}
        states = [a["state"] for call in calls.values() for a in it.attempts(call)]
        if states == ["started"] * len(keys):
            return calls
        assert time.monotonic() < until, (rows, states)
        await asyncio.sleep(0.05)
