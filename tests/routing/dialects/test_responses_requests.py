"""Requests of the responses dialect: read, continued from an earlier call, handed on, and crossing both ways."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.kernel.errors import InvalidRequest
from routing.dialects.openai_responses.request import continued
from routing.exchange import (
    Conversation,
    Image,
    Message,
    Outline,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tests.routing.dialects.material import (
    CALL,
    CALLED,
    CHAT,
    PNG,
    RESPONSE,
    RESPONSES,
    RESPONSES_STREAM,
    SAID,
    THOUGHT,
    begun,
    compact,
    responses,
    responses_body,
    said_in_chat,
    said_in_responses,
)

LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": True}


def test_a_request_is_read_and_outlined() -> None:
    raw = responses_body(
        tools=[LOOK, {"type": "custom", "name": "free"}],
        text={"format": {"type": "json_schema", "name": "a", "schema": {}}},
        top_logprobs=2,
        max_output_tokens=9,
        safety_identifier="ada",
        metadata={"case": "17"},
        stream=True,
        background=True,
        previous_response_id="resp_1",
        service_tier="priority",
    )
    headers = {"openai-beta": "x=1", "authorization": "Bearer secret"}
    request = RESPONSES.parse_request(raw, headers, "a=b")
    assert (request.dialect, request.route, request.stream) == ("openai.responses", "triage", True)
    assert (request.raw, request.headers, request.query) == (raw, {"openai-beta": "x=1"}, "a=b")
    assert (request.background, request.previous, request.kept) == (True, "resp_1", True)
    assert request.outline == Outline(
        tools=("look", "free"),
        needs=("chat", "tools", "json_schema", "logprobs"),
        input_tokens_max=len(raw) + 64 + 16 + 2 * 64 + 2 * 1024,
        input_tokens_estimate=len(raw) // 4,
        output_tokens_asked=9,
        user="ada",
        labels={"case": "17"},
        include_usage=True,
        special=("service_tier",),
    )


def test_a_picture_costs_by_the_picture_and_not_by_its_base64() -> None:
    url = "data:image/png;base64," + PNG * 1000
    parts = [
        {"type": "input_image", "image_url": url},
        {"type": "input_image", "image_url": "https://x.example/a.png", "detail": "low"},
        {"type": "input_file", "file_id": "f"},
    ]
    results = {"type": "function_call_output", "call_id": "c", "output": parts[:1]}
    raw = responses_body(input=[{"role": "user", "content": parts}, results])
    outline = RESPONSES.parse_request(raw, {}, "").outline
    assert outline.needs == ("chat", "vision")
    bound = len(raw) - 2 * len(url) + 64 + 2 * 16 + 3 * 16_384 + 3_072
    assert outline.input_tokens_max == bound
    assert outline.unbounded is True
    held = [{"type": "input_file", "filename": "a.pdf", "file_data": url}]
    raw = responses_body(input=[{"role": "user", "content": [*parts[:2], *held]}])
    assert RESPONSES.parse_request(raw, {}, "").outline.unbounded is False


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"service_tier": "flex"}, ()),
        ({"service_tier": ["flex"]}, ("service_tier",)),
        ({"conversation": "conv_1"}, ("conversation",)),
        ({"prompt": {"id": "p"}}, ("prompt",)),
        ({"moderation": {"model": "m"}}, ("moderation",)),
        ({"tools": [{"type": "web_search"}]}, ("tools",)),
        ({"tools": [{"type": "mcp", "server_label": "s"}]}, ("tools",)),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, ("input of type item_reference",)),
        ({"reasoning": {"mode": "pro"}}, ("reasoning.mode",)),
        ({"service_tier": "auto", "tools": [LOOK], "prompt": None, "image": {}}, ()),
    ],
)
def test_what_changes_price_or_place_is_named(fields: Any, named: tuple[str, ...]) -> None:
    assert responses(**fields).outline.special == named


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"input": ""}, None),
        ({"input": []}, '"input" is missing or empty'),
        ({"input": None}, '"input" is missing or empty'),
        ({"input": 7}, '"input" is a number; send a list of objects'),
        ({"background": True, "store": False}, '"background" is answered by asking again'),
        ({"max_output_tokens": 0}, '"max_output_tokens" is 0; send a whole number from 1'),
        ({"tools": [{"type": "function"}]}, '"tools[0]" has no name'),
        ({"include": "all"}, '"include" is not a list of names'),
        ({"previous_response_id": 7}, '"previous_response_id" is 7; send a string'),
        ({"store": "no"}, '"store" is "no"; send true or false'),
        ({"input": [{"role": "user", "content": "x"}] * 2049}, '"input" has 2049 items; at most'),
    ],
)
def test_what_is_refused_is_named(fields: Any, words: str | None) -> None:
    if words is None:
        assert responses(**fields).route == "triage"
        return
    with pytest.raises(InvalidRequest) as caught:
        responses(**fields)
    assert caught.value.message.startswith(words)


def test_a_whole_request_is_read_as_a_conversation() -> None:
    data = f"data:image/png;base64,{PNG}"
    said = said_in_responses(
        instructions="be kind",
        input=[
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [{"type": "input_image", "image_url": data}]},
            SAID,
            THOUGHT,
            CALLED,
            CALLED | {"call_id": "call_2"},
            {"type": "function_call_output", "call_id": "call_1", "output": "one"},
            {"type": "function_call_output", "call_id": "call_2", "output": ""},
            {"role": "user", "content": "go"},
        ],
        tools=[LOOK],
        tool_choice={"type": "function", "name": "look"},
        parallel_tool_calls=False,
        temperature=0.5,
        reasoning={"effort": "low"},
        max_output_tokens=7,
        metadata={"a": "b"},
    )
    calls = (ToolCall("call_1", "look", '{"q":1}'), ToolCall("call_2", "look", '{"q":1}'))
    results = (ToolResult("call_1", (Text("one"),)), ToolResult("call_2", (Text(""),)))
    assert said == Conversation(
        dialect="openai.responses",
        messages=(
            Message("system", (Text("be kind"),)),
            Message("system", (Text("be brief"),)),
            Message("user", (Image(data=PNG, media_type="image/png"),)),
            Message("assistant", (Text("Grüße"), *calls)),
            Message("user", results),
            Message("user", (Text("go"),)),
        ),
        tools=(Tool("look", None, {"type": "object"}, True),),
        tool_choice=ToolChoice("tool", "look"),
        parallel_tool_calls=False,
        temperature=0.5,
        effort="low",
        metadata={"a": "b"},
        max_output_tokens=7,
        include_usage=True,
        hints=("input of type reasoning",),
    )


def test_only_what_is_ours_is_replaced_for_a_model_of_this_dialect() -> None:
    raw = (
        b' {"x_new" : [1.50],"input":"h\xc3\xa9", "model" : "triage","store":true ,'
        b'"previous_response_id":"resp_1","background":true,"max_output_tokens":900}\n'
    )
    request = RESPONSES.parse_request(raw, {}, "")
    assert RESPONSES.splice_request(request, model="gpt", max_output_tokens=70) == (
        b' {"x_new" : [1.50],"input":"h\xc3\xa9", "model" : "gpt","store":false ,'
        b'"previous_response_id":null,"background":null,"max_output_tokens":70}\n'
    )
    assert RESPONSES.splice_request(responses(), model="gpt", max_output_tokens=70) == (
        b'{"store":false,"max_output_tokens":70,"model":"gpt","input":"hello"}'
    )


def stored(**fields: Any) -> bytes:
    return compact(RESPONSE | fields)


@pytest.mark.parametrize("answer", [stored(), RESPONSES_STREAM], ids=["plain", "stream"])
def test_a_call_goes_on_from_an_earlier_one(answer: bytes) -> None:
    earlier = responses(input="Grüß dich", instructions="be kind", metadata={"a": "b"})
    request = responses(previous_response_id="resp_1", input=[{"role": "user", "content": "go"}])
    whole = continued(request, earlier, answer)
    items = [
        {"role": "user", "content": "Grüß dich"},
        THOUGHT,
        {"type": "message", "role": "assistant", "content": SAID["content"]},
        {name: value for name, value in CALLED.items() if name not in {"id", "status"}},
        {"role": "user", "content": "go"},
    ]
    assert json.loads(whole.raw) == {
        "model": "triage",
        "previous_response_id": "resp_1",
        "input": items,
    }
    assert whole.previous == "resp_1"
    # the bounds for money are those of all of it
    assert whole.outline.input_tokens_max == len(whole.raw) + 64 + 5 * 16


def test_what_was_thought_and_not_sealed_does_not_go_on() -> None:
    open_thought: dict[str, Any] = {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [],
        "encrypted_content": None,
    }
    whole = continued(responses(), responses(), stored(output=[open_thought, SAID]))
    said = json.loads(whole.raw)["input"]
    assert [item.get("type", "message") for item in said] == ["message", "message", "message"]


@pytest.mark.parametrize(
    "answer",
    [
        stored(status="failed"),
        stored(status="cancelled"),
        b'{"error":{"message":"no"}}',
        b"data: [DONE]\n\n",
        b"",
    ],
)
def test_nothing_goes_on_from_a_call_without_an_answer(answer: bytes) -> None:
    request = responses(previous_response_id="resp_1")
    with pytest.raises(InvalidRequest, match='"resp_1" has no answer to go on from'):
        continued(request, responses(), answer)


TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
ARGUMENTS = st.dictionaries(TEXTS, st.integers(-9, 9) | TEXTS, max_size=3)


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Chat messages, which every dialect can carry."""
    found: list[dict[str, Any]] = (
        [{"role": "system", "content": draw(TEXTS)}] if draw(st.booleans()) else []
    )
    for turn in range(draw(st.integers(1, 3))):
        found.append({"role": "user", "content": draw(TEXTS)})
        answer: dict[str, Any] = {"role": "assistant", "content": draw(TEXTS)}
        calls = [
            {
                "id": f"call_{turn}_{at}",
                "type": "function",
                "function": {"name": "look", "arguments": json.dumps(given)},
            }
            for at, given in enumerate(draw(st.lists(ARGUMENTS, max_size=2)))
        ]
        found.append(answer | ({"tool_calls": calls} if calls else {}))
        found += [
            {"role": "tool", "tool_call_id": call["id"], "content": draw(TEXTS)} for call in calls
        ]
    return [*found, {"role": "user", "content": draw(TEXTS)}]


@given(conversations())
def test_a_conversation_comes_back_from_responses_as_it_went(messages: list[Any]) -> None:
    said = said_in_chat(messages=messages)
    assert RESPONSES.cannot_carry(said) == []
    sent = RESPONSES.encode_request(said, model="gpt", max_output_tokens=50, stream=False)
    there = RESPONSES.conversation(RESPONSES.parse_request(sent, {}, ""))
    assert (there.extras, there.hints, there.messages) == ((), (), said.messages)
    back = CHAT.encode_request(there, model="triage", max_output_tokens=50, stream=False)
    assert json.loads(back)["messages"] == messages


def test_a_whole_chat_request_becomes_a_responses_request() -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    said = said_in_chat(
        messages=[{"role": "user", "content": [{"type": "text", "text": "a"}, picture]}],
        tools=[{"type": "function", "function": {"name": "look", "description": "d"}}],
        tool_choice="required",
        parallel_tool_calls=False,
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
        reasoning_effort="low",
        logprobs=True,
        top_logprobs=2,
        user="ada",
        metadata={"a": "b"},
    )
    sent = RESPONSES.encode_request(said, model="gpt", max_output_tokens=50, stream=True)
    assert json.loads(sent) == {
        "model": "gpt",
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "a"},
                    {
                        "type": "input_image",
                        "image_url": f"data:image/png;base64,{PNG}",
                        "detail": "auto",
                    },
                ],
            }
        ],
        "store": False,
        "max_output_tokens": 50,
        "tools": [
            {
                "type": "function",
                "name": "look",
                "description": "d",
                "parameters": {"type": "object", "properties": {}},
                "strict": False,
            }
        ],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}},
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2,
        "reasoning": {"effort": "low"},
        "user": "ada",
        "metadata": {"a": "b"},
        "stream": True,
    }


def test_what_a_responses_request_has_no_place_for_is_named() -> None:
    said = said_in_chat(
        messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        seed=7,
        n=2,
        stop="END",
        frequency_penalty=0.5,
        logit_bias={"5": 1},
    )
    assert RESPONSES.cannot_carry(said) == [
        "logit_bias",
        "frequency_penalty",
        "seed",
        "stop sequences",
        "n above 1",
        "an answer begun by the caller (the last message is the assistant's)",
    ]


def test_a_response_repeats_what_it_was_asked() -> None:
    asked = {
        "instructions": "be kind",
        "tools": [LOOK],
        "tool_choice": "required",
        "metadata": {"a": "b"},
        "max_output_tokens": 9,
        "temperature": 0.5,
        "text": {"verbosity": "medium"},
        "previous_response_id": "resp_1",
        "background": True,
    }
    writer = RESPONSES.writer(
        CALL, "triage", include_usage=True, created=1700000000, request=responses(**asked)
    )
    (last,) = [
        json.loads(one.data)["response"]
        for one in RESPONSES.reader().feed(writer.end())
        if one.name == "response.completed"
    ]
    format_too = asked["text"] | {"format": {"type": "text"}}  # type: ignore[operator]  # a dict
    assert {name: last[name] for name in asked} == asked | {"text": format_too}
    unasked = begun(status="completed") | last
    assert (unasked["store"], unasked["top_p"], unasked["truncation"]) == (True, None, "disabled")
