"""What every dialect does alike: its request, reading, writing and answer modules are handed in."""

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from routing.exchange import Answer, CallRequest, Conversation, DialectName, Passed, Usage


class Requests(Protocol):
    """A dialect's `request` module."""

    def parse_request(self, raw: bytes, headers: Mapping[str, str], query: str) -> CallRequest:
        """See `Dialect.parse_request`."""
        ...


class Reading(Protocol):
    """A dialect's `reading` module."""

    def conversation(self, request: CallRequest) -> Conversation:
        """See `Dialect.conversation`."""
        ...


class Writing(Protocol):
    """A dialect's `writing` module."""

    def encode_request(
        self, conversation: Conversation, *, model: str, limit: dict[str, int], stream: bool
    ) -> bytes:
        """The request, with the token limit under its name."""
        ...

    def cannot_carry(self, conversation: Conversation) -> list[str]:
        """See `Dialect.cannot_carry`."""
        ...

    def left_out(self, conversation: Conversation) -> list[str]:
        """See `Dialect.left_out`."""
        ...


class Answers(Protocol):
    """A dialect's `answer` module."""

    def pass_answer(self, body: bytes, *, call: UUID, model: str) -> Passed:
        """See `Dialect.pass_answer`."""
        ...

    def read_usage_of(self, body: bytes) -> Usage | None:
        """See `Dialect.usage`."""
        ...

    def read_answer(self, body: bytes) -> Answer:
        """See `Dialect.read_answer`."""
        ...


class Codec:
    """The common half of a dialect; see `routing.dialects.base.Dialect`."""

    name: DialectName
    limit: str
    """Under which name a token limit is written."""
    requests: Requests
    reading: Reading
    writing: Writing
    answers: Answers

    def parse_request(self, raw: bytes, headers: Mapping[str, str], query: str) -> CallRequest:
        """See `Dialect.parse_request`."""
        return self.requests.parse_request(raw, headers, query)

    def splice_notes(self, request: CallRequest, *, max_output_tokens: int | None) -> list[str]:  # noqa: ARG002  # the interface's
        """Nothing beyond what every splice does."""
        return []

    def conversation(self, request: CallRequest) -> Conversation:
        """See `Dialect.conversation`."""
        return self.reading.conversation(request)

    def encode_request(
        self,
        conversation: Conversation,
        *,
        model: str,
        max_output_tokens: int,
        stream: bool,
        limit_field: str = "",
    ) -> bytes:
        """See `Dialect.encode_request`."""
        limit = {limit_field or self.limit: max_output_tokens}
        return self.writing.encode_request(conversation, model=model, limit=limit, stream=stream)

    def request_headers(self, conversation: Conversation) -> dict[str, str]:  # noqa: ARG002  # the interface's
        """None are needed."""
        return {}

    def cannot_carry(self, conversation: Conversation) -> list[str]:
        """See `Dialect.cannot_carry`."""
        return [] if conversation.dialect == self.name else self.writing.cannot_carry(conversation)

    def left_out(self, conversation: Conversation) -> list[str]:
        """See `Dialect.left_out`."""
        return [] if conversation.dialect == self.name else self.writing.left_out(conversation)

    def pass_answer(
        self,
        body: bytes,
        *,
        call: UUID,
        model: str,
        request: CallRequest | None = None,  # noqa: ARG002  # the interface's
    ) -> Passed:
        """See `Dialect.pass_answer`."""
        return self.answers.pass_answer(body, call=call, model=model)

    def splice_answer(self, body: bytes, *, call: UUID, model: str) -> bytes:
        """See `Dialect.splice_answer`."""
        return self.answers.pass_answer(body, call=call, model=model).body

    def usage(self, body: bytes) -> Usage | None:
        """See `Dialect.usage`."""
        return self.answers.read_usage_of(body)

    def read_answer(self, body: bytes) -> Answer:
        """See `Dialect.read_answer`."""
        return self.answers.read_answer(body)
