"""Tools both ways and across vendors: the call comes out, the result goes in, by the same client and route."""

import json
from typing import Any

import pytest

from tests.journeys.installation import Installation, call_of

KEY = "j-tools/desk"
SCHEMA = {
    "type": "object",
    "properties": {"policy": {"type": "string"}, "year": {"type": "integer"}},
    "required": ["policy"],
}
ARGUMENTS = {"policy": "P-77", "year": 2026}
WORDS = (
    """Is the roof insured? [[sandbox tool=lookup_policy args='{"policy":"P-77","year":2026}']]"""
)
CHAT_TOOLS: Any = [
    {
        "type": "function",
        "function": {"name": "lookup_policy", "description": "Finds it", "parameters": SCHEMA},
    }
]
CLAUDE_TOOLS: Any = [{"name": "lookup_policy", "description": "Finds it", "input_schema": SCHEMA}]


@pytest.mark.parametrize("route", ["one", "claude"])
def test_openai_client(mandate: Installation, route: str) -> None:
    client = mandate.openai(KEY)
    said: Any = [{"role": "user", "content": WORDS}]
    raw = client.chat.completions.with_raw_response.create(
        model=route, messages=said, tools=CHAT_TOOLS, max_tokens=60
    )
    choice, call = raw.parse().choices[0], call_of(raw.headers)
    assert choice.finish_reason == "tool_calls"
    (wanted,) = choice.message.tool_calls or []
    assert wanted.type == "function"
    assert wanted.function.name == "lookup_policy"
    assert json.loads(wanted.function.arguments) == ARGUMENTS
    asked = mandate.facts_of(call)["request"]
    assert (asked["tools"], len(asked["toolsCommitted"])) == ([], 64)  # no rule names it

    said += [
        choice.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": wanted.id, "content": "insured until May"},
    ]
    raw = client.chat.completions.with_raw_response.create(
        model=route, messages=said, tools=CHAT_TOOLS, max_tokens=60
    )
    answer = raw.parse().choices[0]
    assert answer.finish_reason == "stop"
    assert "insured until May" in (answer.message.content or "")
    (arrival,) = mandate.upstream.arrivals(call_of(raw.headers))
    if route == "claude":
        turns = mandate.sent(arrival)["messages"]
        assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
        assert turns[1]["content"][-1]["input"] == ARGUMENTS
        result = turns[2]["content"][0]
        assert (result["type"], result["tool_use_id"]) == ("tool_result", wanted.id)


@pytest.mark.parametrize("route", ["one", "claude"])
def test_anthropic_client(mandate: Installation, route: str) -> None:
    client = mandate.anthropic(KEY)
    said: Any = [{"role": "user", "content": WORDS}]
    message = client.messages.create(model=route, messages=said, tools=CLAUDE_TOOLS, max_tokens=60)
    assert message.stop_reason == "tool_use"
    block = message.content[-1]
    assert block.type == "tool_use"
    assert (block.name, block.input) == ("lookup_policy", ARGUMENTS)
    result = {"type": "tool_result", "tool_use_id": block.id, "content": "insured until May"}
    said += [
        {
            "role": "assistant",
            "content": [b.model_dump(exclude_none=True) for b in message.content],
        },
        {"role": "user", "content": [result]},
    ]
    raw = client.messages.with_raw_response.create(
        model=route, messages=said, tools=CLAUDE_TOOLS, max_tokens=60
    )
    answer: Any = raw.parse()
    assert answer.stop_reason == "end_turn"
    assert "insured until May" in answer.content[0].text
    (arrival,) = mandate.upstream.arrivals(call_of(raw.headers))
    if route == "one":
        turns = mandate.sent(arrival)["messages"]
        assert [turn["role"] for turn in turns] == ["user", "assistant", "tool"]
        assert turns[2] == {
            "role": "tool",
            "tool_call_id": block.id,
            "content": "insured until May",
        }


@pytest.mark.parametrize("route", ["one", "claude"])
def test_a_streamed_tool_call(mandate: Installation, route: str) -> None:
    said: Any = [{"role": "user", "content": WORDS}]
    stream = mandate.openai(KEY).chat.completions.create(
        model=route, messages=said, tools=CHAT_TOOLS, max_tokens=60, stream=True
    )
    name, arguments, finish = "", "", None
    for chunk in stream:
        for part in chunk.choices[0].delta.tool_calls or []:
            assert part.function is not None
            name += part.function.name or ""
            arguments += part.function.arguments or ""
        finish = chunk.choices[0].finish_reason or finish
    assert (name, json.loads(arguments), finish) == ("lookup_policy", ARGUMENTS, "tool_calls")
    with mandate.anthropic(KEY).messages.stream(
        model=route, messages=said, tools=CLAUDE_TOOLS, max_tokens=60
    ) as events:
        message = events.get_final_message()
    block: Any = message.content[-1]
    assert (message.stop_reason, block.name, block.input) == (
        "tool_use",
        "lookup_policy",
        ARGUMENTS,
    )


PLAIN = "Is the roof insured?"
OTHER: Any = {"type": "function", "function": {"name": "send_letter", "parameters": SCHEMA}}
GONE = "first-choice; without the tools lookup_policy, which the policy takes away"


def offered(mandate: Installation, headers: Any) -> Any:
    """What the upstream was offered, after a look at what the caller is told."""
    assert headers["x-mandate-reason"] == GONE
    call = call_of(headers)
    assert mandate.facts_of(call)["user"]["known"] is True
    (arrival,) = mandate.upstream.arrivals(call)
    return mandate.sent(arrival)


@pytest.mark.parametrize("route", ["one", "claude"])
def test_a_tool_that_the_policy_takes_away_never_goes_upstream(
    mandate: Installation, route: str
) -> None:
    client = mandate.openai(KEY)
    raw = client.chat.completions.with_raw_response.create(
        model=route, messages=[{"role": "user", "content": PLAIN}], tools=[*CHAT_TOOLS, OTHER],
        tool_choice={"type": "function", "function": {"name": "lookup_policy"}}, max_tokens=60, user="u-1",
    )  # fmt: skip
    sent = offered(mandate, raw.headers)
    names = [t.get("function", t)["name"] for t in sent["tools"]]
    assert names == ["send_letter"]
    assert "lookup_policy" not in json.dumps({k: v for k, v in sent.items() if k != "messages"})


@pytest.mark.parametrize("route", ["one", "claude"])
def test_the_last_tool_goes_in_every_dialect(mandate: Installation, route: str) -> None:
    said: Any = [{"role": "user", "content": WORDS}]
    anthropic = mandate.anthropic(KEY).messages.with_raw_response.create(
        model=route, messages=said, tools=CLAUDE_TOOLS, max_tokens=60, metadata={"user_id": "u-1"}
    )
    sent = offered(mandate, anthropic.headers)
    assert sent.keys() & {"tools", "tool_choice"} == set()
    assert anthropic.parse().stop_reason == "end_turn"
    tools: Any = [
        {"type": "function", "name": "lookup_policy", "parameters": SCHEMA, "strict": False}
    ]
    responses = mandate.openai(KEY).responses.with_raw_response.create(
        model=route, input=WORDS, tools=tools, max_output_tokens=60, safety_identifier="u-1"
    )
    sent = offered(mandate, responses.headers)
    assert sent.keys() & {"tools", "tool_choice", "parallel_tool_calls"} == set()
