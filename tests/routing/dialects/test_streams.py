"""Streams: passed on event by event, read into chunks, written from chunks; exact bytes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.dialects import Dialect, Event
from routing.exchange import Chunk, StreamFailed, ToolDelta, UnreadableAnswer, Usage
from tests.routing.dialects.material import (
    CALL,
    CHAT,
    CHAT_ID,
    CHAT_STREAM,
    DONE,
    MESSAGE_START,
    MESSAGES,
    MESSAGES_STREAM,
    MSG_ID,
    USAGE_CHUNK,
    chunk,
    compact,
    event,
    events,
)


def passed(speaks: Dialect, data: bytes, *, include_usage: bool = False) -> bytes:
    splice = speaks.splicer(CALL, "triage", include_usage=include_usage)
    return b"".join(splice(found) for found in events(speaks, data))


def renamed(data: bytes) -> bytes:
    return data.replace(b"chatcmpl-upstream", CHAT_ID.encode()).replace(
        b"gpt-5-mini-2026", b"triage"
    )


def test_a_chat_stream_passes_whole_when_usage_was_asked() -> None:
    assert passed(CHAT, CHAT_STREAM, include_usage=True) == renamed(CHAT_STREAM)


def test_usage_is_hidden_from_a_caller_who_did_not_ask() -> None:
    expected = (
        renamed(CHAT_STREAM).replace(b',"usage":null', b"").replace(renamed(USAGE_CHUNK), b"")
    )
    assert passed(CHAT, CHAT_STREAM) == expected
    assert b"usage" not in expected


@pytest.mark.parametrize(
    ("tail", "kept"),
    [
        ({"usage": None}, {}),
        ({"usage": None, "obfuscation": "aB1"}, {"obfuscation": "aB1"}),
        ({"usage": None, "x": {"usage": None}}, {"x": {"usage": None}}),
        ({"x": {"a": 1, "usage": None}}, {"x": {"a": 1, "usage": None}}),
        ({"usage": {"prompt_tokens": 1, "completion_tokens": 2}}, {}),
    ],
)
def test_only_the_chunks_own_usage_is_hidden(tail: dict[str, Any], kept: dict[str, Any]) -> None:
    text = ',"usage":null}'
    for first in (chunk({"content": "a"}, **tail), chunk({"content": text}, **tail)):
        data = chunk({"content": "warm"}) + first
        assert passed(CHAT, data) == renamed(chunk({"content": "warm"})) + renamed(
            first.replace(compact(tail)[1:-1], compact(kept)[1:-1]).replace(b",}\n", b"}\n")
        )


def test_a_chat_splicer_knows_usage_finish_and_bytes() -> None:
    splice = CHAT.splicer(CALL, "triage", include_usage=False)
    found = events(CHAT, CHAT_STREAM)
    for one in found[:3]:
        splice(one)
    assert (splice.output_bytes, splice.finish, splice.usage, splice.finished) == (
        12,
        None,
        None,
        False,
    )
    for one in found[3:]:
        splice(one)
    assert splice.usage == Usage(6, 4, 2, 3)
    assert (splice.output_bytes, splice.finish, splice.finished) == (12, "stop", True)
    assert splice.end() == b""


def test_tool_arguments_and_reasoning_count_as_output() -> None:
    splice = CHAT.splicer(CALL, "triage", include_usage=False)
    call = {"index": 0, "id": "c", "function": {"name": "look", "arguments": '{"ß'}}
    for one in events(CHAT, chunk({"tool_calls": [call]}) + chunk({"reasoning_content": "hmm"})):
        splice(one)
    assert splice.output_bytes == 4 + 4 + 3


def test_a_stream_that_stops_after_its_finish_still_ends_properly() -> None:
    splice = CHAT.splicer(CALL, "triage", include_usage=False)
    assert splice.end() == DONE
    assert MESSAGES.splicer(CALL, "t", include_usage=False).end() == event("message_stop")


def test_keys_in_another_order_and_missing_ids_are_handled() -> None:
    data = b'data: {"choices":[],"model":"up","id":"up"}\n\ndata: {"choices":[]}\n\n'
    assert passed(CHAT, data) == (
        b'data: {"choices":[],"model":"triage","id":"%b"}\n\n'
        b'data: {"id":"%b","model":"triage","choices":[]}\n\n'
        % (CHAT_ID.encode(), CHAT_ID.encode())
    )


def test_a_messages_stream_passes_with_only_its_start_changed() -> None:
    expected = MESSAGES_STREAM.replace(b"msg_upstream", MSG_ID.encode()).replace(
        b"claude-2026", b"triage"
    )
    assert passed(MESSAGES, MESSAGES_STREAM) == expected
    splice = MESSAGES.splicer(CALL, "triage", include_usage=False)
    for one in events(MESSAGES, MESSAGES_STREAM):
        splice(one)
    assert splice.usage == Usage(9, 4, 0, 7)
    assert (splice.finish, splice.finished) == ("tool_use", True)
    assert splice.output_bytes == len("hm" + "look" + '{"q":"x"}' + "stop") + len("Grüße".encode())


def test_a_cut_messages_stream_has_no_usage() -> None:
    splice = MESSAGES.splicer(CALL, "triage", include_usage=False)
    splice(events(MESSAGES, MESSAGE_START)[0])
    assert (splice.usage, splice.finish, splice.finished) == (None, None, False)


@pytest.mark.parametrize(
    ("speaks", "data"),
    [
        (CHAT, b"data: secret\n\n"),
        (CHAT, b'data: {"choices":"secret"}\n\n'),
        (CHAT, b'data: {"secret":1}\n\n'),
        (CHAT, b'data: {"choices":[{"delta":{"content":7}}]}\n\n'),
        (MESSAGES, b"event: ping\ndata: secret\n\n"),
        (MESSAGES, b'event: x\ndata: {"secret":1}\n\n'),
    ],
)
def test_a_malformed_event_is_an_error_that_quotes_nothing(speaks: Dialect, data: bytes) -> None:
    one = events(speaks, data)[0]
    for read in (speaks.splicer(CALL, "t", include_usage=True), speaks.reader().chunks):
        with pytest.raises(UnreadableAnswer) as caught:
            read(one)
        assert "secret" not in caught.value.message


def test_a_message_start_without_a_message_is_an_error() -> None:
    splice = MESSAGES.splicer(CALL, "t", include_usage=True)
    with pytest.raises(UnreadableAnswer, match="has no message"):
        splice(Event("message_start", b'{"type":"message_start"}'))


@pytest.mark.parametrize(
    ("kind", "error_class"),
    [
        ("overloaded_error", "overloaded"),
        ("rate_limit_exceeded", "rate_limited"),
        ("insufficient_quota", "refused_account"),
        ("timeout_error", "timeout"),
        ("api_error", "server_error"),
        ("invalid_request_error", "refused_request"),
    ],
)
def test_an_upstreams_own_error_has_a_class_and_no_content(kind: str, error_class: str) -> None:
    error = {"type": kind, "message": "secret", "code": None}
    chat_event = Event("", compact({"error": error}))
    messages_event = Event("error", compact({"type": "error", "error": error}))
    for speaks, one in ((CHAT, chat_event), (MESSAGES, messages_event)):
        for read in (speaks.splicer(CALL, "t", include_usage=True), speaks.reader().chunks):
            with pytest.raises(StreamFailed) as caught:
                read(one)
            assert caught.value.details == {"error_class": error_class}
            assert caught.value.message == f"the upstream broke off its stream ({kind})"


def chunks_of(speaks: Dialect, data: bytes) -> list[Chunk]:
    reader = speaks.reader()
    found = [one for found in reader.feed(data) for one in reader.chunks(found)]
    assert reader.finished
    return found


def test_a_chat_stream_is_read() -> None:
    assert chunks_of(CHAT, CHAT_STREAM) == [
        Chunk(text="Grüße"),
        Chunk(text=" dich"),
        Chunk(finish="stop"),
        Chunk(usage=Usage(6, 4, 2, 3)),
    ]


def test_a_messages_stream_is_read_without_thinking() -> None:
    assert chunks_of(MESSAGES, MESSAGES_STREAM) == [
        Chunk(text="Grüße"),
        Chunk(tool=ToolDelta(0, "toolu_1", "look", "")),
        Chunk(tool=ToolDelta(0, arguments='{"q":')),
        Chunk(tool=ToolDelta(0, arguments='"x"}')),
        Chunk(tool=ToolDelta(1, "toolu_2", "stop", "")),
        Chunk(tool=ToolDelta(1, arguments="{}")),
        Chunk(finish="tool_calls", usage=Usage(9, 4, 0, 7)),
    ]


def written(speaks: Dialect, chunks: list[Chunk], *, include_usage: bool = False) -> bytes:
    write = speaks.writer(CALL, "triage", include_usage=include_usage, created=1700000000)
    body = b"".join(write(one) for one in chunks) + write.end()
    assert write.end() == b""
    return body


def ours(delta: dict[str, Any], finish: str | None = None, **fields: Any) -> bytes:
    return renamed(chunk(delta, finish, **fields))


def test_claude_is_written_as_chat_in_order() -> None:
    calls = [
        {
            "index": 0,
            "id": "toolu_1",
            "type": "function",
            "function": {"name": "look", "arguments": ""},
        },
        {"index": 0, "function": {"arguments": '{"q":'}},
        {"index": 0, "function": {"arguments": '"x"}'}},
        {
            "index": 1,
            "id": "toolu_2",
            "type": "function",
            "function": {"name": "stop", "arguments": ""},
        },
        {"index": 1, "function": {"arguments": "{}"}},
    ]
    expected = ours({"role": "assistant", "content": ""}) + ours({"content": "Grüße"})
    expected += b"".join(ours({"tool_calls": [call]}) for call in calls) + ours({}, "tool_calls")
    assert written(CHAT, chunks_of(MESSAGES, MESSAGES_STREAM)) == expected + DONE


def test_chat_with_usage_has_it_last_and_null_before() -> None:
    chunks = [Chunk(text="a"), Chunk(finish="length", usage=Usage(6, 4, 2, 3))]
    details = {"cached_tokens": 4, "cache_write_tokens": 2}
    totals = {
        "prompt_tokens": 12,
        "completion_tokens": 3,
        "total_tokens": 15,
        "prompt_tokens_details": details,
    }
    assert written(CHAT, chunks, include_usage=True) == (
        ours({"role": "assistant", "content": ""}, usage=None)
        + ours({"content": "a"}, usage=None)
        + ours({}, "length", usage=None)
        + ours({}, choices=[], usage=totals)
        + DONE
    )


def test_each_choice_of_chat_begins_with_its_role() -> None:
    chunks = [Chunk(index=1, text="a"), Chunk(index=0, text="b"), Chunk(index=1, finish="stop")]
    found = [json.loads(one.data)["choices"][0] for one in events(CHAT, written(CHAT, chunks))[:-1]]
    assert [(one["index"], one["delta"].get("role"), one["finish_reason"]) for one in found] == [
        (1, "assistant", None),
        (1, None, None),
        (0, "assistant", None),
        (0, None, None),
        (1, None, "stop"),
    ]


def start() -> bytes:
    counts = (
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "output_tokens",
    )
    message: dict[str, Any] = {
        "id": MSG_ID,
        "type": "message",
        "role": "assistant",
        "model": "triage",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": dict.fromkeys(counts, 0),
    }
    return event("message_start", message=message)


def stop(reason: str, usage: Usage) -> bytes:
    counts = {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached_input,
        "output_tokens": usage.output,
    }
    delta = {"stop_reason": reason, "stop_sequence": None}
    return event("message_delta", delta=delta, usage=counts) + event("message_stop")


def block(index: int, content: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    body = event("content_block_start", index=index, content_block=content)
    for delta in deltas:
        body += event("content_block_delta", index=index, delta=delta)
    return body + event("content_block_stop", index=index)


TEXT = {"type": "text", "text": "", "citations": None}


def test_chat_is_written_as_a_message_in_order() -> None:
    deltas = ({"type": "text_delta", "text": "Grüße"}, {"type": "text_delta", "text": " dich"})
    expected = start() + block(0, TEXT, *deltas) + stop("end_turn", Usage(6, 4, 2, 3))
    assert written(MESSAGES, chunks_of(CHAT, CHAT_STREAM)) == expected


def tool(name: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"call_{name}", "name": name, "input": {}}


def test_mixed_parallel_tool_calls_become_blocks_one_after_the_other() -> None:
    chunks = [
        Chunk(text="see"),
        Chunk(tool=ToolDelta(0, "call_a", "a", "")),
        Chunk(tool=ToolDelta(1, "call_b", "b", '{"x"')),
        Chunk(tool=ToolDelta(0, arguments="{}")),
        Chunk(text="late"),
        Chunk(tool=ToolDelta(1, arguments=":1}")),
        Chunk(finish="tool_calls"),
    ]
    assert written(MESSAGES, chunks) == (
        start()
        + block(0, TEXT, {"type": "text_delta", "text": "see"})
        + block(1, tool("a"), {"type": "input_json_delta", "partial_json": "{}"})
        + block(2, tool("b"), {"type": "input_json_delta", "partial_json": '{"x":1}'})
        + block(3, TEXT, {"type": "text_delta", "text": "late"})
        + stop("tool_use", Usage())
    )


def test_a_refusal_is_text_and_a_refusal() -> None:
    chunks = [Chunk(refusal="no"), Chunk(finish="stop")]
    expected = (
        start() + block(0, TEXT, {"type": "text_delta", "text": "no"}) + stop("refusal", Usage())
    )
    assert written(MESSAGES, chunks) == expected
    assert ours({"refusal": "no"}) in written(CHAT, chunks)


def test_a_stop_sequence_is_named() -> None:
    body = written(MESSAGES, [Chunk(finish="stop_sequence", stop_sequence="END")])
    assert b'"delta":{"stop_reason":"stop_sequence","stop_sequence":"END"}' in body


def test_keep_alives_are_invisible() -> None:
    assert CHAT.keep_alive() == b": keep-alive\n\n"
    assert events(CHAT, CHAT.keep_alive()) == []
    assert MESSAGES.keep_alive() == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert MESSAGES.reader().chunks(events(MESSAGES, MESSAGES.keep_alive())[0]) == []


TOOLS = st.lists(st.text(max_size=4), min_size=1, max_size=4).map(
    lambda pieces: [
        ToolDelta(0, "c0", "look", pieces[0]),
        *(ToolDelta(0, arguments=p) for p in pieces[1:] if p),
    ]
)


@given(
    st.lists(st.text(min_size=1, max_size=9), max_size=5), TOOLS | st.just([]), st.integers(0, 99)
)
def test_what_is_written_is_read_again(
    texts: list[str], tools: list[ToolDelta], output: int
) -> None:
    chunks = [Chunk(text=text) for text in texts] + [Chunk(tool=delta) for delta in tools]
    end = [Chunk(finish="tool_calls" if tools else "stop", usage=Usage(6, 4, 2, output))]
    for speaks in (CHAT, MESSAGES):
        found = chunks_of(speaks, written(speaks, chunks + end, include_usage=True))
        assert [one.text for one in found if one.text] == texts
        arguments = "".join(one.tool.arguments for one in found if one.tool)
        given = "".join(delta.arguments for delta in tools)
        assert arguments == (given or ("{}" if tools and speaks is MESSAGES else ""))
        assert [one.usage for one in found if one.usage] == [Usage(6, 4, 2, output)]
        assert [one.finish for one in found if one.finish] == [end[0].finish]
        assert sum(one.output_bytes for one in found) >= sum(one.output_bytes for one in chunks)


def test_a_message_start_with_a_key_twice_is_an_error() -> None:
    data = b'{"type":"message_start","message":{"id":"a","id":"b","model":"m"}}'
    with pytest.raises(UnreadableAnswer, match="not a JSON object"):
        MESSAGES.splicer(CALL, "t", include_usage=True)(Event("message_start", data))
