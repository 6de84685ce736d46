"""Requests that cross dialects: each claim of the table is tried, and no field of either SDK is without one."""

import json
from typing import Any, get_type_hints

import pytest
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming

from controlplane.kernel.errors import InvalidRequest
from policies.documents.accounts import PROVIDER_TYPES
from routing.dialects import Dialect, dialect
from routing.dialects.registry import spoken_by
from tests.routing.dialects import support
from tests.routing.dialects.material import (
    CHAT,
    HELLO,
    MESSAGES,
    chat_body,
    messages_body,
    responses_body,
    said_in_chat,
    said_in_messages,
    to_claude,
    to_openai,
)

BODIES: dict[str, Any] = {
    "openai.chat": chat_body,
    "openai.responses": responses_body,
    "anthropic.messages": messages_body,
}
MODELS = {"openai.chat": "gpt", "anthropic.messages": "claude"}
ROWS = [(*pair, row) for pair, rows in support.rows().items() for row in rows]


def name_of(case: Any) -> str:
    return case if isinstance(case, str) else f"{case['field']} {case.get('about', '')}"


def contains(found: Any, part: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(found, dict) and all(
            k in found and contains(found[k], v) for k, v in part.items()
        )
    if isinstance(part, list):
        same = isinstance(found, list) and len(found) == len(part)
        return same and all(contains(f, p) for f, p in zip(found, part, strict=True))
    return bool(found == part)


@pytest.mark.parametrize(("caller", "model", "row"), ROWS, ids=name_of)
def test_the_claim_holds(caller: str, model: str, row: dict[str, Any]) -> None:
    ours, theirs = dialect(caller), dialect(model)
    raw = BODIES[caller](**row["send"])
    if row["claim"] == "refused":
        with pytest.raises(InvalidRequest) as caught:
            ours.conversation(ours.parse_request(raw, {}, ""))
        assert row["named"] in caught.value.message
        return
    request = ours.parse_request(raw, {}, "")
    said = ours.conversation(request)
    cannot, left = theirs.cannot_carry(said), theirs.left_out(said)
    if row["claim"] == "routed around":
        assert [words for words in cannot if words.startswith(row["named"])] == cannot != []
        return
    assert cannot == []
    assert left == ([row["named"]] if row["claim"] == "left out" else [])
    limit = request.outline.output_tokens_asked or 50
    sent = json.loads(
        theirs.encode_request(
            said, model=MODELS[model], max_output_tokens=limit, stream=request.stream
        )
    )
    assert contains(sent, row.get("becomes", {}))
    assert theirs.request_headers(said) == row.get("headers", {})


@pytest.mark.parametrize(("caller", "model", "row"), ROWS, ids=name_of)
def test_the_same_dialect_carries_it_byte_for_byte(
    caller: str, model: str, row: dict[str, Any]
) -> None:
    ours, body = dialect(caller), BODIES[caller]
    given = {"stream_options": {"include_usage": True}} | row["send"]
    # of a response nothing is kept at the vendor, and no call of ours is known there
    asked = given | {"store": True} if caller == "openai.responses" else given
    sent = asked | {"store": False} if caller == "openai.responses" else given
    sent |= {name: None for name in ("background", "previous_response_id") if name in sent}
    request = ours.parse_request(body(**asked), {}, "")
    assert ours.splice_request(request, model="triage", max_output_tokens=None) == body(**sent)
    if row["claim"] != "refused":
        said = ours.conversation(request)
        assert (ours.cannot_carry(said), ours.left_out(said)) == ([], [])


def test_every_cell_is_filled_and_every_field_of_the_sdks_is_in_the_table() -> None:
    for rows in support.rows().values():
        assert [row for row in rows if row["claim"] not in support.CLAIMS] == []
        assert [row for row in rows if row["claim"] == "carried" and "becomes" not in row] == []
        assert [row for row in rows if row["claim"] != "carried" and not row.get("named")] == []
    params = {
        "openai.chat": CompletionCreateParamsStreaming,
        "openai.responses": ResponseCreateParamsStreaming,
        "anthropic.messages": MessageCreateParamsStreaming,
    }
    for (caller, _model), rows in support.rows().items():
        fields = {row["field"] for row in rows}
        assert set(get_type_hints(params[caller])) - fields == set()


@pytest.mark.parametrize("caller", list(BODIES))
def test_no_provider_speaks_what_the_table_does_not_have(caller: Any) -> None:
    spoken = {spoken_by(kind, caller) for kind in PROVIDER_TYPES} - {caller}
    assert spoken == set(support.ASKED[caller])


def test_the_page_is_the_table() -> None:
    assert support.PAGE.read_text() == support.page()


def test_a_whole_chat_request_becomes_a_messages_request() -> None:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "look", "arguments": '{"q": "ß"}'},
    }
    assert to_claude(
        messages=[
            {"role": "system", "content": "be kind"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": ""}],
            },
            {"role": "assistant", "content": "b", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": ""},
            {"role": "user", "content": "c"},
        ],
        tools=[{"type": "function", "function": {"name": "look"}}],
        temperature=0,
        stop=["END"],
        user="ada",
    ) == {
        "model": "claude",
        "max_tokens": 50,
        "system": [{"type": "text", "text": "be kind"}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "b"},
                    {"type": "tool_use", "id": "call_1", "name": "look", "input": {"q": "ß"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1"},
                    {"type": "text", "text": "c"},
                ],
            },
        ],
        "tools": [{"name": "look", "input_schema": {"type": "object", "properties": {}}}],
        "stop_sequences": ["END"],
        "temperature": 0,
        "metadata": {"user_id": "ada"},
    }


def test_a_whole_messages_request_becomes_a_chat_request() -> None:
    assert to_openai(
        system="be kind", messages=[*HELLO, {"role": "assistant", "content": ""}, *HELLO], top_p=0.5
    ) == {
        "model": "gpt",
        "messages": [
            {"role": "system", "content": "be kind"},
            *HELLO,
            {"role": "assistant", "content": ""},
            *HELLO,
        ],
        "max_completion_tokens": 50,
        "top_p": 0.5,
    }


def test_an_older_server_gets_the_limit_under_its_name() -> None:
    said = said_in_messages()
    body = CHAT.encode_request(
        said, model="llama", max_output_tokens=5, stream=False, limit_field="max_tokens"
    )
    assert json.loads(body)["max_tokens"] == 5


def test_sampling_needs_the_api_version_that_has_it_and_nothing_else_does() -> None:
    assert MESSAGES.request_headers(said_in_chat(temperature=0)) == {
        "anthropic-version": "2023-06-01"
    }
    assert MESSAGES.request_headers(said_in_chat()) == {}
    assert CHAT.request_headers(said_in_messages(temperature=0)) == {}


TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
ARGUMENTS = st.dictionaries(TEXTS, st.integers(-9, 9) | TEXTS, max_size=3)


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        [{"role": "system", "content": draw(TEXTS)}] if draw(st.booleans()) else []
    )
    for turn in range(draw(st.integers(1, 3))):
        found.append({"role": "user", "content": draw(TEXTS)})
        calls = draw(st.lists(ARGUMENTS, max_size=2))
        answer: dict[str, Any] = {"role": "assistant", "content": draw(TEXTS)}
        if calls:
            answer["tool_calls"] = [
                {
                    "id": f"call_{turn}_{at}",
                    "type": "function",
                    "function": {
                        "name": "look",
                        "arguments": json.dumps(given, separators=(",", ":"), ensure_ascii=False),
                    },
                }
                for at, given in enumerate(calls)
            ]
        found.append(answer)
        found += [
            {"role": "tool", "tool_call_id": f"call_{turn}_{at}", "content": draw(TEXTS)}
            for at in range(len(calls))
        ]
    return [*found, {"role": "user", "content": draw(TEXTS)}]


@given(conversations())
def test_a_conversation_comes_back_from_claude_as_it_went(messages: list[dict[str, Any]]) -> None:
    said = said_in_chat(messages=messages)
    sent = MESSAGES.encode_request(said, model="claude", max_output_tokens=50, stream=False)
    there = MESSAGES.conversation(MESSAGES.parse_request(sent, {}, ""))
    assert CHAT.cannot_carry(there) == []
    back = CHAT.encode_request(there, model="triage", max_output_tokens=50, stream=False)
    assert json.loads(back)["messages"] == messages


@given(conversations())
def test_a_conversation_is_written_as_it_was_read(messages: list[dict[str, Any]]) -> None:
    said = said_in_chat(messages=messages, seed=7, n=2, logprobs=True, metadata={"a": "b"})
    again = CHAT.encode_request(said, model="triage", max_output_tokens=50, stream=False)
    body = json.loads(again)
    assert body["messages"] == messages
    assert (body["seed"], body["n"], body["logprobs"], body["metadata"]) == (7, 2, True, {"a": "b"})


def test_a_number_that_cannot_be_written_again_is_refused() -> None:
    tools = '"tools":[{"type":"function","function":{"name":"look","parameters":{"maximum":%s}}}]'
    raw = chat_body(tools=[]).replace(b'"tools":[]', (tools % "1e999").encode())
    request = CHAT.parse_request(raw, {}, "")
    with pytest.raises(
        InvalidRequest, match="the number 1e999 is too large to be carried to another"
    ):
        CHAT.conversation(request)
    whole = {"maximum": 10**30}
    found = to_claude(
        tools=[{"type": "function", "function": {"name": "look", "parameters": whole}}]
    )
    assert found["tools"][0]["input_schema"] == whole


def test_arguments_go_over_as_the_model_wrote_them() -> None:
    arguments = ' {"amount": 1.50, "id": 99999999999999999999} '
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": arguments}}
    said = said_in_chat(messages=[*HELLO, {"role": "assistant", "tool_calls": [call]}, *HELLO])
    body = MESSAGES.encode_request(said, model="claude", max_output_tokens=5, stream=False)
    assert b'"input":{"amount": 1.50, "id": 99999999999999999999}' in body


@pytest.mark.parametrize("arguments", ["[1]", "{", "NaN", '{"a":NaN}', "7", '{"a":1}}'])
def test_arguments_that_are_no_object_are_routed_around(arguments: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": arguments}}
    said = said_in_chat(messages=[*HELLO, {"role": "assistant", "tool_calls": [call]}, *HELLO])
    assert MESSAGES.cannot_carry(said) == ["tool call arguments that are not a JSON object"]


SECRET = "my diagnosis"  # content, which no message may quote


@pytest.mark.parametrize(
    "messages",
    [
        SECRET,
        [SECRET],
        [{"role": "user", "content": {"x": SECRET}}],
        [{"role": "user", "content": [SECRET]}],
        [{"role": "user", "content": [{"type": "text", "text": [SECRET]}]}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": SECRET}]}],
        [{"role": "user", "content": [{"type": "image", "source": SECRET}]}],
        [
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": f"data:{SECRET}"}}],
            }
        ],
    ],
)
def test_no_message_of_ours_quotes_content(messages: Any) -> None:
    said = [
        _refusal(speaks, body(messages=messages))
        for speaks, body in ((CHAT, chat_body), (MESSAGES, messages_body))
    ]
    assert [words for words in said if SECRET in words] == []
    assert any(said)


def _refusal(speaks: Dialect, raw: bytes) -> str:
    try:
        speaks.conversation(speaks.parse_request(raw, {}, ""))
    except InvalidRequest as error:
        return error.message
    return ""
