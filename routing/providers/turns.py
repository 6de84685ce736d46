"""One upstream stream on its way to the caller: events in, the caller's bytes out."""

from dataclasses import replace
from typing import Protocol

from controlplane.kernel.ids import uuid7_time
from routing.dialects.base import Dialect, Event
from routing.exchange import CallRequest, StreamFailed, UnreadableAnswer, Usage
from routing.providers.base import Piece, Target
from routing.providers.logprobs import of_events


def created(target: Target) -> int:
    """When the call was made, in seconds since 1970, as answers of OpenAI's dialect say it."""
    return int(uuid7_time(target.call).timestamp())


class Turn(Protocol):
    """Turns upstream events into the caller's bytes, and knows whether the end was seen."""

    @property
    def finished(self) -> bool:
        """Whether the end was seen."""
        ...

    @property
    def output_bytes(self) -> int:
        """UTF-8 bytes of output so far."""
        ...

    @property
    def broken(self) -> StreamFailed | UnreadableAnswer | None:
        """What ended the stream early. What came before it is in the piece, so that it is charged."""
        ...

    def take(self, events: list[Event]) -> Piece:
        """What these events mean for the caller."""
        ...


class Spliced:
    """Same dialect: only id and model change."""

    def __init__(self, speaks: Dialect, request: CallRequest, target: Target) -> None:
        self._splice = speaks.splicer(
            target.call,
            target.public_model,
            include_usage=request.outline.include_usage,
            request=request,
        )
        self._usage: Usage | None = None
        self._finish: str | None = None
        self.finished = False
        self.output_bytes = 0
        self.broken: StreamFailed | UnreadableAnswer | None = None

    def take(self, events: list[Event]) -> Piece:
        """The events with id and model replaced."""
        splice = self._splice
        data = bytearray()
        try:
            for event in events:
                data += splice(event)
        except (StreamFailed, UnreadableAnswer) as error:
            self.broken = error
        usage = splice.usage if splice.usage is not self._usage else None
        finish = splice.finish if splice.finish != self._finish else None
        grown = splice.output_bytes - self.output_bytes
        self._usage, self._finish = splice.usage, splice.finish
        self.output_bytes, self.finished = splice.output_bytes, splice.finished
        return Piece(bytes(data), usage, finish, grown)


class Crossed:
    """Another dialect: events are read as chunks and written anew."""

    def __init__(
        self, theirs: Dialect, ours: Dialect, request: CallRequest, target: Target
    ) -> None:
        self._reader = theirs.reader()
        self._write = ours.writer(
            target.call,
            target.public_model,
            include_usage=request.outline.include_usage,
            created=created(target),
            request=request,
        )
        self.finished = False
        self.output_bytes = 0
        self.broken: StreamFailed | UnreadableAnswer | None = None

    def take(self, events: list[Event]) -> Piece:
        """The events as the caller's dialect writes them."""
        data = bytearray()
        usage: Usage | None = None
        finish: str | None = None
        before = self.output_bytes
        try:
            for chunk in (chunk for event in events for chunk in self._reader.chunks(event)):
                data += self._write(chunk)
                usage, finish = chunk.usage or usage, chunk.finish or finish
                self.output_bytes += chunk.output_bytes
        except (StreamFailed, UnreadableAnswer) as error:
            self.broken = error
        if self._reader.finished and not self.finished:
            self.finished = True
            data += self._write.end()
        return Piece(bytes(data), usage, finish, self.output_bytes - before)


class Measured:
    """Another turn, with the token probabilities of a chat upstream read, and hidden from who did not ask."""

    def __init__(self, turn: Turn, *, hide: bool) -> None:
        self._turn, self._hide = turn, hide

    @property
    def finished(self) -> bool:
        """Whether the end was seen."""
        return self._turn.finished

    @property
    def output_bytes(self) -> int:
        """UTF-8 bytes of output so far."""
        return self._turn.output_bytes

    @property
    def broken(self) -> StreamFailed | UnreadableAnswer | None:
        """What ended the stream early."""
        return self._turn.broken

    def take(self, events: list[Event]) -> Piece:
        """What the events mean for the caller, and how sure the model was of them."""
        shown, found = of_events(events, hide=self._hide)
        return replace(self._turn.take(shown), logprobs=found)
