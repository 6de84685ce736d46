"""The load: a process of its own, so that its CPU is nobody else's. `python -m routing.bench.load '{"url": …}'` prints JSON."""

import asyncio
import sys
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import msgspec
import uvloop

PROMPTS = 1_000
TEXT = "The roof leaks since the storm of Tuesday night; the ceiling of the bedroom is wet. " * 40
"""About 3.4 kB, so that with its frame a request is near 4 kB."""


class Ask(msgspec.Struct):
    """What to do: `calls` requests by `callers` at once, or at `rate` a second when it is above 0."""

    url: str
    key: str
    model: str
    calls: int
    callers: int = 64
    rate: float = 0.0
    stream: bool = False
    directive: str = ""


class Told(msgspec.Struct):
    """What came of it; milliseconds, in the order of their end."""

    calls: int
    errors: int
    seconds: float
    latencies_ms: list[float]
    first_ms: list[float]


class Load:
    """One run."""

    def __init__(self, ask: Ask, session: aiohttp.ClientSession) -> None:
        self._ask = ask
        self._session = session
        self.errors = 0
        self.latencies: list[float] = []
        self.firsts: list[float] = []

    async def run(self) -> None:
        """Closed loop, or open loop at a rate."""
        numbers = iter(range(self._ask.calls))
        if self._ask.rate:
            await self._open_loop(numbers)
        else:
            await asyncio.gather(*(self._caller(numbers) for _ in range(self._ask.callers)))

    async def _caller(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            await self._call(number)

    async def _open_loop(self, numbers: Iterator[int]) -> None:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in numbers:
                wait = began + number / self._ask.rate - time.perf_counter()
                await asyncio.sleep(max(0.0, wait))
                tasks.create_task(self._call(number))

    async def _call(self, number: int) -> None:
        prompt = f"claim {number % PROMPTS}: {TEXT}{self._ask.directive}"
        body = {
            "model": self._ask.model,
            "max_tokens": 200,
            "stream": self._ask.stream,
            "messages": [{"role": "user", "content": prompt}],
        }
        began = time.perf_counter()
        try:
            async with self._session.post(self._ask.url, json=body) as answer:
                first = await answer.content.readany()
                self.firsts.append((time.perf_counter() - began) * 1000)
                rest = await answer.read()
                bad = answer.status != 200 or (self._ask.stream and b"[DONE]" not in first + rest)
        except (aiohttp.ClientError, TimeoutError):
            bad = True
        self.errors += bad
        self.latencies.append((time.perf_counter() - began) * 1000)


async def run(ask: Ask) -> Told:
    """Do it."""
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"Authorization": f"Bearer {ask.key}"}
    timeout = aiohttp.ClientTimeout(total=150)
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, timeout=timeout
    ) as session:
        load, began = Load(ask, session), time.perf_counter()
        await load.run()
        seconds = time.perf_counter() - began
    return Told(len(load.latencies), load.errors, seconds, load.latencies, load.firsts)


def main(argv: list[str]) -> None:
    """One JSON object in, one out."""
    told: Any = uvloop.run(run(msgspec.json.decode(argv[1].encode(), type=Ask)))
    sys.stdout.buffer.write(msgspec.json.encode(told))


if __name__ == "__main__":
    main(sys.argv)
