"""Every response of the upstream is one the official OpenAI client parses, strictly, over HTTP."""

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import Response

from tests.routing.upstream.process import Upstream
from tests.routing.upstream.test_openai_shapes import SCHEMA

TOOL: dict[str, Any] = {
    "type": "function",
    "name": "lookup_policy",
    "strict": False,
    "parameters": {
        "type": "object",
        "required": ["number"],
        "properties": {"number": {"type": "string", "enum": ["P-100"]}},
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


async def ask(client: AsyncOpenAI, given: Any, **more: Any) -> Response:
    found: Response = await client.responses.create(model="gpt-5-mini", input=given, **more)
    return found


async def streamed(client: AsyncOpenAI, given: Any, **more: Any) -> tuple[list[Any], Any]:
    """The events, and the response that the SDK puts together from them."""
    async with client.responses.stream(model="gpt-5-mini", input=given, **more) as stream:
        events = [event async for event in stream]
        return events, await stream.get_final_response()


async def test_plain(client: AsyncOpenAI) -> None:
    answer = await ask(
        client, 'hello [[sandbox say="Good morning, Ada."]]', instructions="Be brief"
    )
    assert (answer.output_text, answer.status) == ("Good morning, Ada.", "completed")
    assert (answer.model, answer.instructions) == ("gpt-5-mini", "Be brief")
    assert answer.usage is not None
    assert answer.usage.output_tokens == 5
    assert answer.usage.total_tokens == answer.usage.input_tokens + 5


async def test_stream_says_what_the_plain_answer_says(client: AsyncOpenAI) -> None:
    plain = await ask(client, "a question [[sandbox chunks=5]]")
    events, final = await streamed(client, "a question [[sandbox chunks=5]]")
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == plain.output_text == final.output_text
    assert len(deltas) == 5
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert final.usage == plain.usage


async def test_tools_and_their_results(client: AsyncOpenAI) -> None:
    said: list[Any] = [{"role": "user", "content": "P-100 [[sandbox tool=lookup_policy]]"}]
    first = await ask(client, said, tools=[TOOL])
    [call] = first.output
    assert call.type == "function_call"
    assert (call.name, json.loads(call.arguments)) == ("lookup_policy", {"number": "P-100"})
    _events, final = await streamed(client, said, tools=[TOOL])
    assert [(item.type, item.arguments) for item in final.output] == [
        ("function_call", call.arguments)
    ]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "two years"}
    said += [call.to_dict(), result]
    assert "two years" in (await ask(client, said, tools=[TOOL])).output_text
    assert (await ask(client, said[:1], tools=[TOOL], tool_choice="none")).output_text
    forced = await ask(
        client, "x", tools=[TOOL], tool_choice={"type": "function", "name": "lookup_policy"}
    )
    assert [item.type for item in forced.output] == ["function_call"]


async def test_structured_output(client: AsyncOpenAI) -> None:
    wanted: Any = {"format": {"type": "json_schema", "name": "claim", "schema": SCHEMA}}
    found = json.loads((await ask(client, "hail", text=wanted)).output_text)
    assert found["label"] in {"storm", "water", "theft"}


async def test_logprobs_when_asked(client: AsyncOpenAI) -> None:
    answer = await ask(client, "x [[sandbox tokens=4]]", include=["message.output_text.logprobs"])
    [message] = answer.output
    assert message.type == "message"
    [part] = message.content
    assert part.type == "output_text"
    assert len(part.logprobs or ()) == 4


async def test_incomplete(client: AsyncOpenAI) -> None:
    answer = await ask(client, "x [[sandbox tokens=90]]", max_output_tokens=20)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize(
    ("given", "more", "words"),
    [
        ([], {}, "input: a text or a list"),
        ([{"role": "nobody", "content": "x"}], {}, "there is no role"),
        ([{"type": "item_reference", "id": "msg_1"}], {}, "knows no item of type"),
        ("x", {"previous_response_id": "resp_1"}, "the sandbox keeps nothing"),
        ("x", {"tools": [{"type": "web_search"}]}, "each tool is"),
        ("x [[sandbox status=400]]", {}, "told to fail"),
    ],
)
async def test_refusals(client: AsyncOpenAI, given: Any, more: Any, words: str) -> None:
    with pytest.raises(openai.BadRequestError, match=words):
        await ask(client, given, **more)


async def test_a_stream_that_breaks_off_says_so(client: AsyncOpenAI) -> None:
    stream = await client.responses.create(
        model="gpt-5-mini", input="x [[sandbox tokens=9 chunks=9 error=after:2]]", stream=True
    )
    events: list[Any] = [event async for event in stream]
    assert (events[-1].type, events[-1].code) == ("error", "server_error")


async def test_pictures_cost(client: AsyncOpenAI) -> None:
    def usage(found: Response) -> int:
        assert found.usage is not None
        return found.usage.input_tokens

    parts = [{"type": "input_text", "text": "x"}]
    picture = {"type": "input_image", "image_url": "https://x.example/a.png", "detail": "auto"}
    plain = await ask(client, [{"role": "user", "content": parts}])
    seen = await ask(client, [{"role": "user", "content": [*parts, picture]}])
    assert usage(seen) - usage(plain) == 85
