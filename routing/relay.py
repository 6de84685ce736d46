"""Chunks and outcomes from the worker to the waiting request: one Redis stream per web process.

Frames are AES-256-GCM under the call's frames key and carry the byte offset of what was sent before, so that a web
process which missed some (Redis flushed, killed, restarted) takes the rest from the vault and never from a guess.
"""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from redis.exceptions import RedisError

from routing.pipe import Pipe

log = structlog.get_logger(__name__)

STREAM_LENGTH = b"10000"
LARGEST_FRAME = 256 * 1024
BLOCK_MS = b"2000"
MOST_FRAMES = b"100"
RECONNECT_SECONDS = 0.25
TIDY_SECONDS = 1.0
FORGOTTEN_SECONDS = 600


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """What the caller gets in the end: an HTTP answer, rendered in the caller's dialect.

    A stream's body is its transcript. `event` is the same failure as an event, for a stream that is open already.
    """

    status: int
    content_type: str
    headers: dict[str, str]
    body: bytes
    event: bytes = b""


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One message to the waiting request.

    `chunk`: `data` follows the first `offset` bytes of the stream. `end`: `data` is the packed Outcome, its body cut to
    what follows `offset`. `stored`: the call has ended; read its answer from the vault.
    """

    kind: str
    offset: int
    data: bytes


def stream_name(web: UUID) -> bytes:
    """The Redis stream that this web process reads."""
    return b"mandate:reply:" + web.hex.encode()


_decode_frame = msgspec.msgpack.Decoder(Frame).decode
_decode_outcome = msgspec.msgpack.Decoder(Outcome).decode
_encode = msgspec.msgpack.Encoder().encode


def pack_outcome(outcome: Outcome) -> bytes:
    """An outcome as the vault keeps it."""
    return _encode(outcome)


def unpack_outcome(data: bytes) -> Outcome:
    """The reverse. Raises msgspec.DecodeError."""
    return _decode_outcome(data)


def seal_frame(key: bytes, call: UUID, frame: Frame) -> bytes:
    """Nonce and ciphertext; the call's id is authenticated with it."""
    nonce = secrets.token_bytes(12)
    return nonce + AESGCM(key).encrypt(nonce, _encode(frame), call.bytes)


def open_frame(key: bytes, call: UUID, sealed: bytes) -> Frame:
    """The frame. Raises cryptography.exceptions.InvalidTag for another call's or a forged one."""
    return _decode_frame(AESGCM(key).decrypt(sealed[:12], sealed[12:], call.bytes))


class Sender:
    """The worker's end for one call. Losing Redis loses nothing: the web asks PostgreSQL and the vault."""

    def __init__(self, pipe: Pipe, reply_to: UUID | None, call: UUID, key: bytes) -> None:
        self._pipe = pipe
        self._stream = stream_name(reply_to) if reply_to else None
        self._call = call
        self._key = key
        self._one_by_one = asyncio.Lock()
        self.sent = 0

    async def chunk(self, data: bytes) -> None:
        """Send the next bytes of the stream."""
        frame = Frame("chunk", self.sent, data)
        self.sent += len(data)
        await self._send(frame)

    async def end(self, outcome: Outcome) -> None:
        """Send how it ended; only what the caller has not yet."""
        rest = msgspec.structs.replace(outcome, body=outcome.body[self.sent :])
        small = len(rest.body) <= LARGEST_FRAME
        await self._send(
            Frame("end", self.sent, _encode(rest)) if small else Frame("stored", self.sent, b"")
        )

    async def _send(self, frame: Frame) -> None:
        if self._stream is None:
            return
        sealed = seal_frame(self._key, self._call, frame)
        fields = (b"c", self._call.bytes, b"f", sealed)
        try:
            async with self._one_by_one:
                await self._pipe.ask(
                    b"XADD", self._stream, b"MAXLEN", b"~", STREAM_LENGTH, b"*", *fields
                )
        except (RedisError, OSError) as error:
            log.warning("relay.unsent", call=self._call.hex, error=type(error).__name__)


class Mailbox:
    """Where one waiting request finds its frames."""

    def __init__(self, call: UUID, key: bytes) -> None:
        self._call = call
        self._key = key
        self._frames: asyncio.Queue[Frame] = asyncio.Queue()

    def put(self, sealed: bytes) -> None:
        """Take a frame in; one that does not open is not ours and is dropped."""
        try:
            self._frames.put_nowait(open_frame(self._key, self._call, sealed))
        except (InvalidTag, msgspec.DecodeError):
            log.warning("relay.unreadable", call=self._call.hex)

    def tell(self, frame: Frame) -> None:
        """A frame from within this process."""
        self._frames.put_nowait(frame)

    async def next(self, seconds: float) -> Frame | None:
        """The next frame, or None after `seconds`."""
        if not self._frames.empty():
            return self._frames.get_nowait()
        try:
            async with asyncio.timeout(seconds):
                return await self._frames.get()
        except TimeoutError:
            return None


class Replies:
    """The web process's end: reads its stream and hands frames to the mailboxes of waiting requests.

    The pipe is its own, since its reads block.
    """

    def __init__(self, pipe: Pipe, web: UUID) -> None:
        self._pipe = pipe
        self._stream = stream_name(web)
        self._boxes: dict[bytes, list[Mailbox]] = {}
        self._tidied_at = 0.0

    @contextmanager
    def expect(self, call: UUID, key: bytes) -> Iterator[Mailbox]:
        """Open the mailbox before the worker is rung."""
        box = Mailbox(call, key)
        self._boxes.setdefault(call.bytes, []).append(box)
        try:
            yield box
        finally:
            self._boxes[call.bytes].remove(box)
            if not self._boxes[call.bytes]:
                del self._boxes[call.bytes]

    def waiting(self) -> list[UUID]:
        """The calls whose requests wait here."""
        return [UUID(bytes=call) for call in self._boxes]

    def tell(self, call: UUID, frame: Frame) -> None:
        """Put a frame of our own into the call's mailboxes."""
        for box in self._boxes.get(call.bytes, ()):
            box.tell(frame)

    def drain(self) -> None:
        """Tell every waiting request that this process goes down."""
        for boxes in self._boxes.values():
            for box in boxes:
                box.tell(Frame("drain", 0, b""))

    async def run(self) -> None:
        """Read for ever; resumes from the last id after a broken connection."""
        last = b"0"
        while True:
            try:
                last = await self._read_from(last)
            except (RedisError, OSError) as error:
                log.warning("relay.unread", error=type(error).__name__)
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _read_from(self, last: bytes) -> bytes:
        """Deliver what came after `last`; the id of the newest."""
        found = await self._pipe.ask(
            b"XREAD", b"COUNT", MOST_FRAMES, b"BLOCK", BLOCK_MS, b"STREAMS", self._stream, last
        )
        for _stream, messages in found or ():
            for message, (_c, call, _f, sealed) in messages:
                self._deliver(call, sealed)
                last = message
        await self._tidy(last)
        return last

    async def _tidy(self, last: bytes) -> None:
        """Once a second drop what was read, and let the stream of a process that died end by itself."""
        now = asyncio.get_running_loop().time()
        if now - self._tidied_at >= TIDY_SECONDS:
            self._tidied_at = now
            await self._pipe.ask(b"XTRIM", self._stream, b"MINID", b"=", last)
            await self._pipe.ask(b"EXPIRE", self._stream, b"%d" % FORGOTTEN_SECONDS)

    def _deliver(self, call: bytes, sealed: bytes) -> None:
        for box in self._boxes.get(call, ()):
            box.put(sealed)
