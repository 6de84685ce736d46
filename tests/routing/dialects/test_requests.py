"""Same dialect: what is read of a request, what is refused, and that every other byte stays the caller's."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.kernel.errors import InvalidRequest, TooLarge
from routing.dialects.received import MAX_BODY_BYTES, labelled
from routing.exchange import CallRequest, Outline
from tests.routing.dialects.material import (
    CHAT,
    HELLO,
    MESSAGES,
    PNG,
    chat,
    chat_body,
    messages,
    messages_body,
)

ODD = (
    b' {\t"x_new" : [1.50, 1E3, "\\u00e9"],\r\n"model" : "tri\\u0061ge" , "messages":'
    b'[{"role":"user","content":"h\xc3\xa9 \\/ \xf0\x9f\x8e\x89"}],  "max_tokens":7,"stream" :true,'
    b'"stream_options":{"include_obfuscation" : false}, "last":null }\n'
)


def test_a_chat_request_is_read_and_outlined() -> None:
    raw = chat_body(
        tools=[
            {"type": "function", "function": {"name": "look"}},
            {"type": "custom", "custom": {"name": "free"}},
        ],
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {}}},
        logprobs=True,
        max_tokens=9,
        max_completion_tokens=8,
        n=3,
        user="ada",
        metadata={"case": "17"},
        stream=True,
        stream_options={"include_usage": True},
        service_tier="priority",
    )
    headers = {"openai-beta": "x=1", "authorization": "Bearer secret", "openai-organization": "o"}
    request = CHAT.parse_request(raw, headers, "a=b")
    assert (request.dialect, request.route, request.stream) == ("openai.chat", "triage", True)
    assert request.raw == raw
    assert request.headers == {"openai-beta": "x=1"}
    assert request.query == "a=b"
    assert request.outline == Outline(
        tools=("look", "free"),
        needs=("chat", "tools", "json_schema", "logprobs"),
        input_tokens_max=len(raw) + 64 + 16 + 2 * 64 + 2 * 1024,
        input_tokens_estimate=len(raw) // 4,
        output_tokens_asked=8,
        n=3,
        user="ada",
        labels={"case": "17"},
        include_usage=True,
        special=("service_tier",),
    )


def test_a_messages_request_is_read_and_outlined() -> None:
    raw = messages_body(
        tools=[
            {"name": "look", "input_schema": {}},
            {"type": "web_search_20260318", "name": "web_search"},
        ],
        output_config={"format": {"type": "json_schema", "schema": {}}},
        metadata={"user_id": "ada"},
        inference_geo="us",
    )
    headers = {"anthropic-version": "2026-10-21", "anthropic-beta": "a,b", "x-api-key": "secret"}
    request = MESSAGES.parse_request(raw, headers, "beta=true")
    assert (request.dialect, request.route, request.stream) == (
        "anthropic.messages",
        "triage",
        False,
    )
    assert request.headers == {"anthropic-version": "2026-10-21", "anthropic-beta": "a,b"}
    assert request.query == "beta=true"
    assert request.outline == Outline(
        tools=("look", "web_search"),
        needs=("chat", "tools", "json_schema"),
        input_tokens_max=len(raw) + 64 + 16 + 2 * 64 + 2 * 1024,
        input_tokens_estimate=len(raw) // 4,
        output_tokens_asked=100,
        user="ada",
        include_usage=True,
        special=("inference_geo", "tools"),
    )


def test_a_picture_costs_by_the_picture_and_not_by_its_base64() -> None:
    url = "data:image/png;base64," + PNG * 1000
    picture = {"type": "image_url", "image_url": {"url": url}}
    small = {"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "low"}}
    raw = chat_body(messages=[{"role": "user", "content": [picture, small]}])
    outline = CHAT.parse_request(raw, {}, "").outline
    assert outline.needs == ("chat", "vision")
    assert outline.input_tokens_max == len(raw) - len(url) + 64 + 16 + 16_384 + 3_072
    assert outline.input_tokens_estimate == (len(raw) - len(url)) // 4 + 2 * 1_600

    data = PNG * 1000
    block = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [block]}
    raw = messages_body(messages=[{"role": "user", "content": [result, {"type": "document"}]}])
    outline = MESSAGES.parse_request(raw, {}, "").outline
    assert outline.needs == ("chat", "vision")
    assert outline.input_tokens_max == len(raw) - len(data) + 64 + 16 + 2 * 16_384


REFUSED_BY_BOTH: list[tuple[dict[str, Any], str]] = [
    ({"model": ""}, '"model" is missing; send the name of a route'),
    ({"model": 7}, '"model" is 7; send a string'),
    ({"model": "x" * 257}, '"model" has 257 characters; at most 256 are accepted'),
    ({"messages": []}, '"messages" is missing or empty; send at least one message'),
    ({"messages": "hi"}, '"messages" is a string; send a list of objects'),
    ({"messages": HELLO * 2049}, '"messages" has 2049 items; at most 2048 are accepted'),
    ({"stream": "yes"}, '"stream" is "yes"; send true or false'),
    ({"max_tokens": 0}, '"max_tokens" is 0; send a whole number from 1 to 10000000'),
    ({"max_tokens": True}, '"max_tokens" is true; send a whole number from 1 to 10000000'),
    ({"tools": [{}] * 129}, '"tools" has 129 items; at most 128 are accepted'),
    (
        {"metadata": {f"k{i}": "v" for i in range(17)}},
        '"metadata" has 17 keys; at most 16 are accepted',
    ),
    (
        {"metadata": {"k" * 65: "v"}},
        f'"metadata" has the key "{"k" * 64}…" of 65 characters; at most 64 are accepted',
    ),
    ({"metadata": {"k": "v" * 513}}, '"metadata.k" has 513 characters; at most 512 are accepted'),
    ({"metadata": {"k": 1}}, '"metadata.k" is 1; send a string'),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED_BY_BOTH)
def test_both_dialects_refuse_with_the_input_quoted(fields: dict[str, Any], message: str) -> None:
    for make in (chat, messages):
        with pytest.raises(InvalidRequest) as caught:
            make(**fields)
        assert caught.value.message == message


def test_what_only_one_dialect_refuses() -> None:
    with pytest.raises(InvalidRequest, match='"n" is 0; send a whole number from 1 to 128'):
        chat(n=0)
    with pytest.raises(InvalidRequest, match=r'"tools\[0\]" has no name'):
        chat(tools=[{"type": "function"}])
    with pytest.raises(InvalidRequest, match='"stream_options" is an empty list; send an object'):
        chat(stream_options=[])
    with pytest.raises(InvalidRequest, match='"max_tokens" is missing'):
        messages(max_tokens=None)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "the body cannot be read at line 1, column 1: a JSON object is expected"),
        (b'{"model":"\xff"}', "the body is not UTF-8 at byte 10"),
        (
            b'{\n "model":"a",\n "model":"b"}',
            'at line 3, column 2: "model" stands twice in one object',
        ),
        (b'{"model":"\\ud800"}', "half of a surrogate pair"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "the body is nested deeper than 64 levels"),
    ],
)
def test_a_body_that_cannot_be_read_says_where(raw: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CHAT.parse_request(raw, {}, "")
    assert message in caught.value.message


def test_a_duplicate_inside_is_refused_as_well() -> None:
    raw = chat_body(tools=[]).replace(
        b'"tools":[]', b'"tools":[{"type":"function","function":{"name":"a","name":"b"}}]'
    )
    with pytest.raises(InvalidRequest, match='"name" stands twice in one object; write it once'):
        CHAT.parse_request(raw, {}, "")


def test_32_mib_are_read_and_a_byte_more_is_not() -> None:
    frame = chat_body(messages=[{"role": "user", "content": ""}])
    raw = frame.replace(
        b'"content":""', b'"content":"' + b"x" * (MAX_BODY_BYTES - len(frame)) + b'"'
    )
    assert len(raw) == MAX_BODY_BYTES
    assert CHAT.parse_request(raw, {}, "").route == "triage"
    with pytest.raises(TooLarge, match="at most 33554432"):
        CHAT.parse_request(raw + b" ", {}, "")


def test_only_model_limit_and_usage_are_replaced_by_position() -> None:
    request = CHAT.parse_request(ODD, {}, "")
    assert request.route == "triage"
    spliced = CHAT.splice_request(request, model="gpt-5-mini", max_output_tokens=5)
    expected = ODD.replace(b'"tri\\u0061ge"', b'"gpt-5-mini"').replace(b":7,", b":5,")
    expected = expected.replace(
        b'{"include_obfuscation" : false}', b'{"include_obfuscation":false,"include_usage":true}'
    )
    assert spliced == expected


def test_a_limit_at_or_below_ours_stays_the_callers() -> None:
    request = chat(max_tokens=7)
    assert CHAT.splice_request(request, model="triage", max_output_tokens=7) == request.raw
    assert CHAT.splice_request(request, model="triage", max_output_tokens=None) == request.raw


@pytest.mark.parametrize(
    ("fields", "limit_field", "expected"),
    [
        ({}, "", b'{"max_completion_tokens":5,"model":'),
        ({}, "max_tokens", b'{"max_tokens":5,"model":'),
        ({"max_tokens": None}, "", b'"max_tokens":5'),
        (
            {"max_tokens": 9, "max_completion_tokens": 4},
            "",
            b'"max_tokens":5,"max_completion_tokens":4',
        ),
    ],
)
def test_a_missing_limit_is_inserted(
    fields: dict[str, Any], limit_field: str, expected: bytes
) -> None:
    spliced = CHAT.splice_request(
        chat(**fields), model="m", max_output_tokens=5, limit_field=limit_field
    )
    assert expected in spliced
    assert json.loads(spliced)["messages"] == HELLO


def test_usage_is_asked_for_in_streams_only() -> None:
    assert b"include_usage" not in CHAT.splice_request(chat(), model="m", max_output_tokens=None)
    forced = CHAT.splice_request(chat(stream=True), model="m", max_output_tokens=None)
    assert forced.startswith(b'{"stream_options":{"include_usage":true},"model":"m"')
    asked = chat(stream=True, stream_options={"include_usage": True})
    assert CHAT.splice_request(asked, model="triage", max_output_tokens=None) == asked.raw


@pytest.mark.parametrize(
    ("budget", "most", "thinking", "note"),
    [
        (2000, 3000, {"type": "enabled", "budget_tokens": 2000, "display": "omitted"}, None),
        (
            4000,
            3000,
            {"type": "enabled", "budget_tokens": 1500, "display": "omitted"},
            "lowered from 4000 to 1500",
        ),
        (
            2000,
            1500,
            {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
            "lowered from 2000 to 1024",
        ),
        (2000, 1024, {"type": "disabled"}, "thinking was left out"),
    ],
)
def test_a_thinking_budget_stays_below_a_lowered_limit(
    budget: int, most: int, thinking: dict[str, Any], note: str | None
) -> None:
    asked = {"type": "enabled", "budget_tokens": budget, "display": "omitted"}
    request = messages(max_tokens=8000, thinking=asked)
    body = json.loads(MESSAGES.splice_request(request, model="claude", max_output_tokens=most))
    assert (body["max_tokens"], body["thinking"]) == (most, thinking)
    notes = MESSAGES.splice_notes(request, max_output_tokens=most)
    assert len(notes) == (note is not None)
    assert note is None or note in notes[0]


def test_thinking_without_a_budget_is_left_alone() -> None:
    request = messages(max_tokens=8000, thinking={"type": "adaptive"})
    body = json.loads(MESSAGES.splice_request(request, model="claude", max_output_tokens=100))
    assert body["thinking"] == {"type": "adaptive"}
    assert MESSAGES.splice_notes(request, max_output_tokens=100) == []
    assert CHAT.splice_notes(chat(), max_output_tokens=1) == []


UNKNOWN = st.dictionaries(
    st.text(max_size=8).map(lambda name: "x_" + name),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=4,
)


@given(
    UNKNOWN,
    st.permutations(["model", "messages", "max_tokens", "stream"]),
    st.booleans(),
    st.data(),
)
def test_every_other_byte_stays(
    unknown: dict[str, Any], order: list[str], ascii_only: bool, data: st.DataObject
) -> None:
    fields = {"model": "trïage", "messages": HELLO, "max_tokens": 900, "stream": False}
    pieces = list(unknown) + order
    body = {
        name: unknown.get(name, fields.get(name)) for name in data.draw(st.permutations(pieces))
    }
    text = json.dumps(body, ensure_ascii=ascii_only, indent=data.draw(st.sampled_from([None, 1])))
    written = json.dumps("trïage", ensure_ascii=ascii_only)
    for speaks in (CHAT, MESSAGES):
        request = speaks.parse_request(text.encode(), {}, "")
        assert request.route == "trïage"
        spliced = speaks.splice_request(request, model="m", max_output_tokens=5)
        expected = text.replace(f'"model": {written}', '"model": "m"').replace(
            '"max_tokens": 900', '"max_tokens": 5'
        )
        assert spliced == expected.encode()


@pytest.mark.parametrize(
    ("header", "labels"),
    [
        ("", {"case": "1"}),
        (" ", {"case": "1"}),
        ("kind=motor", {"case": "1", "kind": "motor"}),
        (" kind = a%2Cb%3D%20c , area=", {"case": "1", "kind": "a,b= c", "area": ""}),
        ("case=2,kind=x=y", {"case": "1", "kind": "x=y"}),
    ],
)
def test_labels_of_the_header_join_those_of_the_body_which_count(
    header: str, labels: dict[str, str]
) -> None:
    request = CallRequest(
        dialect="openai.chat", route="r", stream=False, raw=b"{}", outline=Outline(labels={"case": "1"})
    )  # fmt: skip
    found = labelled(request, header)
    assert found.outline.labels == labels
    assert (found.raw, request.outline.labels) == (b"{}", {"case": "1"})


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("kind", 'x-mandate-labels has "kind"; send pairs as in case=4711, kind=motor'),
        ("a=1,,b=2", 'x-mandate-labels has ""; send pairs as in case=4711, kind=motor'),
        ("=1", 'x-mandate-labels has "=1"; send pairs as in case=4711, kind=motor'),
        (",".join(f"k{n}=v" for n in range(17)), '"metadata" has 17 keys; at most 16 are accepted'),
    ],
)
def test_a_header_of_labels_that_is_none_is_refused(header: str, words: str) -> None:
    request = CallRequest(
        dialect="openai.chat", route="r", stream=False, raw=b"{}", outline=Outline()
    )
    with pytest.raises(InvalidRequest) as told:
        labelled(request, header)
    assert str(told.value) == words


@pytest.mark.parametrize(
    ("document", "unbounded"),
    [
        ({"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}, False),
        ({"type": "text", "media_type": "text/plain", "data": "words"}, False),
        ({"type": "content", "content": "words"}, False),
        ({"type": "url", "url": "https://files.acme.example/a.pdf"}, True),
        ({"type": "file", "file_id": "file_1"}, True),
        (None, True),
        ("x", True),
    ],
)
def test_a_document_that_lies_elsewhere_has_no_bound_of_its_own(
    document: Any, *, unbounded: bool
) -> None:
    block = {"type": "document", "source": document}
    for content in ([block], [{"type": "tool_result", "tool_use_id": "t", "content": [block]}]):
        raw = messages_body(messages=[{"role": "user", "content": content}])
        request = MESSAGES.parse_request(raw, {}, "")
        assert request.outline.unbounded is unbounded
    file = document if type(document) is dict else {}
    part = {"type": "file", "file": {"file_data": file.get("data") or file.get("content")}}
    asked = chat_body(messages=[{"role": "user", "content": [part]}])
    assert CHAT.parse_request(asked, {}, "").outline.unbounded is unbounded
    assert CHAT.parse_request(chat_body(), {}, "").outline.unbounded is False
