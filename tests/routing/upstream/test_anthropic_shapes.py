"""Every answer of the upstream is one the official Anthropic client parses, strictly, over HTTP."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import Message, RawMessageStreamEvent

from tests.routing.upstream.process import Upstream

TOOLS = [
    {
        "name": "lookup_policy",
        "input_schema": {
            "type": "object",
            "required": ["number"],
            "properties": {"number": {"type": "string", "enum": ["P-100", "P-200"]}},
        },
    }
]


@pytest.fixture
async def client(upstream: Upstream) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(
        api_key="sk-ant-test",
        base_url=upstream.url,
        max_retries=0,
        timeout=10,
        _strict_response_validation=True,
    ) as made:
        yield made


async def ask(client: AsyncAnthropic, text: str, **more: object) -> Message:
    # the SDK's overloads take no mapping of options
    create: Any = client.messages.create
    options = {"model": "claude-haiku-4-5", "max_tokens": 1000, **more}
    found: Message = await create(messages=[{"role": "user", "content": text}], **options)
    return found


async def stream(client: AsyncAnthropic, text: str, **more: object) -> list[RawMessageStreamEvent]:
    found: Any = await ask(client, text, stream=True, **more)
    return [event async for event in found]


async def test_plain(client: AsyncAnthropic) -> None:
    answer = await ask(client, 'hello [[sandbox say="Good morning, Ada."]]')
    assert answer.content[0].to_dict() == {"type": "text", "text": "Good morning, Ada."}
    assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (11, 5)


async def test_both_vendors_say_the_same(client: AsyncAnthropic) -> None:
    first = await ask(client, "is it raining?")
    second = await ask(client, "is it raining?", model="claude-opus-4-5")
    assert first.content == second.content
    assert first.id != second.id


async def test_stream_adds_up_to_the_plain_answer(client: AsyncAnthropic) -> None:
    plain = await ask(client, "a question [[sandbox chunks=5]]")
    async with client.messages.stream(
        model="claude-haiku-4-5",
        max_tokens=1000,
        messages=[{"role": "user", "content": "a question [[sandbox chunks=5]]"}],
    ) as events:
        kinds = [event.type async for event in events if event.type != "text"]
        whole = await events.get_final_message()
    assert [block.to_dict()["text"] for block in whole.content] == [
        block.to_dict()["text"] for block in plain.content
    ]
    assert whole.usage.output_tokens == plain.usage.output_tokens
    assert whole.stop_reason == "end_turn"
    assert kinds == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 5,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


async def test_tool_call_and_its_result(client: AsyncAnthropic) -> None:
    asked = "which policy is P-200? [[sandbox tool=lookup_policy]]"
    answer = await ask(client, asked, tools=TOOLS)
    assert answer.stop_reason == "tool_use"
    [block] = answer.content
    assert block.type == "tool_use"
    assert (block.name, block.input) == ("lookup_policy", {"number": "P-200"})
    result = {"type": "tool_result", "tool_use_id": block.id, "content": "household, 2 years"}
    create: Any = client.messages.create
    after: Message = await create(
        model="claude-haiku-4-5",
        max_tokens=100,
        tools=TOOLS,
        messages=[
            {"role": "user", "content": asked},
            {"role": "assistant", "content": [block]},
            {"role": "user", "content": [result]},
        ],
    )
    assert after.stop_reason == "end_turn"
    assert "household, 2 years" in str(after.content[0].to_dict()["text"])


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "lookup_policy"}])
async def test_tool_call_in_a_stream_adds_up(
    client: AsyncAnthropic, choice: dict[str, str]
) -> None:
    events = await stream(client, "P-100", tools=TOOLS, tool_choice=choice)
    parts = [
        event.delta.partial_json
        for event in events
        if event.type == "content_block_delta" and event.delta.type == "input_json_delta"
    ]
    assert json.loads("".join(parts)) == {"number": "P-100"}
    [end] = [event for event in events if event.type == "message_delta"]
    assert end.delta.stop_reason == "tool_use"


async def test_thinking_comes_first_and_signed(client: AsyncAnthropic) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    answer = await ask(client, "why?", thinking=thinking, max_tokens=2000)
    assert [block.type for block in answer.content] == ["thinking", "text"]
    events = await stream(client, "why?", thinking=thinking, max_tokens=2000)
    starts = [event.content_block.type for event in events if event.type == "content_block_start"]
    assert starts == ["thinking", "text"]


async def test_structured_output_fits_the_schema(client: AsyncAnthropic) -> None:
    schema = {
        "type": "object",
        "required": ["label"],
        "additionalProperties": False,
        "properties": {"label": {"type": "string", "enum": ["storm", "water"]}},
    }
    wanted = {"format": {"type": "json_schema", "schema": schema}}
    answer = await ask(client, "water everywhere", output_config=wanted)
    assert json.loads(str(answer.content[0].to_dict()["text"])) == {"label": "water"}


async def test_limits_end_an_answer(client: AsyncAnthropic) -> None:
    cut = await ask(client, "long [[sandbox tokens=50]]", max_tokens=7)
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 7)
    stopped = await ask(client, 'x [[sandbox say="one two three"]]', stop_sequences=["two"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "two")


@pytest.mark.parametrize(
    ("directive", "kind", "status", "name"),
    [
        ("fail=rate_limited", anthropic.RateLimitError, 429, "rate_limit_error"),
        ("fail=overloaded", anthropic.OverloadedError, 529, "overloaded_error"),
        ("fail=server_error", anthropic.InternalServerError, 500, "api_error"),
        ("fail=refused_request", anthropic.BadRequestError, 400, "invalid_request_error"),
        ("fail=refused_account", anthropic.AuthenticationError, 401, "authentication_error"),
        ("status=403", anthropic.PermissionDeniedError, 403, "permission_error"),
        ("status=404", anthropic.NotFoundError, 404, "not_found_error"),
        ("status=413", anthropic.RequestTooLargeError, 413, "request_too_large"),
    ],
)
async def test_errors_have_their_own_class(
    client: AsyncAnthropic,
    directive: str,
    kind: type[anthropic.APIStatusError],
    status: int,
    name: str,
) -> None:
    with pytest.raises(kind) as caught:
        await ask(client, f"x [[sandbox {directive} retry_after=2]]")
    assert caught.value.status_code == status
    assert caught.value.response.headers["retry-after"] == "2"
    assert caught.value.body == {
        "type": "error",
        "error": {"type": name, "message": "the sandbox was told to fail"},
        "request_id": caught.value.request_id,
    }


async def test_a_bad_request_says_what_is_wrong(client: AsyncAnthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match='no tool "nothing"'):
        await ask(client, "x [[sandbox tool=nothing]]", tools=TOOLS)


async def test_an_error_in_mid_stream_is_raised(client: AsyncAnthropic) -> None:
    with pytest.raises(anthropic.APIStatusError, match="told to break off"):
        await stream(client, "x [[sandbox error=after:3]]")


async def test_a_cut_stream_is_raised(client: AsyncAnthropic) -> None:
    with pytest.raises(Exception, match=r"(?i)peer closed|incomplete|disconnected"):
        await stream(client, "x [[sandbox cut=after:3]]")


async def test_models_are_listed_in_its_own_shape(client: AsyncAnthropic) -> None:
    models = [model async for model in client.models.list()]
    assert models[0].id == "gpt-5-mini"
    assert models[0].created_at.year == 2026
