"""Tools taken from a request: every other byte stays, and what named a tool that is gone goes with it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.dialects.stripped import without_tools
from routing.exchange import CallRequest
from tests.routing.dialects.material import (
    CHAT,
    HELLO,
    MESSAGES,
    RESPONSES,
    chat,
    messages,
    responses,
)


def chat_tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


def claude_tool(name: str) -> dict[str, Any]:
    return {"name": name, "input_schema": {"type": "object"}}


def responses_tool(name: str) -> dict[str, Any]:
    return {"type": "function", "name": name, "parameters": {"type": "object"}}


DIALECTS: list[Any] = [(chat, chat_tool), (messages, claude_tool), (responses, responses_tool)]


def body(request: CallRequest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.raw)
    return found


@pytest.mark.parametrize(("ask", "tool"), DIALECTS)
def test_one_of_two_is_gone(ask: Any, tool: Any) -> None:
    request = ask(tools=[tool("a"), tool("b")], temperature=0.5)
    found = without_tools(request, ["a", "c"])
    assert found.outline.tools == ("b",)
    assert body(found) == body(request) | {"tools": [tool("b")]}
    assert (found.route, found.dialect, found.headers) == (
        request.route, request.dialect, request.headers,
    )  # fmt: skip


@pytest.mark.parametrize(("ask", "tool"), DIALECTS)
def test_the_last_takes_what_stands_beside_it(ask: Any, tool: Any) -> None:
    request = ask(tools=[tool("a")], parallel_tool_calls=False, tool_choice={"type": "auto"})
    found = without_tools(request, ["a"])
    plain = {k: v for k, v in body(request).items() if "tool" not in k}
    assert body(found) == plain
    assert found.outline.tools == ()


@pytest.mark.parametrize(("ask", "tool"), DIALECTS)
def test_without_any_of_them_it_is_the_request_itself(ask: Any, tool: Any) -> None:
    request = ask(tools=[tool("a")])
    assert without_tools(request, ["b"]) is request
    assert without_tools(request, []) is request
    assert without_tools(ask(), ["a"]).raw == ask().raw


def test_every_other_byte_is_the_callers_own() -> None:
    one, two, three = (
        '{ "type":"function","function":{"name":"a"} }',
        '{"function" : {"name": "b\\u0062"}, "type":"function"}',
        '{"type":"function","function":{"name":"c","description":"],[ö"}}',
    )
    head = '{ "model" : "r",\n "messages": [{"role":"user","content":"café ☕ \\u00e9"}], '
    tail = ',"x_vendor":1.0E+2 }'
    raw = f'{head}"tools": [ {one} ,{two},\n {three} ]{tail}'.encode()
    request = CHAT.parse_request(raw, {"openai-beta": "x"}, "y=1")
    found = without_tools(request, ["a"])
    assert found.raw == f'{head}"tools": [{two},{three}]{tail}'.encode()
    assert (found.headers, found.query) == ({"openai-beta": "x"}, "y=1")
    assert without_tools(request, ["a", "bb", "c"]).raw == f"{head.rstrip(', ')}{tail}".encode()


@pytest.mark.parametrize(
    ("ask", "tool", "choice"),
    [
        (chat, chat_tool, {"type": "function", "function": {"name": "a"}}),
        (messages, claude_tool, {"type": "tool", "name": "a"}),
        (responses, responses_tool, {"type": "function", "name": "a"}),
    ],
)
def test_a_choice_of_it_goes_with_it(ask: Any, tool: Any, choice: Any) -> None:
    tools = [tool("a"), tool("b")]
    assert "tool_choice" not in body(without_tools(ask(tools=tools, tool_choice=choice), ["a"]))
    kept = without_tools(ask(tools=tools, tool_choice=choice), ["b"])
    assert body(kept)["tool_choice"] == choice


def test_of_several_allowed_tools_the_others_stay() -> None:
    allowed = {"mode": "required", "tools": [{"type": "function", "name": n} for n in "ab"]}
    tools = [responses_tool(n) for n in "abc"]
    choice = {"type": "allowed_tools", **allowed}
    found = without_tools(responses(tools=tools, tool_choice=choice), ["a"])
    assert body(found)["tool_choice"] == choice | {"tools": [{"type": "function", "name": "b"}]}
    # what is not allowed does not become allowed
    found = without_tools(responses(tools=tools, tool_choice=choice), ["a", "b"])
    assert body(found)["tool_choice"] == "none"
    nested = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": [chat_tool("a"), chat_tool("b")]},
    }
    found = without_tools(chat(tools=[chat_tool("a"), chat_tool("b")], tool_choice=nested), ["b"])
    assert body(found)["tool_choice"]["allowed_tools"] == {
        "mode": "auto",
        "tools": [chat_tool("a")],
    }


def test_functions_of_before_tools() -> None:
    request = chat(functions=[{"name": "a"}, {"name": "b"}], function_call={"name": "a"})
    assert body(without_tools(request, ["a"])) == {
        "model": "triage", "messages": HELLO, "functions": [{"name": "b"}],
    }  # fmt: skip


names = st.text('abcdö"\\', min_size=1, max_size=3)


@given(st.lists(names, unique=True, max_size=6), st.sets(names, max_size=4), st.integers(0, 2))
def test_what_is_left_is_what_was_offered_less_what_was_taken(
    offered: list[str], taken: set[str], which: int
) -> None:
    ask, tool = DIALECTS[which]
    speaks = (CHAT, MESSAGES, RESPONSES)[which]
    request = ask(tools=[tool(name) for name in offered]) if offered else ask()
    found = without_tools(request, taken)
    assert found.outline.tools == tuple(name for name in offered if name not in taken)
    conversation = speaks.conversation(found)
    assert [t.name for t in conversation.tools] == list(found.outline.tools)
    assert body(found).get("tools", []) == [tool(n) for n in offered if n not in taken]
