"""Streams of the responses dialect: passed on, read, written, ended; exact bytes and the SDK's own types."""

import json
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from controlplane.kernel.errors import Forbidden, UpstreamFailed
from routing.dialects import Event
from routing.exchange import (
    Chunk,
    StreamFailed,
    ToolDelta,
    UnreadableAnswer,
    Usage,
)
from tests.routing.dialects.material import (
    CALL,
    CALLED,
    CHAT,
    CHAT_STREAM,
    MESSAGES,
    MESSAGES_STREAM,
    RESP_ID,
    RESPONSE,
    RESPONSES,
    RESPONSES_STREAM,
    begun,
    event,
    events,
    responses,
    step,
)
from tests.routing.dialects.test_responses_answers import FC, MSG, USAGE, replaced
from tests.routing.dialects.test_sdks import Seen, openai_client, stream_bytes

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
STREAM = {"content-type": "text/event-stream"}


def test_a_stream_passes_with_only_the_response_in_it_changed() -> None:
    splice = RESPONSES.splicer(CALL, "triage", include_usage=False, request=responses())
    passed = b"".join(splice(one) for one in events(RESPONSES, RESPONSES_STREAM))
    assert passed == replaced(RESPONSES_STREAM, store=True)
    assert (splice.usage, splice.finish, splice.finished) == (USAGE, "tool_calls", True)
    assert splice.output_bytes == len("Grüße".encode()) + len("look") + len('{"q":1}')
    assert splice.end() == b""


def test_a_stream_that_was_cut_has_neither_finish_nor_usage() -> None:
    splice = RESPONSES.splicer(CALL, "triage", include_usage=False)
    for one in events(RESPONSES, RESPONSES_STREAM)[:-1]:
        splice(one)
    assert (splice.usage, splice.finish, splice.finished) == (None, None, False)


def chunks_of(data: bytes) -> list[Chunk]:
    reader = RESPONSES.reader()
    found = [one for found in reader.feed(data) for one in reader.chunks(found)]
    assert reader.finished
    return found


def test_a_stream_is_read_without_what_was_thought() -> None:
    assert chunks_of(RESPONSES_STREAM) == [
        Chunk(text="Grüße"),
        Chunk(tool=ToolDelta(0, "call_1", "look", "")),
        Chunk(tool=ToolDelta(0, arguments='{"q":')),
        Chunk(tool=ToolDelta(0, arguments="1}")),
        Chunk(finish="tool_calls", usage=USAGE),
    ]


def test_arguments_that_come_at_once_are_read_once() -> None:
    opening = step("response.output_item.added", 1, output_index=4, item=CALLED)
    late = step(
        "response.output_item.added", 2, output_index=5, item=CALLED | {"arguments": ""}
    ) + step("response.output_item.done", 3, output_index=5, item=CALLED)
    closing = step("response.output_item.done", 4, output_index=4, item=CALLED)
    end = step("response.completed", 5, response=RESPONSE)
    assert chunks_of(opening + late + closing + end)[:-1] == [
        Chunk(tool=ToolDelta(0, "call_1", "look", '{"q":1}')),
        Chunk(tool=ToolDelta(1, "call_1", "look", "")),
        Chunk(tool=ToolDelta(1, arguments='{"q":1}')),
    ]


@pytest.mark.parametrize(
    ("data", "error_class"),
    [
        (event("error", code="rate_limit_exceeded", message="secret"), "rate_limited"),
        (event("error", error={"type": "overloaded_error", "message": "secret"}), "overloaded"),
        (
            step(
                "response.failed",
                3,
                response=begun(status="failed", error={"code": "server_error", "message": "x"}),
            ),
            "server_error",
        ),
    ],
)
def test_an_upstreams_own_error_has_a_class_and_no_content(data: bytes, error_class: str) -> None:
    (one,) = events(RESPONSES, data)
    for read in (RESPONSES.splicer(CALL, "t", include_usage=True), RESPONSES.reader().chunks):
        with pytest.raises(StreamFailed) as caught:
            read(one)
        assert caught.value.details == {"error_class": error_class}
        assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "data",
    [
        b"secret",
        b'{"secret":1}',
        b'{"type":"response.completed"}',
        b'{"type":"response.completed","response":{"secret":1}}',
        b'{"type":"response.output_text.delta","delta":["secret"]}',
    ],
)
def test_a_malformed_event_is_an_error_that_quotes_nothing(data: bytes) -> None:
    for read in (RESPONSES.splicer(CALL, "t", include_usage=True), RESPONSES.reader().chunks):
        with pytest.raises(UnreadableAnswer) as caught:
            read(Event("x", data))
        assert "secret" not in caught.value.message


def written(chunks: list[Chunk], **asked: Any) -> bytes:
    write = RESPONSES.writer(
        CALL, "triage", include_usage=False, created=1700000000, request=responses(**asked)
    )
    body = b"".join(write(one) for one in chunks) + write.end()
    assert write.end() == b""
    return body


def told(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Each event's name and what it tells beside its number, which counts from 0."""
    found = [json.loads(one.data) for one in events(RESPONSES, data)]
    assert [one.pop("sequence_number") for one in found] == list(range(len(found)))
    return [(one.pop("type").removeprefix("response."), one) for one in found]


def test_a_whole_stream_in_order() -> None:
    chunks = [
        Chunk(text="see"),
        Chunk(tool=ToolDelta(0, "call_a", "a", "")),
        Chunk(tool=ToolDelta(1, "call_b", "b", '{"x"')),
        Chunk(tool=ToolDelta(0, arguments="{}")),
        Chunk(refusal="late"),
        Chunk(tool=ToolDelta(1, arguments=":1}")),
        Chunk(finish="tool_calls"),
        Chunk(usage=USAGE),
    ]
    found = told(written(chunks))
    assert [name for name, _ in found] == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *("output_text.delta", "output_text.done", "content_part.done", "output_item.done"),
        *("output_item.added", "output_item.added", "function_call_arguments.delta"),
        *("function_call_arguments.delta", "output_item.added", "content_part.added"),
        *("refusal.delta", "function_call_arguments.delta", "refusal.done", "content_part.done"),
        *("output_item.done", "function_call_arguments.done", "output_item.done"),
        *("function_call_arguments.done", "output_item.done", "completed"),
    ]
    part = {"type": "output_text", "text": "see", "annotations": [], "logprobs": []}
    place = {"item_id": f"{MSG}_0", "output_index": 0, "content_index": 0}
    assert found[4][1] == place | {"delta": "see", "logprobs": []}
    assert found[6][1] == place | {"part": part}
    assert found[11][1] == {"item_id": f"{FC}_1", "output_index": 1, "delta": "{}"}
    assert found[14][1] == {
        "item_id": f"{MSG}_3",
        "output_index": 3,
        "content_index": 0,
        "delta": "late",
    }
    response = found[-1][1]["response"]
    assert [item["id"] for item in response["output"]] == [
        *(f"{MSG}_0", f"{FC}_1", f"{FC}_2", f"{MSG}_3")
    ]
    assert [item.get("arguments") for item in response["output"]] == [None, "{}", '{"x":1}', None]
    assert response["output"][0]["content"] == [part]
    assert {item["status"] for item in response["output"]} == {"completed"}
    assert response["usage"]["total_tokens"] == 15


@pytest.mark.parametrize(
    ("chunk", "last", "reason"),
    [
        (Chunk(finish="length"), "incomplete", {"reason": "max_output_tokens"}),
        (Chunk(finish="refusal"), "incomplete", {"reason": "content_filter"}),
        (Chunk(refusal="no", finish="refusal"), "completed", None),
        (Chunk(finish="stop_sequence", stop_sequence="END"), "completed", None),
    ],
)
def test_a_stream_ends_as_the_model_did(chunk: Chunk, last: str, reason: Any) -> None:
    name, end = told(written([Chunk(text="a"), chunk]))[-1]
    assert (name, end["response"]["status"]) == (last, last)
    assert end["response"]["incomplete_details"] == reason


STREAMS = [(CHAT, CHAT_STREAM), (MESSAGES, MESSAGES_STREAM), (RESPONSES, RESPONSES_STREAM)]


@pytest.mark.parametrize(("theirs", "data"), STREAMS)
def test_every_event_we_write_is_strictly_valid(theirs: Any, data: bytes) -> None:
    body = stream_bytes(theirs, RESPONSES, data)
    found = [EVENT.validate_json(one.data, strict=True) for one in events(RESPONSES, body)]
    assert {one.response.id for one in found if hasattr(one, "response")} == {RESP_ID}


@pytest.mark.parametrize(("theirs", "data"), STREAMS)
def test_the_clients_stream_helper_reads_every_event(theirs: Any, data: bytes) -> None:
    body = stream_bytes(theirs, RESPONSES, data)
    with (
        openai_client(Seen(200, STREAM, body)) as client,
        client.responses.stream(model="triage", input="hello") as stream,
    ):
        names = [one.type for one in stream]
        final = stream.get_final_response()
    assert len(names) == len(events(RESPONSES, body))
    assert (final.id, final.status, final.model) == (RESP_ID, "completed", "triage")
    assert final.output_text.startswith("Grüße")
    calls = [item for item in final.output if item.type == "function_call"]
    assert [call.call_id for call in calls] == {
        CHAT: [],
        MESSAGES: ["toolu_1", "toolu_2"],
        RESPONSES: ["call_1"],
    }[theirs]
    assert final.usage is not None
    assert final.usage.output_tokens in {3, 7}


def read_until_raised(body: bytes) -> tuple[list[str], openai.APIError]:
    """The names of the events that the client gave before it raised, and what it raised."""
    names: list[str] = []
    raised: openai.APIError | None = None
    with openai_client(Seen(200, STREAM, body)) as client:
        stream = client.responses.create(model="triage", input="hello", stream=True)
        try:
            names.extend(one.type for one in stream)
        except openai.APIError as error:
            raised = error
    assert raised is not None, names
    return names, raised


def test_an_error_in_an_open_stream_is_told_twice_and_raised() -> None:
    sent = b"".join(b"%b\n\n" % part for part in written([Chunk(text="a")]).split(b"\n\n")[:5])
    error = UpstreamFailed("every model failed", error_class="rate_limited")
    end = RESPONSES.error_event(error, CALL, sent=RESPONSES.keep_alive() + sent)
    names, raised = read_until_raised(sent + end)
    assert names[-2:] == ["response.output_text.delta", "response.failed"]
    assert (raised.message, raised.code) == ("every model failed", "upstream_failed")
    failed, last = (json.loads(one.data) for one in events(RESPONSES, end))
    assert (failed["sequence_number"], last["sequence_number"]) == (5, 6)
    response = EVENT.validate_python(failed).response
    assert (response.id, response.status) == (RESP_ID, "failed")
    assert response.error.code == "rate_limit_exceeded"
    assert response.error.message == "every model failed"


def test_an_error_of_a_stream_that_said_nothing_is_raised() -> None:
    error = Forbidden("no", rules=["eu-data"], owner="cleo@acme.example")
    end = RESPONSES.error_event(error, CALL)
    names, raised = read_until_raised(RESPONSES.keep_alive() + end)
    assert (names, raised.message, raised.code) == ([], "no", "forbidden")
    (one,) = events(RESPONSES, end)
    assert json.loads(one.data)["error"]["rules"] == ["eu-data"]


TOOLS = st.lists(st.text(max_size=4), min_size=1, max_size=4).map(
    lambda pieces: [
        ToolDelta(0, "c0", "look", pieces[0]),
        *(ToolDelta(0, arguments=piece) for piece in pieces[1:] if piece),
    ]
)


@given(
    st.lists(st.text(min_size=1, max_size=9), max_size=5), TOOLS | st.just([]), st.integers(0, 99)
)
def test_a_written_stream_is_read_again(
    texts: list[str], tools: list[ToolDelta], output: int
) -> None:
    chunks = [Chunk(text=text) for text in texts] + [Chunk(tool=delta) for delta in tools]
    usage = Usage(6, 4, 2, output)
    end = [Chunk(finish="tool_calls" if tools else "stop", usage=usage)]
    found = chunks_of(written(chunks + end))
    assert [one.text for one in found if one.text] == texts
    arguments = "".join(one.tool.arguments for one in found if one.tool)
    assert arguments == "".join(delta.arguments for delta in tools)
    assert found[-1] == end[0]
    assert sum(one.output_bytes for one in found) == sum(one.output_bytes for one in chunks)
