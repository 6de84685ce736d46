"""`openai.responses`: POST /v1/responses, its stream, its errors, its list of models."""

from typing import Final
from uuid import UUID

import msgspec

from controlplane.kernel.errors import MandateError
from routing.dialects.base import StreamReader, StreamSplicer, StreamWriter
from routing.dialects.codec import Codec
from routing.dialects.errors import encoded, message_of, openai_error
from routing.dialects.openai_chat.dialect import OpenAIChat
from routing.dialects.openai_responses import answer as answers
from routing.dialects.openai_responses import reading, writing
from routing.dialects.openai_responses import request as requests
from routing.dialects.openai_responses.state import failure_of
from routing.dialects.openai_responses.stream import Reader, Splicer
from routing.dialects.openai_responses.stream_writer import Writer
from routing.dialects.spliced import as_event
from routing.dialects.sse import EventReader
from routing.exchange import Answer, CallRequest, Passed

_CHAT: Final = OpenAIChat()


class OpenAIResponses(Codec):
    """See `routing.dialects.base.Dialect`. Error answers and lists of models are those of the same SDK's other dialect."""

    name = "openai.responses"
    limit = requests.LIMIT
    requests = requests
    reading = reading
    writing = writing
    answers = answers
    keep_alive = _CHAT.keep_alive
    error_body = _CHAT.error_body
    models_body = _CHAT.models_body
    model_body = _CHAT.model_body

    def splice_request(
        self,
        request: CallRequest,
        *,
        model: str,
        max_output_tokens: int | None,
        limit_field: str = "",  # noqa: ARG002  # the interface's: this dialect has one name for it
    ) -> bytes:
        """See `Dialect.splice_request`."""
        return requests.splice_request(request, model=model, max_output_tokens=max_output_tokens)

    def pass_answer(
        self, body: bytes, *, call: UUID, model: str, request: CallRequest | None = None
    ) -> Passed:
        """See `Dialect.pass_answer`."""
        return answers.pass_answer(body, call=call, model=model, request=request)

    def encode_answer(
        self,
        answer: Answer,
        *,
        call: UUID,
        model: str,
        created: int,
        request: CallRequest | None = None,
    ) -> bytes:
        """See `Dialect.encode_answer`."""
        return answers.encode_answer(
            answer, call=call, model=model, created=created, request=request
        )

    def reader(self) -> StreamReader:
        """See `Dialect.reader`."""
        return Reader()

    def splicer(
        self,
        call: UUID,
        model: str,
        *,
        include_usage: bool,  # noqa: ARG002  # the interface's: a response's usage is always shown
        request: CallRequest | None = None,
    ) -> StreamSplicer:
        """See `Dialect.splicer`."""
        return Splicer(call, model, request)

    def writer(
        self,
        call: UUID,
        model: str,
        *,
        include_usage: bool,  # noqa: ARG002  # the interface's: a response's usage is always shown
        created: int,
        request: CallRequest | None = None,
    ) -> StreamWriter:
        """See `Dialect.writer`."""
        return Writer(call, model, created=created, request=request)

    def error_event(
        self,
        error: MandateError,
        call: UUID | None,  # noqa: ARG002  # the interface's
        *,
        sent: bytes = b"",
    ) -> bytes:
        """See `Dialect.error_event`. `response.failed` for who reads events, then what makes the SDK raise.

        INVARIANT: the last event is one that the SDK raises: of itself it raises at no event of this dialect but at any
        object with `error`.
        """
        out, number = _failed(error, sent)
        told = openai_error(error)
        event = {
            "type": "error",
            "sequence_number": number,
            "code": told["code"],
            "message": message_of(error),
            "param": told["param"],
            "error": told,
        }
        return out + as_event("error", encoded(event))


def _failed(error: MandateError, sent: bytes) -> tuple[bytes, int]:
    """`response.failed` for the response that `sent` began with, and the number of the event after it."""
    events = EventReader().feed(sent)
    if not events:
        return b"", 0
    begun = msgspec.json.decode(events[0].data)
    number = int(msgspec.json.decode(events[-1].data).get("sequence_number", -1)) + 1
    response = {**begun.get("response", {}), "status": "failed", "error": failure_of(error)}
    event = {"type": "response.failed", "sequence_number": number, "response": response}
    return as_event("response.failed", encoded(event)), number + 1
