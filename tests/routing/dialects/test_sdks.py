"""The real clients read what we render: typed answers, streams through their own decoders, errors they raise."""

from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from controlplane.kernel.errors import (
    BudgetExhausted,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    InvalidRequest,
    MandateError,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UpstreamFailed,
)
from routing.dialects import Dialect
from routing.exchange import Answer, Choice, Text, ToolCall, Usage
from tests.routing.dialects.material import (
    CALL,
    CALL_NAME,
    CHAT,
    CHAT_ID,
    CHAT_STREAM,
    HELLO,
    MESSAGES,
    MESSAGES_STREAM,
    MSG_ID,
    events,
)

ANSWERS = [
    Answer(choices=(Choice((Text("Grüße"),), "stop"),), usage=Usage(6, 4, 2, 3)),
    Answer(
        choices=(Choice((Text("a"), ToolCall("c1", "look", '{"q":1}')), "tool_calls"),),
        usage=Usage(1, 0, 0, 1),
    ),
    Answer(choices=(Choice((), "refusal", refusal="no"),), usage=Usage(1, 0, 0, 1)),
    Answer(
        choices=(Choice((Text("a"),), "length"), Choice((Text("b"),), "stop", index=1)),
        usage=Usage(),
    ),
]


class Seen:
    """A transport that answers every request with the same bytes and counts them."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.count = 0
        self._answer = (status, headers, body)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.count += request.url.host == "mandate.example"
        status, headers, body = self._answer
        return httpx2.Response(status, headers=headers, content=body)


def openai_client(seen: Seen) -> openai.OpenAI:
    http = httpx2.Client(transport=httpx2.MockTransport(seen))
    return openai.OpenAI(api_key="k", base_url="http://mandate.example/v1", http_client=http)


def anthropic_client(seen: Seen) -> anthropic.Anthropic:
    http = httpx2.Client(transport=httpx2.MockTransport(seen))
    return anthropic.Anthropic(api_key="k", base_url="http://mandate.example", http_client=http)


def ask_openai(seen: Seen, **options: Any) -> Any:
    with openai_client(seen) as client:
        result = client.chat.completions.create(model="triage", messages=HELLO, **options)  # type: ignore[arg-type]  # plain dicts
        return list(result) if options.get("stream") else result


def ask_anthropic(seen: Seen, **options: Any) -> Any:
    with anthropic_client(seen) as client:
        result = client.messages.create(model="triage", max_tokens=9, messages=HELLO, **options)  # type: ignore[arg-type]  # plain dicts
        return list(result) if options.get("stream") else result


@pytest.mark.parametrize("answer", ANSWERS)
def test_answers_are_strictly_valid(answer: Answer) -> None:
    body = CHAT.encode_answer(answer, call=CALL, model="triage", created=1700000000)
    completion = ChatCompletion.model_validate_json(body, strict=True)
    assert (completion.id, completion.model) == (CHAT_ID, "triage")
    assert completion.usage is not None
    message = Message.model_validate_json(
        MESSAGES.encode_answer(answer, call=CALL, model="triage", created=0), strict=True
    )
    assert (message.id, message.model) == (MSG_ID, "triage")
    assert completion.usage.total_tokens == sum(
        (
            message.usage.input_tokens,
            message.usage.cache_read_input_tokens or 0,
            message.usage.cache_creation_input_tokens or 0,
            message.usage.output_tokens,
        )
    )


def stream_bytes(theirs: Dialect, ours: Dialect, data: bytes, *, keep_alive: bool = True) -> bytes:
    reader = theirs.reader()
    write = ours.writer(CALL, "triage", include_usage=True, created=1700000000)
    body = ours.keep_alive() if keep_alive else b""
    for found in reader.feed(data):
        for one in reader.chunks(found):
            body += write(one) + (ours.keep_alive() if keep_alive else b"")
    return body + write.end()


STREAMS = [(CHAT, CHAT_STREAM), (MESSAGES, MESSAGES_STREAM)]


@pytest.mark.parametrize(("theirs", "data"), STREAMS)
def test_every_event_we_write_is_strictly_valid(theirs: Dialect, data: bytes) -> None:
    for one in events(CHAT, stream_bytes(theirs, CHAT, data))[:-1]:
        ChatCompletionChunk.model_validate_json(one.data, strict=True)
    event: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
    for one in events(MESSAGES, stream_bytes(theirs, MESSAGES, data)):
        if one.name != "ping":
            event.validate_json(one.data, strict=True)


@pytest.mark.parametrize(("theirs", "data"), STREAMS)
def test_the_openai_client_reads_our_stream(theirs: Dialect, data: bytes) -> None:
    body = stream_bytes(theirs, CHAT, data)
    chunks = ask_openai(Seen(200, {"content-type": "text/event-stream"}, body), stream=True)
    assert {chunk.id for chunk in chunks} == {CHAT_ID}
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices).startswith(
        "Grüße"
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens in {3, 7}
    if theirs is MESSAGES:
        calls = [c for chunk in chunks[:-1] for c in chunk.choices[0].delta.tool_calls or ()]
        assert "".join(c.function.arguments for c in calls if c.index == 0) == '{"q":"x"}'
        assert [c.id for c in calls if c.id] == ["toolu_1", "toolu_2"]


@pytest.mark.parametrize(("theirs", "data"), STREAMS)
def test_the_anthropic_client_reads_our_stream(theirs: Dialect, data: bytes) -> None:
    body = stream_bytes(theirs, MESSAGES, data)
    with (
        anthropic_client(Seen(200, {"content-type": "text/event-stream"}, body)) as client,
        client.messages.stream(model="triage", max_tokens=9, messages=HELLO) as stream,  # type: ignore[arg-type]  # plain dicts
    ):
        message = stream.get_final_message()
    assert message.id == MSG_ID
    assert message.content[0].type == "text"
    assert message.content[0].text.startswith("Grüße")
    assert message.usage.output_tokens in {3, 7}
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) in {(6, 4), (9, 4)}
    if theirs is MESSAGES:
        assert message.stop_reason == "tool_use"
        assert [(b.name, b.input) for b in message.content if b.type == "tool_use"] == [
            ("look", {"q": "x"}),
            ("stop", {}),
        ]


def test_the_clients_read_spliced_streams() -> None:
    for include_usage in (True, False):
        splice = CHAT.splicer(CALL, "triage", include_usage=include_usage)
        body = b"".join(splice(one) for one in events(CHAT, CHAT_STREAM))
        chunks = ask_openai(Seen(200, {"content-type": "text/event-stream"}, body), stream=True)
        assert {(chunk.id, chunk.model) for chunk in chunks} == {(CHAT_ID, "triage")}
        assert (chunks[-1].usage is not None) is include_usage
    splice = MESSAGES.splicer(CALL, "triage", include_usage=False)
    body = b"".join(splice(one) for one in events(MESSAGES, MESSAGES_STREAM))
    found = ask_anthropic(Seen(200, {"content-type": "text/event-stream"}, body), stream=True)
    assert (found[0].message.id, found[0].message.model) == (MSG_ID, "triage")
    assert [one.type for one in found][-2:] == ["message_delta", "message_stop"]


RAISED: list[tuple[MandateError, type[Exception], type[Exception]]] = [
    (InvalidRequest("no"), openai.BadRequestError, anthropic.BadRequestError),
    (Unauthenticated("no"), openai.AuthenticationError, anthropic.AuthenticationError),
    (Forbidden("no"), openai.PermissionDeniedError, anthropic.PermissionDeniedError),
    (NotFound("no", routes=["a"]), openai.NotFoundError, anthropic.NotFoundError),
    (Conflict("no"), openai.ConflictError, anthropic.ConflictError),
    (TooLarge("no"), openai.APIStatusError, anthropic.ContentTooLargeError),
    (BudgetExhausted("no"), openai.RateLimitError, anthropic.RateLimitError),
]


@pytest.mark.parametrize(("error", "theirs", "theirs_too"), RAISED)
def test_pointless_retries_are_not_made(
    error: MandateError, theirs: type[Exception], theirs_too: type[Exception]
) -> None:
    seen = Seen(*CHAT.error_body(error, CALL))
    with pytest.raises(theirs) as raised:
        ask_openai(seen)
    assert (seen.count, raised.value.request_id) == (1, CALL_NAME)  # type: ignore[attr-defined]  # an APIStatusError
    assert str(error.message) in str(raised.value)
    seen = Seen(*MESSAGES.error_body(error, CALL))
    with pytest.raises(theirs_too) as raised:
        ask_anthropic(seen)
    assert (seen.count, raised.value.request_id) == (1, CALL_NAME)  # type: ignore[attr-defined]  # an APIStatusError
    assert raised.value.error_code == error.code  # type: ignore[attr-defined]  # an APIStatusError
    body = raised.value.body  # type: ignore[attr-defined]  # an APIStatusError
    anthropic.types.shared.ErrorResponse.model_validate(body, strict=True)


@pytest.mark.parametrize("error", [Unavailable("no"), UpstreamFailed("no"), DeadlineExceeded("no")])
def test_what_may_pass_is_left_to_the_client(error: MandateError) -> None:
    for answer, client in ((CHAT, openai_client), (MESSAGES, anthropic_client)):
        body = answer.error_body(error, CALL)
        made: Callable[[Seen], Any] = client
        with made(Seen(*body)) as found:
            assert found._should_retry(httpx2.Response(body[0], headers=body[1]))


def test_an_error_in_mid_stream_is_raised() -> None:
    headers = {"content-type": "text/event-stream"}
    start = stream_bytes(CHAT, CHAT, CHAT_STREAM).split(b"data: [DONE]")[0]
    with pytest.raises(openai.APIError, match="every model failed"):
        ask_openai(
            Seen(
                200, headers, start + CHAT.error_event(UpstreamFailed("every model failed"), CALL)
            ),
            stream=True,
        )
    start = stream_bytes(CHAT, MESSAGES, CHAT_STREAM).split(b"event: message_delta")[0]
    with pytest.raises(anthropic.APIStatusError, match="every model failed"):
        ask_anthropic(
            Seen(
                200,
                headers,
                start + MESSAGES.error_event(UpstreamFailed("every model failed"), CALL),
            ),
            stream=True,
        )


def test_the_clients_list_models() -> None:
    headers = {"content-type": "application/json"}
    with openai_client(Seen(200, headers, CHAT.models_body(["a", "b"], created=5))) as client:
        assert [(m.id, m.created) for m in client.models.list()] == [("a", 5), ("b", 5)]
    with anthropic_client(Seen(200, headers, MESSAGES.models_body(["a", "b"], created=5))) as other:
        found = list(other.models.list())
        assert [(m.id, m.created_at.year) for m in found] == [("a", 1970), ("b", 1970)]
        for model in found:
            type(model).model_validate(model.model_dump(), strict=True)
