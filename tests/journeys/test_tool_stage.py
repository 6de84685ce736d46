"""Tools that an answer asks for, with the real clients: allowed, forbidden before anybody sees them, let go on by a person."""

import json
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from tests.journeys.installation import Installation, call_of
from tests.journeys.test_reviews import claimed, rui

KEY = "j-tools/desk"
SCHEMA = {"type": "object", "properties": {"amount": {"type": "integer"}}}
CHAT: Any = [{"type": "function", "function": {"name": "pay", "parameters": SCHEMA}}]
RESPONSES: Any = [{"type": "function", "name": "pay", "parameters": SCHEMA, "strict": False}]
CLAUDE: Any = [{"name": "pay", "input_schema": SCHEMA}]
TOLD = (
    "the answer asks for a tool that it may not have: a model pays at most 100 "
    "(rule small-sums-only; ask finn@acme.example)"
)
Ask = Callable[[Installation, str, str, bool], list[Any]]


def words(amount: int) -> str:
    return f"Settle it. [[sandbox tool=pay args='{{\"amount\":{amount}}}']]"


def chat(mandate: Installation, route: str, said: str, stream: bool) -> list[Any]:
    found: Any = mandate.openai(KEY).chat.completions.create(
        model=route, messages=[{"role": "user", "content": said}], tools=CHAT, max_tokens=60, stream=stream
    )  # fmt: skip
    calls = []
    if stream:
        parts = [part for c in found for o in c.choices for part in o.delta.tool_calls or []]
        calls = ["".join(part.function.arguments or "" for part in parts)]
    else:
        calls = [call.function.arguments for call in found.choices[0].message.tool_calls or []]
    return [json.loads(one) for one in calls]


def responses(mandate: Installation, route: str, said: str, stream: bool) -> list[Any]:
    found: Any = mandate.openai(KEY).responses.create(
        model=route, input=said, tools=RESPONSES, max_output_tokens=60, stream=stream
    )
    last = (
        [event.response for event in found if hasattr(event, "response")][-1] if stream else found
    )
    return [json.loads(item.arguments) for item in last.output if item.type == "function_call"]


def messages(mandate: Installation, route: str, said: str, stream: bool) -> list[Any]:
    asked: Any = {"model": route, "messages": [{"role": "user", "content": said}], "tools": CLAUDE}
    found: Any
    client = mandate.anthropic(KEY)
    if stream:
        with client.messages.stream(**asked, max_tokens=60) as events:
            found = events.get_final_message()
    else:
        found = client.messages.create(**asked, max_tokens=60)
    return [block.input for block in found.content if block.type == "tool_use"]


everywhere = pytest.mark.parametrize("ask", [chat, responses, messages])
both = pytest.mark.parametrize("stream", [False, True])


@everywhere
@both
def test_a_small_sum_reaches_the_caller_and_a_large_one_is_refused_by_its_rule(
    mandate: Installation, ask: Ask, *, stream: bool
) -> None:
    route = "ruled-claude" if ask is chat else "ruled"
    assert ask(mandate, route, words(50), stream) == [{"amount": 50}]
    with pytest.raises((openai.APIError, anthropic.APIError)) as caught:
        ask(mandate, route, words(5077), stream)
    assert TOLD in str(caught.value)
    assert "amount" not in str(caught.value)
    if not stream:
        assert isinstance(
            caught.value, openai.PermissionDeniedError | anthropic.PermissionDeniedError
        )
    call = mandate.calls_of("j-tools")[-1]
    assert (call["state"], call["code"]) == ("failed", "tool_forbidden")
    assert [(stage, effect) for _, stage, _, effect in mandate.decisions(call["id"])] == [
        ("request", "permit"),
        ("response", "permit"),
        ("tool", "deny"),
    ]
    assert mandate.decided_again(call["id"])["identical"] is True
    told = mandate.told(call["id"])[-1]["data"]
    assert (told["code"], told["rules"]) == ("tool_forbidden", ["small-sums-only"])
    assert mandate.tables_with('amount":5077') == []


def test_what_a_person_lets_go_on_is_the_answer_with_its_tool(mandate: Installation) -> None:
    again = {"extra_headers": {"Idempotency-Key": "pay-looked"}}
    asked: Any = {
        "model": "looked",
        "messages": [{"role": "user", "content": words(70)}],
        "tools": CHAT,
    }
    client = mandate.openai(KEY)
    with pytest.raises(openai.ConflictError) as held:
        client.chat.completions.create(**asked, **again)
    assert "amount" not in json.dumps(held.value.body)
    call = call_of(held.value.response.headers)
    with rui(mandate) as reviewer:
        review = claimed(mandate, reviewer, call)
        case = reviewer.get(f"/reviews/{review}/").json()
        assert (case["stage"], [rule["name"] for rule in case["rules"]]) == ("tool", ["who-pays"])
        content = reviewer.post(f"/reviews/{review}/content/").json()
        assert content["draft"]["tools"] == ['pay({"amount":70})']
        done = reviewer.post(f"/reviews/{review}/approve/", json={"version": 0}).json()
    assert done == {"state": "closed", "outcome": "approved"}
    answer = client.chat.completions.create(**asked, **again)
    (wanted,) = answer.choices[0].message.tool_calls or []
    assert json.loads(wanted.function.arguments) == {"amount": 70}  # type: ignore[union-attr]  # the only kind offered
    assert mandate.seen_by(KEY, call).json()["state"] == "completed"


def test_what_a_person_turns_down_reaches_nobody(mandate: Installation) -> None:
    with pytest.raises(openai.ConflictError) as held:
        chat(mandate, "looked", words(71), False)
    call = call_of(held.value.response.headers)
    with rui(mandate) as reviewer:
        review = claimed(mandate, reviewer, call)
        body = {"reason": "pay it by hand"}
        assert (
            reviewer.post(f"/reviews/{review}/reject/", json=body).json()["outcome"] == "rejected"
        )
    told = mandate.seen_by(KEY, call).json()
    assert (told["state"], told["code"]) == ("failed", "review_rejected")
    assert "pay it by hand" in json.dumps(told["answer"])
    assert "amount" not in json.dumps(told["answer"])
