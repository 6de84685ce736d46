"""`anthropic.messages`: POST /v1/messages, its stream, its errors, its list of models."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from controlplane.kernel.errors import MandateError
from controlplane.kernel.ids import call_name
from routing.dialects.anthropic_messages import answer as answers
from routing.dialects.anthropic_messages import reading, writing
from routing.dialects.anthropic_messages import request as requests
from routing.dialects.anthropic_messages.stream import Reader, Splicer
from routing.dialects.anthropic_messages.stream_writer import Writer
from routing.dialects.base import StreamReader, StreamSplicer, StreamWriter
from routing.dialects.errors import anthropic_error, encoded, headers_of
from routing.dialects.spliced import ENCODER, as_event
from routing.exchange import Answer, CallRequest, Conversation, DialectName, Passed, Usage


class AnthropicMessages:
    """See `routing.dialects.base.Dialect`."""

    name: Final[DialectName] = "anthropic.messages"

    def parse_request(self, raw: bytes, headers: Mapping[str, str], query: str) -> CallRequest:
        """See `Dialect.parse_request`."""
        return requests.parse_request(raw, headers, query)

    def splice_request(
        self,
        request: CallRequest,
        *,
        model: str,
        max_output_tokens: int | None,
        limit_field: str = "",
    ) -> bytes:
        """See `Dialect.splice_request`."""
        return requests.splice_request(
            request, model=model, max_output_tokens=max_output_tokens, limit_field=limit_field
        )

    def splice_notes(self, request: CallRequest, *, max_output_tokens: int | None) -> list[str]:
        """See `Dialect.splice_notes`."""
        return requests.splice_notes(request, max_output_tokens=max_output_tokens)

    def conversation(self, request: CallRequest) -> Conversation:
        """See `Dialect.conversation`."""
        return reading.conversation(request)

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
        limit = {limit_field or "max_tokens": max_output_tokens}
        return writing.encode_request(conversation, model=model, limit=limit, stream=stream)

    def request_headers(self, conversation: Conversation) -> dict[str, str]:
        """See `Dialect.request_headers`."""
        return writing.request_headers(conversation)

    def cannot_carry(self, conversation: Conversation) -> list[str]:
        """See `Dialect.cannot_carry`."""
        return [] if conversation.dialect == self.name else writing.cannot_carry(conversation)

    def left_out(self, conversation: Conversation) -> list[str]:
        """See `Dialect.left_out`."""
        return [] if conversation.dialect == self.name else writing.left_out(conversation)

    def pass_answer(
        self,
        body: bytes,
        *,
        call: UUID,
        model: str,
        request: CallRequest | None = None,  # noqa: ARG002  # the interface's
    ) -> Passed:
        """See `Dialect.pass_answer`."""
        return answers.pass_answer(body, call=call, model=model)

    def splice_answer(self, body: bytes, *, call: UUID, model: str) -> bytes:
        """See `Dialect.splice_answer`."""
        return answers.pass_answer(body, call=call, model=model).body

    def usage(self, body: bytes) -> Usage | None:
        """See `Dialect.usage`."""
        return answers.read_usage_of(body)

    def read_answer(self, body: bytes) -> Answer:
        """See `Dialect.read_answer`."""
        return answers.read_answer(body)

    def encode_answer(
        self,
        answer: Answer,
        *,
        call: UUID,
        model: str,
        created: int,  # noqa: ARG002  # the interface's
        request: CallRequest | None = None,  # noqa: ARG002  # the interface's
    ) -> bytes:
        """See `Dialect.encode_answer`. A message carries no time."""
        return answers.encode_answer(answer, call=call, model=model)

    def reader(self) -> StreamReader:
        """See `Dialect.reader`."""
        return Reader()

    def splicer(
        self,
        call: UUID,
        model: str,
        *,
        include_usage: bool,  # noqa: ARG002  # the interface's
        request: CallRequest | None = None,  # noqa: ARG002  # the interface's
    ) -> StreamSplicer:
        """See `Dialect.splicer`. A message's usage is always shown."""
        return Splicer(call, model)

    def writer(
        self,
        call: UUID,
        model: str,
        *,
        include_usage: bool,  # noqa: ARG002  # the interface's
        created: int,  # noqa: ARG002  # the interface's
        request: CallRequest | None = None,  # noqa: ARG002  # the interface's
    ) -> StreamWriter:
        """See `Dialect.writer`. A message's usage is always shown, and carries no time."""
        return Writer(call, model)

    def keep_alive(self) -> bytes:
        """A ping, which may come at any place of the stream."""
        return b'event: ping\ndata: {"type":"ping"}\n\n'

    def error_body(
        self, error: MandateError, call: UUID | None
    ) -> tuple[int, dict[str, str], bytes]:
        """See `Dialect.error_body`."""
        return error.status, headers_of(error, call), encoded(_error(error, call))

    def error_event(self, error: MandateError, call: UUID | None, *, sent: bytes = b"") -> bytes:  # noqa: ARG002  # the interface's
        """See `Dialect.error_event`. The name makes the SDK raise."""
        return as_event("error", encoded(_error(error, call)))

    def models_body(self, names: Sequence[str], *, created: int = 0) -> bytes:
        """See `Dialect.models_body`."""
        body = {
            "data": [_model(name, created) for name in names],
            "has_more": False,
            "first_id": names[0] if names else None,
            "last_id": names[-1] if names else None,
        }
        return ENCODER.encode(body)

    def model_body(self, name: str, *, created: int = 0) -> bytes:
        """See `Dialect.model_body`."""
        return ENCODER.encode(_model(name, created))


def _error(error: MandateError, call: UUID | None) -> dict[str, object]:
    request_id = None if call is None else call_name(call)
    return {"type": "error", "error": anthropic_error(error), "request_id": request_id}


def _model(name: str, created: int) -> dict[str, object]:
    moment = datetime.fromtimestamp(created, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": moment,
        "lifecycle": "active",
    }
