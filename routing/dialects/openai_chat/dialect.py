"""`openai.chat`: POST /v1/chat/completions, its stream, its errors, its list of models."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from controlplane.kernel.errors import MandateError
from routing.dialects.base import StreamReader, StreamSplicer, StreamWriter
from routing.dialects.errors import encoded, headers_of, openai_error
from routing.dialects.openai_chat import answer as answers
from routing.dialects.openai_chat import reading, writing
from routing.dialects.openai_chat.request import parse_request, splice_request
from routing.dialects.openai_chat.stream import Reader, Splicer, Writer
from routing.dialects.spliced import ENCODER, as_event
from routing.exchange import Answer, CallRequest, Conversation, DialectName, Passed, Usage


class OpenAIChat:
    """See `routing.dialects.base.Dialect`."""

    name: Final[DialectName] = "openai.chat"

    def parse_request(self, raw: bytes, headers: Mapping[str, str], query: str) -> CallRequest:
        """See `Dialect.parse_request`."""
        return parse_request(raw, headers, query)

    def splice_request(
        self,
        request: CallRequest,
        *,
        model: str,
        max_output_tokens: int | None,
        limit_field: str = "",
    ) -> bytes:
        """See `Dialect.splice_request`."""
        return splice_request(
            request, model=model, max_output_tokens=max_output_tokens, limit_field=limit_field
        )

    def splice_notes(self, request: CallRequest, *, max_output_tokens: int | None) -> list[str]:  # noqa: ARG002  # the interface's
        """Nothing beyond what every splice does."""
        return []

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
        limit = {limit_field or "max_completion_tokens": max_output_tokens}
        return writing.encode_request(conversation, model=model, limit=limit, stream=stream)

    def request_headers(self, conversation: Conversation) -> dict[str, str]:  # noqa: ARG002  # the interface's
        """None are needed."""
        return {}

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
        created: int,
        request: CallRequest | None = None,  # noqa: ARG002  # the interface's
    ) -> bytes:
        """See `Dialect.encode_answer`."""
        return answers.encode_answer(answer, call=call, model=model, created=created)

    def reader(self) -> StreamReader:
        """See `Dialect.reader`."""
        return Reader()

    def splicer(
        self,
        call: UUID,
        model: str,
        *,
        include_usage: bool,
        request: CallRequest | None = None,  # noqa: ARG002  # the interface's
    ) -> StreamSplicer:
        """See `Dialect.splicer`."""
        return Splicer(call, model, include_usage=include_usage)

    def writer(
        self,
        call: UUID,
        model: str,
        *,
        include_usage: bool,
        created: int,
        request: CallRequest | None = None,  # noqa: ARG002  # the interface's
    ) -> StreamWriter:
        """See `Dialect.writer`."""
        return Writer(call, model, include_usage=include_usage, created=created)

    def keep_alive(self) -> bytes:
        """A comment: no client sees it."""
        return b": keep-alive\n\n"

    def error_body(
        self, error: MandateError, call: UUID | None
    ) -> tuple[int, dict[str, str], bytes]:
        """See `Dialect.error_body`."""
        return error.status, headers_of(error, call), encoded({"error": openai_error(error)})

    def error_event(self, error: MandateError, call: UUID | None, *, sent: bytes = b"") -> bytes:  # noqa: ARG002  # the interface's
        """See `Dialect.error_event`. Any object with `error` makes the SDK raise."""
        return as_event("", encoded({"error": openai_error(error)}))

    def models_body(self, names: Sequence[str], *, created: int = 0) -> bytes:
        """See `Dialect.models_body`."""
        return ENCODER.encode({"object": "list", "data": [_model(name, created) for name in names]})

    def model_body(self, name: str, *, created: int = 0) -> bytes:
        """See `Dialect.model_body`."""
        return ENCODER.encode(_model(name, created))


def _model(name: str, created: int) -> dict[str, object]:
    return {"id": name, "object": "model", "created": created, "owned_by": "mandate"}
