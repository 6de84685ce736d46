"""A hundred callers with the real client, and what each of them got in the end."""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx2
import openai

from tests.journeys.installation import Installation, exchange

TENANT, KEY = "j-faults", "j-faults/desk"
CALLERS = 110
AT_LEAST = 100
GATHER_SECONDS = 25.0
"""For less than anybody waits for a model here: 30 s for its first word."""
PATIENCE_SECONDS = 75.0
PLAIN = "[[sandbox tokens=30 latency=6s]]"
STREAMED = "[[sandbox tokens=30 chunks=12 delay=500ms]]"


@dataclass(frozen=True)
class Ask:
    """One caller. A quarter each: plain, streamed, plain with an Idempotency-Key, streamed with one."""

    no: int
    idempotency_key: str = ""
    plain: str = PLAIN
    streamed: str = STREAMED

    @property
    def stream(self) -> bool:
        return self.no % 2 == 1

    @property
    def route(self) -> str:
        """Half of them allow a second attempt after a lost worker, half do not."""
        return "both" if self.no // 4 % 2 else "one"

    def body(self) -> dict[str, Any]:
        text = f"Claim {self.no}: water. {self.streamed if self.stream else self.plain}"
        given: dict[str, Any] = {"model": self.route, "max_tokens": 50}
        if self.idempotency_key:
            given["extra_headers"] = {"idempotency-key": self.idempotency_key}
        return given | {"messages": [{"role": "user", "content": text}]}


@dataclass
class Outcome:
    """What a caller got. `answered`; `refused` by an error of the SDK with a message from us; `broken`: the connection
    ended and the SDK said so; `torn`: a stream that ended without a word; `nothing` in time."""

    ask: Ask
    how: str = "nothing"
    call: UUID | None = None
    text: str = ""
    error: str = ""


@dataclass
class Fired:
    """What was going on when the fault came, and what became of it."""

    in_flight: int = 0
    at_a_model: int = 0
    outcomes: list[Outcome] = field(default_factory=list)

    def how(self) -> Counter[str]:
        return Counter(outcome.how for outcome in self.outcomes)

    def those(self, how: str) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.how == how]

    def errors(self) -> Counter[str]:
        return Counter(outcome.error for outcome in self.outcomes if outcome.error)


def asks(count: int = CALLERS, **changes: str) -> list[Ask]:
    """The callers of one run; keys are of this run alone."""
    run = uuid4().hex[:12]
    return [Ask(no, f"{run}-{no}" if no % 4 >= 2 else "", **changes) for no in range(count)]


def client(it: Installation) -> openai.AsyncOpenAI:
    """The SDK as callers use it, without its own retries."""
    return openai.AsyncOpenAI(
        base_url=f"{it.url}/v1", api_key=it.keys[KEY], max_retries=0, timeout=PATIENCE_SECONDS
    )


async def call(sdk: openai.AsyncOpenAI, ask: Ask) -> Outcome:
    """One call to its end, whatever that is."""
    got = Outcome(ask)
    try:
        await (_streamed(sdk, got) if ask.stream else _plain(sdk, got))
    except openai.APITimeoutError as error:
        got.how, got.error = "nothing", repr(error)
    except (openai.APIConnectionError, httpx2.HTTPError) as error:
        got.how, got.error = "broken", type(error).__name__
    except openai.APIStatusError as error:
        got.how, got.error = "refused", f"{error.status_code} {error.code}"
    except openai.APIError as error:
        got.how, got.error = "refused", f"event {error.code}"
    return got


async def _plain(sdk: openai.AsyncOpenAI, got: Outcome) -> None:
    answer = await sdk.chat.completions.create(**got.ask.body())
    got.how, got.call = "answered", UUID(hex=answer.id.removeprefix("chatcmpl-"))
    got.text = answer.choices[0].message.content or ""


async def _streamed(sdk: openai.AsyncOpenAI, got: Outcome) -> None:
    chunks = await sdk.chat.completions.create(stream=True, **got.ask.body())
    finish = ""
    async for chunk in chunks:
        got.call = UUID(hex=chunk.id.removeprefix("chatcmpl-"))
        for choice in chunk.choices:
            got.text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    got.how = "answered" if finish else "torn"


async def fire(
    it: Installation,
    callers: Sequence[Ask],
    fault: Callable[[], Awaitable[None] | None],
    started: int = 0,
) -> Fired:
    """Start all callers, wait until enough are in flight, do the fault, and wait for every caller.

    The upstream answers nobody until then, so that the first are not done before the last have begun.
    """
    fired = Fired()
    await asyncio.to_thread(_gate, it, "close")
    async with client(it) as sdk:
        tasks = [asyncio.create_task(call(sdk, ask)) for ask in callers]
        wanted = min(len(callers), AT_LEAST)
        try:
            fired.in_flight, fired.at_a_model = await _in_flight(
                it, wanted, started or wanted * 4 // 5
            )
        finally:
            await asyncio.to_thread(_gate, it, "open")
        waits = fault()
        if waits is not None:
            await waits
        done, late = await asyncio.wait(tasks, timeout=PATIENCE_SECONDS)
        for task in late:
            task.cancel()
        fired.outcomes = [task.result() for task in done]
        fired.outcomes += [Outcome(callers[0], error="still waiting") for _ in late]
    return fired


async def _in_flight(it: Installation, wanted: int, started: int) -> tuple[int, int]:
    """How many calls have not ended, and how many of them are at a model; as soon as there are enough, or the most seen."""
    most, until = (0, 0), time.monotonic() + GATHER_SECONDS
    while time.monotonic() < until:
        found = await asyncio.to_thread(_open, it)
        most = max(most, found)
        if found[0] >= wanted and found[1] >= started:
            return found
        await asyncio.sleep(0.05)
    return most


def _gate(it: Installation, how: str) -> None:
    assert exchange(it.upstream.port, "POST", f"/_gate/{how}").status == 204


def _open(it: Installation) -> tuple[int, int]:
    (row,) = it.rows(
        "SELECT count(DISTINCT c.id) AS calls, count(a.call) AS started FROM routing_call c LEFT JOIN routing_attempt a"
        " ON a.call = c.id AND a.state = 'started' WHERE c.tenant = %s AND c.finished_at IS NULL",
        TENANT,
    )
    return row["calls"], row["started"]


def call_of_key(it: Installation, idempotency_key: str) -> dict[str, Any] | None:
    """The row of the call that an Idempotency-Key stands for."""
    found = it.rows(
        "SELECT c.* FROM routing_idempotency i JOIN routing_call c ON c.id = i.call WHERE i.hash = %s",
        hashlib.sha256(idempotency_key.encode()).digest(),
    )
    return found[0] if found else None
