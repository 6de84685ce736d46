"""One connection to Redis that many callers share: commands of one tick leave in one write, answers come back in order.

redis-py lends a connection to each command and reads its answer word by word: most of what a frame of a stream cost. It
still opens the connection here (addresses, passwords, TLS); the bytes on it are ours, in the second version of the
protocol. A command that was sent when the connection broke may or may not have been done: its caller is told so.
"""

import asyncio
from collections import deque
from typing import Any

import redis.asyncio
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as Away
from redis.exceptions import ResponseError

READ_BYTES = 1 << 16
LINE = b"\r\n"
_THIRD = ("maint_", "orig_", "himport_")

Reply = Any
"""An int, bytes, None, or a list of them."""


class Pipe:
    """One per process and purpose: a blocking read needs a pipe of its own. Connects when it is first asked."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._pool = client.connection_pool
        self._connecting = asyncio.Lock()
        self._line: _Line | None = None

    async def ask(self, *words: bytes) -> Reply:
        """The answer to one command. Raises RedisError or OSError: refused, away, or broken off in between."""
        line = self._line
        if line is None or line.ended:
            line = await self._connect()
        return await line.send(words)

    async def close(self) -> None:
        """End the connection; who still waits is told that it broke."""
        if self._line is not None:
            await self._line.close()

    async def _connect(self) -> "_Line":
        async with self._connecting:
            if self._line is None or self._line.ended:
                if self._line is not None:
                    await self._line.close()
                connection = self._pool.connection_class(**self._settings())
                await connection.connect()  # type: ignore[no-untyped-call]  # redis-py does not say
                self._line = _Line(connection)
            return self._line

    def _settings(self) -> dict[str, Any]:
        """What the client's pool would open a connection with, but for what needs the third version of the protocol."""
        given = self._pool.connection_kwargs.items()
        return {k: v for k, v in given if not k.startswith(_THIRD)} | {"protocol": 2}


class _Line:
    """One open connection: what is to be written at the end of this tick, and who waits for answers, in order."""

    def __init__(self, connection: AbstractConnection) -> None:
        reader, writer = connection._reader, connection._writer  # noqa: SLF001 - redis-py has no other way to hand them over
        if reader is None or writer is None:
            raise Away("the connection closed as it opened")
        self._connection, self._reader, self._writer = connection, reader, writer
        self._loop = asyncio.get_running_loop()
        self._out: list[bytes] = []
        self._waiting: deque[asyncio.Future[Reply]] = deque()
        self._task = asyncio.create_task(self._read())
        self.ended = False

    def send(self, words: tuple[bytes, ...]) -> "asyncio.Future[Reply]":
        """Send with whatever else is sent in this tick; the answer to come."""
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._waiting.append(answer)
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(packed(words))
        return answer

    async def close(self) -> None:
        """Stop reading and close."""
        self._task.cancel()
        await asyncio.wait({self._task})
        await self._connection.disconnect()

    def _flush(self) -> None:
        out, self._out = self._out, []
        if not self.ended:
            self._writer.write(b"".join(out))

    async def _read(self) -> None:
        """Hand out answers until the connection ends, then tell everybody who waits."""
        rest = bytearray()
        need = 0
        try:
            while data := await self._reader.read(READ_BYTES):
                rest += data
                if len(rest) >= need:
                    need = self._answer(rest)
        except OSError:
            pass
        finally:
            self.ended = True
            while self._waiting:
                _tell(self._waiting.popleft(), Away("the connection to Redis broke"))

    def _answer(self, rest: bytearray) -> int:
        """Take every whole answer off the front of `rest`; how long it must be before the next one can be whole."""
        data, at = bytes(rest), 0
        try:
            while at < len(data):
                reply, at = parsed(data, at)
                _tell(self._waiting.popleft(), reply)
        except Incomplete as more:
            return more.bytes - at
        finally:
            del rest[:at]
        return 0


def _tell(waiting: "asyncio.Future[Reply]", reply: Reply) -> None:
    if waiting.done():  # nobody waits for it any more
        return
    if isinstance(reply, Exception):
        waiting.set_exception(reply)
    else:
        waiting.set_result(reply)


class Incomplete(Exception):
    """More bytes are needed: at least `bytes` in all."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.bytes = count


def packed(words: tuple[bytes, ...]) -> bytes:
    """A command as it goes over the wire."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        parts += (b"$%d\r\n" % len(word), word, LINE)
    return b"".join(parts)


def parsed(data: bytes, at: int) -> tuple[Reply, int]:
    """The answer that begins at `at`, and where it ends; an error is a value here. Raises Incomplete, Away."""
    end = data.find(LINE, at)
    if end < 0:
        raise Incomplete(len(data) + 1)
    kind, word, after = data[at : at + 1], data[at + 1 : end], end + 2
    match kind:
        case b"+":
            return word, after
        case b":":
            return int(word), after
        case b"-":
            return ResponseError(word.decode(errors="replace")), after
        case b"$":
            return _bulk(data, int(word), after)
        case b"*":
            return _many(data, int(word), after)
    raise Away(f"Redis answered {kind!r}, which is not its protocol")


def _bulk(data: bytes, length: int, at: int) -> tuple[bytes | None, int]:
    if length < 0:
        return None, at
    end = at + length
    if end + 2 > len(data):
        raise Incomplete(end + 2)
    return data[at:end], end + 2


def _many(data: bytes, length: int, at: int) -> tuple[list[Reply] | None, int]:
    if length < 0:
        return None, at
    found = []
    for _ in range(length):
        one, at = parsed(data, at)
        found.append(one)
    return found, at
