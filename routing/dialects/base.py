"""The interface of a dialect: one wire format, known in both directions. No state, no clock, no network."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from controlplane.kernel.errors import MandateError
from routing.exchange import Answer, CallRequest, Chunk, Conversation, DialectName, Passed, Usage


class Event(msgspec.Struct, frozen=True):
    """One server-sent event: its name (empty when it has none) and its data."""

    name: str
    data: bytes


class StreamReader(Protocol):
    """Reads an upstream's stream in its own dialect; one per stream."""

    finished: bool
    """Whether the dialect's terminal event was seen by `chunks`; a stream that ends without it was cut."""

    def feed(self, data: bytes) -> list[Event]:
        """The events completed by these bytes. Raises UnreadableAnswer when one is larger than 8 MiB."""
        ...

    def chunks(self, event: Event) -> list[Chunk]:
        """What an event says, as values. Raises UnreadableAnswer, or StreamFailed for the upstream's own error."""
        ...


class StreamSplicer(Protocol):
    """Turns each event of a same-dialect upstream into the caller's bytes; one per stream.

    Called with an event it returns bytes, which may be empty (an event the caller did not ask for). The attributes say
    what was seen so far: `finish` in the dialect's own word, `output_bytes` in UTF-8 bytes of text, thinking and tool
    arguments, `finished` once the terminal event passed. A stream that ends with neither finish nor terminal was cut.
    """

    usage: Usage | None
    finish: str | None
    output_bytes: int
    finished: bool

    def __call__(self, event: Event) -> bytes:
        """The event for the caller. Raises UnreadableAnswer, or StreamFailed for the upstream's own error."""
        ...

    def end(self) -> bytes:
        """The terminal event, for an upstream that stops after its finish without one; empty when it was passed on."""
        ...


class StreamWriter(Protocol):
    """Renders chunks as the caller's stream; one per stream. `end` closes it properly, once."""

    def __call__(self, chunk: Chunk) -> bytes:
        """The chunk as events; may be empty (a usage that is only written at the end)."""
        ...

    def end(self) -> bytes:
        """The terminal events: finish, usage when asked, `[DONE]` or `message_stop`."""
        ...


class Dialect(Protocol):
    """One wire format in both directions."""

    @property
    def name(self) -> DialectName:
        """The fact `request.dialect`."""
        ...

    def parse_request(self, raw: bytes, headers: Mapping[str, str], query: str) -> CallRequest:
        """Read what a caller sent; header names in lower case. Raises InvalidRequest or TooLarge."""
        ...

    def splice_request(
        self,
        request: CallRequest,
        *,
        model: str,
        max_output_tokens: int | None,
        limit_field: str = "",
    ) -> bytes:
        """The received bytes with only model, token limit and stream options replaced, by position.

        The limit written is the smaller of `max_output_tokens` and what the caller asked. `limit_field` is the name under
        which a missing limit is inserted, where a dialect has two (`max_tokens` for older compatible servers).
        """
        ...

    def splice_notes(self, request: CallRequest, *, max_output_tokens: int | None) -> list[str]:
        """What `splice_request` changes beyond that, in words: a thinking budget lowered or left out."""
        ...

    def conversation(self, request: CallRequest) -> Conversation:
        """The request as a value, for a model of another dialect. Raises InvalidRequest."""
        ...

    def encode_request(
        self,
        conversation: Conversation,
        *,
        model: str,
        max_output_tokens: int,
        stream: bool,
        limit_field: str = "",
    ) -> bytes:
        """The request in this dialect. Only for a conversation that `cannot_carry` returned nothing for."""
        ...

    def request_headers(self, conversation: Conversation) -> dict[str, str]:
        """Headers a crossing request needs at an upstream of this dialect, beyond what its client sends by itself."""
        ...

    def cannot_carry(self, conversation: Conversation) -> list[str]:
        """What this dialect has no place for, in words. Empty for a conversation of the same dialect."""
        ...

    def left_out(self, conversation: Conversation) -> list[str]:
        """The hints that are left out when the conversation comes from another dialect, to be reported."""
        ...

    def pass_answer(
        self, body: bytes, *, call: UUID, model: str, request: CallRequest | None = None
    ) -> Passed:
        """A same-dialect answer for the caller, with usage and finish read on the way.

        What was kept from the vendor stands in it as the `request` had it. Raises UnreadableAnswer, or StreamFailed for an
        answer that says it failed.
        """
        ...

    def splice_answer(self, body: bytes, *, call: UUID, model: str) -> bytes:
        """The answer with only `id` and `model` replaced. Raises UnreadableAnswer."""
        ...

    def usage(self, body: bytes) -> Usage | None:
        """The usage an answer reports, if it does. Raises UnreadableAnswer."""
        ...

    def read_answer(self, body: bytes) -> Answer:
        """The answer as a value. Raises UnreadableAnswer."""
        ...

    def encode_answer(
        self,
        answer: Answer,
        *,
        call: UUID,
        model: str,
        created: int,
        request: CallRequest | None = None,
    ) -> bytes:
        """The answer in this dialect; `created` in seconds since 1970. Some dialects repeat the `request`'s settings."""
        ...

    def reader(self) -> StreamReader:
        """A reader for one upstream stream."""
        ...

    def splicer(
        self, call: UUID, model: str, *, include_usage: bool, request: CallRequest | None = None
    ) -> StreamSplicer:
        """A splicer for one same-dialect stream; see `pass_answer`."""
        ...

    def writer(
        self,
        call: UUID,
        model: str,
        *,
        include_usage: bool,
        created: int,
        request: CallRequest | None = None,
    ) -> StreamWriter:
        """A writer for one stream that crosses dialects; see `encode_answer`."""
        ...

    def keep_alive(self) -> bytes:
        """Bytes that every client skips, to keep a stream open."""
        ...

    def error_body(
        self, error: MandateError, call: UUID | None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body in the shape that the dialect's SDK raises from."""
        ...

    def error_event(self, error: MandateError, call: UUID | None, *, sent: bytes = b"") -> bytes:
        """The same as what ends an open stream, of which `sent` went before it, where that is known."""
        ...

    def models_body(self, names: Sequence[str], *, created: int = 0) -> bytes:
        """The list of models; `created` in seconds since 1970."""
        ...

    def model_body(self, name: str, *, created: int = 0) -> bytes:
        """One of the list."""
        ...
