"""Every answer of the upstream is one the official OpenAI client parses, strictly, over HTTP."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.routing.upstream.process import Upstream

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "lookup_policy",
            "parameters": {
                "type": "object",
                "required": ["number"],
                "properties": {"number": {"type": "string", "enum": ["P-100", "P-200"]}},
            },
        },
    }
]
SCHEMA = {
    "type": "object",
    "required": ["label", "payout"],
    "additionalProperties": False,
    "properties": {
        "label": {"type": "string", "enum": ["storm", "water", "theft"]},
        "payout": {"type": "number", "minimum": 100, "maximum": 200},
    },
}


@pytest.fixture
async def client(upstream: Upstream) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        api_key="sk-test",
        base_url=upstream.openai,
        max_retries=0,
        timeout=10,
        _strict_response_validation=True,
    ) as made:
        yield made


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


async def ask(client: AsyncOpenAI, text: str, **more: object) -> ChatCompletion:
    # the SDK's overloads take no mapping of options
    create: Any = client.chat.completions.create
    found: ChatCompletion = await create(model="gpt-5-mini", messages=user(text), **more)
    return found


async def stream(client: AsyncOpenAI, text: str, **more: object) -> list[ChatCompletionChunk]:
    create: Any = client.chat.completions.create
    found = await create(model="gpt-5-mini", messages=user(text), stream=True, **more)
    return [chunk async for chunk in found]


async def test_plain(client: AsyncOpenAI) -> None:
    answer = await ask(client, 'hello [[sandbox say="Good morning, Ada."]]')
    assert answer.choices[0].message.content == "Good morning, Ada."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "gpt-5-mini"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (11, 5)
    assert answer.usage.total_tokens == 16


async def test_the_same_question_gets_the_same_answer(client: AsyncOpenAI) -> None:
    first, second = await ask(client, "is it raining?"), await ask(client, "is it raining?")
    assert first.choices[0].message.content == second.choices[0].message.content
    assert first.id != second.id


async def test_stream_says_what_the_plain_answer_says(client: AsyncOpenAI) -> None:
    plain = await ask(client, "a question [[sandbox chunks=5]]")
    chunks = await stream(
        client, "a question [[sandbox chunks=5]]", stream_options={"include_usage": True}
    )
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == plain.choices[0].message.content
    assert len([text for text in texts if text]) == 5
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == plain.usage
    assert {chunk.usage for chunk in chunks[:-1]} == {None}


async def test_stream_without_usage_has_none(client: AsyncOpenAI) -> None:
    chunks = await stream(client, "a question")
    assert [chunk.usage for chunk in chunks] == [None] * len(chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_n_answers(client: AsyncOpenAI) -> None:
    answer = await ask(client, "three", n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) == 1
    varied = await ask(client, "three [[sandbox vary=1]]", n=3)
    assert len({choice.message.content for choice in varied.choices}) > 1
    chunks = await stream(client, "three", n=2)
    finished = [chunk.choices[0].index for chunk in chunks if chunk.choices[0].finish_reason]
    assert finished == [0, 1]


async def test_tool_call_and_its_result(client: AsyncOpenAI) -> None:
    asked = "which policy is P-200? [[sandbox tool=lookup_policy]]"
    answer = await ask(client, asked, tools=TOOLS)
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    assert message.tool_calls is not None
    [call] = message.tool_calls
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("lookup_policy", '{"number":"P-200"}')
    create: Any = client.chat.completions.create
    after: ChatCompletion = await create(
        model="gpt-5-mini",
        tools=TOOLS,
        messages=[
            {"role": "user", "content": asked},
            {"role": "assistant", "tool_calls": [call.model_dump()]},
            {"role": "tool", "tool_call_id": call.id, "content": "household, 2 years"},
        ],
    )
    assert after.choices[0].finish_reason == "stop"
    assert "household, 2 years" in (after.choices[0].message.content or "")


async def test_tool_call_in_a_stream_adds_up(client: AsyncOpenAI) -> None:
    chunks = await stream(client, "P-100", tools=TOOLS, tool_choice="required")
    deltas = [found for chunk in chunks for found in chunk.choices[0].delta.tool_calls or ()]
    assert [found.id is not None for found in deltas] == [True] + [False] * (len(deltas) - 1)
    arguments = "".join(found.function.arguments or "" for found in deltas if found.function)
    assert arguments == '{"number":"P-100"}'
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_structured_output_fits_the_schema(client: AsyncOpenAI) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "triage", "schema": SCHEMA}}
    answer = await ask(client, "the cellar is full of water", response_format=wanted)
    value = json.loads(answer.choices[0].message.content or "")
    assert value["label"] == "water"
    assert 100 <= value["payout"] <= 200
    assert value.keys() == {"label", "payout"}
    loose = await ask(client, "anything", response_format={"type": "json_object"})
    assert json.loads(loose.choices[0].message.content or "") == {}


async def test_logprobs_follow_the_told_confidence(client: AsyncOpenAI) -> None:
    text = "sure? [[sandbox confidence=0.5 tokens=20]]"
    answer = await ask(client, text, logprobs=True, top_logprobs=2)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert len(logprobs.content) == 20
    assert all(-0.81 < token.logprob < -0.59 for token in logprobs.content)
    assert [len(token.top_logprobs) for token in logprobs.content] == [2] * 20
    chunks = await stream(client, text, logprobs=True)
    tokens = [
        token
        for chunk in chunks
        if chunk.choices[0].logprobs
        for token in chunk.choices[0].logprobs.content or ()
    ]
    assert [token.token for token in tokens] == [token.token for token in logprobs.content]


async def test_images_cost_tokens(client: AsyncOpenAI) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    parts = [{"type": "text", "text": "what is this?"}, image]
    create: Any = client.chat.completions.create
    answer: ChatCompletion = await create(
        model="gpt-5-mini", messages=[{"role": "user", "content": parts}]
    )
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 4 + 85


async def test_limits_end_an_answer(client: AsyncOpenAI) -> None:
    cut = await ask(client, "long [[sandbox tokens=50]]", max_completion_tokens=7)
    assert cut.choices[0].finish_reason == "length"
    assert cut.usage is not None
    assert cut.usage.completion_tokens == 7
    stopped = await ask(client, 'x [[sandbox say="one two three"]]', stop=["three", "two"])
    assert stopped.choices[0].message.content == "one "
    assert stopped.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("directive", "kind", "status"),
    [
        ("fail=rate_limited", openai.RateLimitError, 429),
        ("fail=overloaded", openai.InternalServerError, 503),
        ("fail=server_error", openai.InternalServerError, 500),
        ("fail=refused_request", openai.BadRequestError, 400),
        ("fail=refused_account", openai.AuthenticationError, 401),
        ("status=403", openai.PermissionDeniedError, 403),
        ("status=404", openai.NotFoundError, 404),
        ("status=422", openai.UnprocessableEntityError, 422),
    ],
)
async def test_errors_have_their_own_class(
    client: AsyncOpenAI, directive: str, kind: type[openai.APIStatusError], status: int
) -> None:
    with pytest.raises(kind) as caught:
        await ask(client, f"x [[sandbox {directive} retry_after=2]]")
    assert caught.value.status_code == status
    assert caught.value.response.headers["retry-after"] == "2"
    assert caught.value.request_id is not None
    assert "the sandbox was told to fail" in caught.value.message


async def test_a_bad_request_says_what_is_wrong(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match='no sandbox directive "flail"'):
        await ask(client, "x [[sandbox flail=1]]")
    with pytest.raises(openai.BadRequestError, match="at least one message"):
        await client.chat.completions.create(model="gpt-5-mini", messages=[])


async def test_an_error_in_mid_stream_is_raised(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.APIError, match="told to break off"):
        await stream(client, "x [[sandbox error=after:3]]")


async def test_a_cut_stream_and_a_cut_answer_are_raised(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.APIConnectionError):
        await stream(client, "x [[sandbox cut=after:3]]")
    with pytest.raises(openai.APIConnectionError):
        await ask(client, "x [[sandbox cut=0]]")


async def test_failures_stop_after_so_many_times(client: AsyncOpenAI) -> None:
    headers = {"x-mandate-attempt": "11112222333344445555666677778888/1"}
    text = "x [[sandbox fail=overloaded times=2]]"
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            await ask(client, text, extra_headers=headers)
    answer = await ask(client, text, extra_headers=headers)
    assert answer.choices[0].finish_reason == "stop"


async def test_models_are_listed(client: AsyncOpenAI) -> None:
    models = [model.id async for model in client.models.list()]
    assert models[0] == "gpt-5-mini"
    assert "claude-opus-4-5" in models


async def test_a_key_is_needed(upstream: Upstream) -> None:
    body = {"model": "gpt-5-mini", "messages": user("x")}
    async with httpx2.AsyncClient() as nobody:
        answer = await nobody.post(f"{upstream.openai}/chat/completions", json=body)
        missing = await nobody.get(f"{upstream.url}/v2/nothing")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert missing.status_code == 404
