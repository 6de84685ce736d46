"""What every provider must do, whatever the caller speaks: one suite over all of them, over HTTP."""

import asyncio
import json
from typing import Any

import pytest

from routing.exchange import Usage
from routing.providers.base import ProviderError, Timeouts
from routing.providers.registry import Providers
from tests.routing.providers.asking import (
    DIALECTS,
    TYPES,
    Streamed,
    answer,
    request,
    streamed,
    target,
    text_of,
    text_of_stream,
    tools,
)
from tests.routing.upstream.process import Upstream

OVER_HTTP = tuple(kind for kind in TYPES if kind != "sandbox")
pytestmark = pytest.mark.parametrize("name", DIALECTS)
every_type = pytest.mark.parametrize("kind", TYPES)
over_http = pytest.mark.parametrize("kind", OVER_HTTP)
PREFIX = {"openai.chat": "chatcmpl-", "openai.responses": "resp_", "anthropic.messages": "msg_"}
LAST = {
    "openai.chat": b"[DONE]",
    "openai.responses": b'"response.completed"',
    "anthropic.messages": b'"message_stop"',
}
SAY = '[[sandbox say="Good morning, Ada." chunks=3]]'


@every_type
async def test_a_plain_answer(
    providers: Providers, upstream: Upstream, kind: str, name: str
) -> None:
    at = target(kind, upstream.url)
    found = await answer(providers, request(name, f"hello {SAY}"), at)
    assert text_of(name, found.body) == "Good morning, Ada."
    assert found.usage == Usage(input=13, output=5)
    assert found.upstream_model == "model-x"
    assert found.finish_reason in {"stop", "end_turn"}
    assert found.upstream_request_id
    value = json.loads(found.body)
    assert value["model"] == "claims-triage"
    assert value["id"] == PREFIX[name] + at.call.hex


@every_type
async def test_a_stream_says_the_same(
    providers: Providers, upstream: Upstream, kind: str, name: str
) -> None:
    at = target(kind, upstream.url)
    found = await streamed(providers, request(name, f"hello {SAY}", stream=True), at)
    assert text_of_stream(name, found.data) == "Good morning, Ada."
    assert found.usage == Usage(input=13, output=5)
    assert found.output_bytes == len("Good morning, Ada.")
    assert len(found.finishes) == 1
    assert b"model-x" not in found.data
    assert at.call.hex.encode() in found.data
    assert LAST[name] in found.pieces[-1].data


@every_type
async def test_a_delta_is_passed_on_before_the_next(
    providers: Providers, upstream: Upstream, kind: str, name: str
) -> None:
    asked = request(name, "x [[sandbox tokens=3 chunks=3 delay=20s]]", stream=True)
    pieces = providers.provider(at := target(kind, upstream.url)).stream(asked, at)
    async with asyncio.timeout(15):
        while not (await anext(pieces)).output_bytes:
            pass
    await pieces.aclose()


@every_type
async def test_a_tool_call_and_its_result(
    providers: Providers, upstream: Upstream, kind: str, name: str
) -> None:
    asked = request(name, "P-200 [[sandbox tool=lookup_policy]]", tools=tools(name))
    found = await answer(providers, asked, target(kind, upstream.url))
    said, turns = called_and_answered(name, json.loads(found.body))
    assert said == ("lookup_policy", {"number": "P-200"})
    after = request(name, "", tools=tools(name), **turns)
    final = await answer(providers, after, target(kind, upstream.url))
    assert "two years" in text_of(name, final.body)


def called_and_answered(name: str, value: Any) -> tuple[tuple[str, Any], dict[str, Any]]:
    """What an answer calls, and the next request's turns, with the tool's answer."""
    asked = {"role": "user", "content": "P-200 [[sandbox tool=lookup_policy]]"}
    if name == "anthropic.messages":
        [block] = value["content"]
        assert (block["type"], value["stop_reason"]) == ("tool_use", "tool_use")
        result = {"type": "tool_result", "tool_use_id": block["id"], "content": "two years"}
        answered = {"role": "assistant", "content": value["content"]}
        turns = [asked, answered, {"role": "user", "content": [result]}]
        return (block["name"], block["input"]), {"messages": turns}
    if name == "openai.responses":
        [item] = value["output"]
        assert (item["type"], value["status"]) == ("function_call", "completed")
        output = {"type": "function_call_output", "call_id": item["call_id"], "output": "two years"}
        return (item["name"], json.loads(item["arguments"])), {"input": [asked, item, output]}
    choice = value["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    [call] = choice["message"]["tool_calls"]
    answered = {"role": "assistant", "content": None, "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": call["id"], "content": "two years"}
    function = call["function"]
    turns = [asked, answered, result]
    return (function["name"], json.loads(function["arguments"])), {"messages": turns}


@every_type
async def test_a_streamed_tool_call(
    providers: Providers, upstream: Upstream, kind: str, name: str
) -> None:
    asked = request(name, "P-100 [[sandbox tool=lookup_policy]]", tools=tools(name), stream=True)
    found = await streamed(providers, asked, target(kind, upstream.url))
    assert found.finishes[0] in {"tool_calls", "tool_use"}
    assert found.output_bytes >= len('{"number":"P-100"}')
    assert b"lookup_policy" in found.data


@every_type
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("directive", "error_class"),
    [
        ("fail=rate_limited retry_after=7", "rate_limited"),
        ("fail=overloaded", "overloaded"),
        ("fail=server_error", "server_error"),
        ("fail=refused_request", "refused_request"),
        ("status=422", "refused_request"),
        ("fail=refused_account", "refused_account"),
        ("status=403", "refused_account"),
        ("status=404", "refused_account"),
    ],
)
async def test_a_refusal_has_its_class_and_costs_nothing(
    providers: Providers,
    upstream: Upstream,
    *,
    name: str,
    directive: str,
    error_class: str,
    stream: bool,
    kind: str,
) -> None:
    asked = request(name, f"the secret prompt [[sandbox {directive}]]", stream=stream)
    ask = streamed if stream else answer
    with pytest.raises(ProviderError) as caught:
        await ask(providers, asked, target(kind, upstream.url))
    error = caught.value
    assert error.error_class == error_class
    assert error.maybe_processed is False
    assert error.retry_after_seconds == (7.0 if "retry_after" in directive else None)
    assert "secret prompt" not in str(error)
    if error_class != "refused_request" or kind == "sandbox":
        assert error.body is None
    else:
        assert error.body is not None
        said = json.loads(error.body)["error"]
        assert said["message"] == "the sandbox was told to fail"


@every_type
async def test_an_unreadable_answer_may_have_cost(
    providers: Providers, upstream: Upstream, kind: str, name: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        await answer(
            providers, request(name, "x [[sandbox fail=unreadable]]"), target(kind, upstream.url)
        )
    assert caught.value.error_class == "server_error"
    assert caught.value.maybe_processed is True


@every_type
async def test_an_answer_that_never_comes_is_a_timeout(
    providers: Providers, upstream: Upstream, kind: str, name: str
) -> None:
    at = target(kind, upstream.url, timeouts=Timeouts(total=0.3))
    with pytest.raises(ProviderError, match=r"the answer took longer than 0\.3 s") as caught:
        await answer(providers, request(name, "x [[sandbox fail=timeout]]"), at)
    assert (caught.value.error_class, caught.value.maybe_processed) == ("timeout", True)


@every_type
@pytest.mark.parametrize("stream", [False, True])
async def test_the_callers_deadline_bounds_an_attempt(
    providers: Providers, upstream: Upstream, name: str, stream: bool, kind: str
) -> None:
    deadline = asyncio.get_running_loop().time() + 0.3
    asked = request(name, "x [[sandbox latency=5s]]", stream=stream)
    ask = streamed if stream else answer
    with pytest.raises(ProviderError, match="the caller's deadline passed") as caught:
        await ask(providers, asked, target(kind, upstream.url, deadline=deadline))
    assert caught.value.error_class == "timeout"


@over_http
@pytest.mark.parametrize("stream", [False, True])
async def test_past_the_deadline_nothing_is_sent(
    providers: Providers, upstream: Upstream, name: str, stream: bool, kind: str
) -> None:
    at = target(kind, upstream.url, deadline=asyncio.get_running_loop().time() - 0.1)
    with pytest.raises(ProviderError, match="the caller's deadline passed") as caught:
        await (streamed if stream else answer)(providers, request(name, "x", stream=stream), at)
    assert (caught.value.error_class, caught.value.maybe_processed) == ("timeout", False)
    assert upstream.arrivals(at.call.hex) == []


@every_type
@pytest.mark.parametrize("after", [0, 3])
async def test_an_error_in_one_read_with_output_keeps_the_output(
    providers: Providers, upstream: Upstream, name: str, after: int, kind: str
) -> None:
    asked = request(name, f"x [[sandbox tokens=9 chunks=9 error=after:{after}]]", stream=True)
    came = Streamed()
    with pytest.raises(ProviderError) as caught:
        await streamed(providers, asked, target(kind, upstream.url), came)
    assert (came.output_bytes > 0) is (after > 0)
    if kind != "sandbox":
        assert caught.value.maybe_processed is (after > 0)


@every_type
async def test_a_slow_first_token_is_a_timeout(
    providers: Providers, upstream: Upstream, kind: str, name: str
) -> None:
    at = target(kind, upstream.url, timeouts=Timeouts(first_token=0.3))
    asked = request(name, "x [[sandbox latency=5s]]", stream=True)
    with pytest.raises(ProviderError, match=r"the first token took longer than 0\.3 s") as caught:
        await streamed(providers, asked, at)
    assert (caught.value.error_class, caught.value.maybe_processed) == ("timeout", True)


@every_type
async def test_a_stall_is_a_timeout_after_what_came(
    providers: Providers, upstream: Upstream, kind: str, name: str
) -> None:
    at = target(kind, upstream.url, timeouts=Timeouts(stall=0.3))
    asked = request(
        name, "x [[sandbox tokens=9 chunks=9 stall=5s stall_after=2 delay=5ms]]", stream=True
    )
    came = Streamed()
    with pytest.raises(ProviderError, match=r"the next token took longer than 0\.3 s") as caught:
        await streamed(providers, asked, at, came)
    assert (caught.value.error_class, caught.value.maybe_processed) == ("timeout", True)
    assert came.output_bytes > 0
    assert came.finishes == []


@every_type
async def test_slow_but_steady_is_no_stall(
    providers: Providers, upstream: Upstream, kind: str, name: str
) -> None:
    at = target(kind, upstream.url, timeouts=Timeouts(first_token=0.5, stall=0.5))
    asked = request(name, "x [[sandbox tokens=8 chunks=8 delay=120ms]]", stream=True)
    found = await streamed(providers, asked, at)
    assert len(found.finishes) == 1


@every_type
async def test_the_total_bounds_a_stream(
    providers: Providers, upstream: Upstream, kind: str, name: str
) -> None:
    at = target(kind, upstream.url, timeouts=Timeouts(total=0.4))
    asked = request(name, "x [[sandbox tokens=50 chunks=50 delay=50ms]]", stream=True)
    with pytest.raises(ProviderError, match=r"the answer took longer than 0\.4 s"):
        await streamed(providers, asked, at)


@every_type
async def test_a_cut_stream_is_an_error_after_what_came(
    providers: Providers, upstream: Upstream, kind: str, name: str
) -> None:
    asked = request(name, "x [[sandbox tokens=9 chunks=9 cut=after:4 delay=10ms]]", stream=True)
    came = Streamed()
    with pytest.raises(ProviderError) as caught:
        await streamed(providers, asked, target(kind, upstream.url), came)
    assert (caught.value.error_class, caught.value.maybe_processed) == ("server_error", True)
    assert came.output_bytes > 0
    assert came.finishes == []


@every_type
async def test_an_error_event_is_an_error(
    providers: Providers, upstream: Upstream, kind: str, name: str
) -> None:
    asked = request(name, "x [[sandbox tokens=9 chunks=9 error=after:2 delay=10ms]]", stream=True)
    came = Streamed()
    with pytest.raises(ProviderError) as caught:
        await streamed(providers, asked, target(kind, upstream.url), came)
    assert (caught.value.error_class, caught.value.maybe_processed) == ("server_error", True)
    assert came.output_bytes > 0
    assert b"told to break off" not in came.data


@every_type
async def test_usage_that_is_not_reported_is_none(
    providers: Providers, upstream: Upstream, kind: str, name: str
) -> None:
    if kind == "anthropic":
        return  # a message of that vendor always has usage
    found = await answer(
        providers, request(name, "x [[sandbox usage=none]]"), target(kind, upstream.url)
    )
    assert found.usage is None


@every_type
async def test_the_token_limit_of_the_decision_binds(
    providers: Providers, upstream: Upstream, kind: str, name: str
) -> None:
    at = target(kind, upstream.url, max_output_tokens=7)
    found = await answer(providers, request(name, "x [[sandbox tokens=60]]"), at)
    assert found.usage is not None
    assert found.usage.output == 7
    assert found.finish_reason in {"length", "max_tokens"}


@over_http
async def test_closing_a_stream_cuts_the_upstream(
    providers: Providers, upstream: Upstream, kind: str, name: str
) -> None:
    at = target(kind, upstream.url)
    asked = request(name, "x [[sandbox tokens=90 chunks=90 delay=50ms]]", stream=True)
    pieces = providers.provider(at).stream(asked, at)
    await anext(pieces)
    await pieces.aclose()
    ended = "open"
    async with asyncio.timeout(30):
        while ended == "open":
            await asyncio.sleep(0.05)
            ended = upstream.arrivals(at.call.hex)[0]["ended"]
    assert ended == "gone"


@over_http
async def test_every_attempt_is_sent_once_and_named(
    providers: Providers, upstream: Upstream, kind: str, name: str
) -> None:
    at = target(kind, upstream.url, attempt_no=3)
    with pytest.raises(ProviderError):
        await answer(providers, request(name, "x [[sandbox fail=overloaded]]"), at)
    [arrival] = upstream.arrivals(at.call.hex)
    assert arrival["attempt"] == f"{at.call.hex}/3"
    assert arrival["model"] == "model-x"
