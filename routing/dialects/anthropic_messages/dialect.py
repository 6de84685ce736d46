"""`anthropic.messages`: POST /v1/messages, its stream, its errors, its list of models."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from controlplane.kernel.errors import MandateError
from controlplane.kernel.ids import call_name
from routing.dialects.anthropic_messages import answer as answers
from routing.dialects.anthropic_messages import reading, writing
from routing.dialects.anthropic_messages import request as requests
from routing.dialects.anthropic_messages.stream import Reader, Splicer
from routing.dialects.anthropic_messages.stream_writer import Writer
from routing.dialects.base import StreamReader, StreamSplicer, StreamWriter
from routing.dialects.codec import Codec
from routing.dialects.errors import anthropic_error, encoded, headers_of
from routing.dialects.spliced import ENCODER, as_event
from routing.exchange import Answer, CallRequest, Conversation


class AnthropicMessages(Codec):
    """See `routing.dialects.base.Dialect`."""

    name = "anthropic.messages"
    limit = "max_tokens"
    requests = requests
    reading = reading
    writing = writing
    answers = answers

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

    def request_headers(self, conversation: Conversation) -> dict[str, str]:
        """See `Dialect.request_headers`."""
        return writing.request_headers(conversation)

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
