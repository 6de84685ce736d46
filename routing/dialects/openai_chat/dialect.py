"""`openai.chat`: POST /v1/chat/completions, its stream, its errors, its list of models."""

from collections.abc import Sequence
from uuid import UUID

from controlplane.kernel.errors import MandateError
from routing.dialects.base import StreamReader, StreamSplicer, StreamWriter
from routing.dialects.codec import Codec
from routing.dialects.errors import encoded, headers_of, openai_error
from routing.dialects.openai_chat import answer as answers
from routing.dialects.openai_chat import reading, writing
from routing.dialects.openai_chat import request as requests
from routing.dialects.openai_chat.stream import Reader, Splicer, Writer
from routing.dialects.spliced import ENCODER, as_event
from routing.exchange import Answer, CallRequest


class OpenAIChat(Codec):
    """See `routing.dialects.base.Dialect`."""

    name = "openai.chat"
    limit = "max_completion_tokens"
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
