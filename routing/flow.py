"""A stream on its way to the caller: sent at the first byte, then at most every 50 ms, and held back from its finish on."""

import asyncio

from routing.providers.base import Piece
from routing.relay import Sender

FLUSH_SECONDS = 0.05


class Flow:
    """Collects what a streamed attempt gives. `transcript` is all of it; `sent` is what went to the caller.

    From the piece that brings the finish on nothing is sent: the caller sees the end when it is committed. One that
    `holds` sends nothing at all.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self.holds = False
        self._flushed_at = 0.0
        self._held_at: int | None = None
        self._timer: asyncio.Task[None] | None = None
        self.transcript = bytearray()
        self.output_bytes = 0

    @property
    def sent(self) -> int:
        """How many bytes of the transcript were handed to the relay."""
        return self._sender.sent

    @property
    def shown(self) -> bytes:
        """What the caller has of a broken stream, once its end brings what was not sent yet; nothing where nothing was."""
        return bytes(self.transcript[: self._held_at]) if self.sent else b""

    async def take(self, piece: Piece) -> None:
        """Take a piece in, and send when it is time."""
        self.output_bytes += piece.output_bytes
        if piece.finish is not None and self._held_at is None:
            self._held_at = len(self.transcript)
        self.transcript += piece.data
        # INVARIANT: an answer that is checked first is not shown, not one byte of it, before it is accepted
        if self.holds:
            return
        if asyncio.get_running_loop().time() - self._flushed_at >= FLUSH_SECONDS:
            await self._flush()
        elif self._timer is None:
            self._timer = asyncio.create_task(self._flush_soon())

    def restart(self) -> None:
        """Forget what a held attempt gave: the next one begins anew."""
        self.transcript.clear()
        self.output_bytes, self._held_at = 0, None

    def close(self) -> None:
        """Send nothing more by itself; the end of the call brings the rest."""
        if self._timer is not None:
            self._timer.cancel()

    async def _flush_soon(self) -> None:
        await asyncio.sleep(FLUSH_SECONDS)
        self._timer = None
        await self._flush()

    async def _flush(self) -> None:
        pending = bytes(self.transcript[self._sender.sent : self._held_at])
        self._flushed_at = asyncio.get_running_loop().time()
        if pending:
            await self._sender.chunk(pending)
