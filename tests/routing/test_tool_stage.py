"""A tool that an answer asks for: decided before the caller sees a byte of it, in every dialect, streamed or not."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from audit.vault.keys import Sealed
from policies.engine.answer import output_of
from policies.engine.bundle import Bundle
from policies.engine.facts import Facts
from policies.engine.weigh import decode_facts, weigh
from routing.dialects import dialect, tool_calls
from routing.dialects.tool_calls import Wanted
from routing.exchange import StreamFailed
from routing.reviews import drafts
from routing.validation.said import read
from tests.policies.engine.cascades import DESK, OTHER, cascade, escalation
from tests.policies.engine.small import EVERYONE, bundle, document, model, permission, route
from tests.policies.engine.small import call as small_call
from tests.routing.walking import CALL, Walked, request, walk, weighed_facts

DIALECTS = ("openai.chat", "openai.responses", "anthropic.messages")
both = pytest.mark.parametrize("stream", [False, True])
everywhere = pytest.mark.parametrize("name", DIALECTS)
M1 = model("m1", capabilities=["chat", "tools"])
PAY = document("Tool", "pay", {"type": "http", "risk": "money"})
NO_BIG = document(
    "Permission",
    "no-big",
    {
        "effect": "forbid",
        "on": "tool",
        "when": 'tool.risk == "money" && tool.arguments.amount > 100',
        "message": '"at most 100 by " + tool.name',
    },
    owner="finn@acme.example",
)
BIG, SMALL = '{"amount":5000}', '{"amount":5}'


def tools(name: str, *names: str) -> list[dict[str, Any]]:
    """The tools as a dialect offers them."""
    schema = {"type": "object", "properties": {"amount": {"type": "integer"}}}
    shapes: dict[str, Callable[[str], dict[str, Any]]] = {
        "openai.chat": lambda n: {
            "type": "function",
            "function": {"name": n, "parameters": schema},
        },
        "openai.responses": lambda n: {"type": "function", "name": n, "parameters": schema},
        "anthropic.messages": lambda n: {"name": n, "input_schema": schema},
    }
    return [shapes[name](one) for one in names or ("pay",)]


async def asks(
    of: Bundle, args: str, name: str = "openai.chat", *, stream: bool = False, tool: str = "pay"
) -> Walked:
    """A call whose model asks for tools."""
    prompt = f"[[sandbox tool={tool} args='{args}']] go on"
    offered = tools(name, *tool.split(","))
    return await walk(of, request(prompt, dialect_name=name, stream=stream, tools=offered))


def world(*documents: str) -> Bundle:
    parts = (
        documents if any('"Route"' in one for one in documents) else (*documents, route("r", "m1"))
    )
    return bundle(EVERYONE, DESK, OTHER, M1, PAY, *parts)


def error_of(found: Walked, name: str, *, stream: bool) -> dict[str, Any]:
    """What the caller is told; a stream's event is what its SDK raises from."""
    assert found.outcome.status == 403
    if stream:
        with pytest.raises(StreamFailed):
            read(dialect(name), found.outcome.event, stream=True)
    told: dict[str, Any] = json.loads(found.outcome.body)["error"]
    return told


@everywhere
@both
async def test_what_is_forbidden_is_shown_to_nobody_and_the_error_names_the_rule(
    name: str, stream: bool
) -> None:
    found = await asks(world(NO_BIG), BIG, name, stream=stream)
    assert found.story == [
        "start m1",
        "weigh response permit",
        "weigh tool deny",
        "finish failed tool_forbidden",
    ]
    assert found.line.relayed == b""
    assert b"5000" not in found.seen + found.outcome.event
    assert error_of(found, name, stream=stream)["message"] == (
        "the answer asks for a tool that it may not have: at most 100 by pay (rule no-big; ask finn@acme.example)"
    )
    assert found.finish is not None
    assert found.finish.answer is not None
    entry = json.loads(found.finish.entry.body)["data"]
    assert (entry["code"], entry["rules"]) == ("tool_forbidden", ["no-big"])
    assert entry["weighed"] == found.weighings[-1].decision.digest.hex()


@everywhere
@both
async def test_what_is_allowed_is_passed_on_byte_for_byte(name: str, stream: bool) -> None:
    found = await asks(world(NO_BIG), SMALL, name, stream=stream)
    free = await asks(world(), SMALL, name, stream=stream)
    assert found.story[1:] == ["weigh response permit", "weigh tool permit", "finish completed"]
    assert free.story == ["start m1", "finish completed"]
    assert found.seen == free.seen
    assert found.line.relayed == b""
    wanted = (tool_calls.of_stream if stream else tool_calls.of_body)(found.seen)
    assert [(one.name, json.loads(one.arguments)) for one in wanted] == [("pay", {"amount": 5})]


@everywhere
@both
async def test_a_hold_waits_with_the_tool_as_its_draft(name: str, stream: bool) -> None:
    of = world(escalation("look", "tool.arguments.amount > 100", "tool", queue="other"))
    found = await asks(of, BIG, name, stream=stream)
    assert found.story[1:] == ["weigh response permit", "weigh tool escalate", "hold tool other"]
    assert b"5000" not in found.seen + found.outcome.event
    draft = drafts.read(dialect(name), found.draft)
    assert draft.tools == (f"pay({BIG})",)
    # what a person approves is what a call without the rule would have got
    assert found.draft.body == (await asks(world(), BIG, name, stream=stream)).seen
    assert found.opening is not None
    assert (found.opening.message, [rule.name for rule in found.opening.rules]) == (
        "the rule look asks for a person; it waits at other",
        ["look"],
    )


async def test_a_call_that_offers_no_tool_is_not_held_back() -> None:
    found = await walk(world(NO_BIG), request("[[sandbox say='one two' chunks=2]]", stream=True))
    assert found.story == ["start m1", "finish completed"]


async def test_a_route_that_refuses_held_streams_refuses_this_one() -> None:
    of = world(NO_BIG, route("r", "m1", stream="refuse"))
    with pytest.raises(AssertionError, match="it refuses streams"):
        await asks(of, BIG, stream=True)
    assert (await asks(of, SMALL)).story[-1] == "finish completed"


async def test_each_tool_of_an_answer_is_decided_and_one_forbid_is_enough() -> None:
    allow = document("Tool", "look", {"type": "http", "risk": "read"})
    found = await asks(world(NO_BIG, allow), BIG, tool="look,pay,look")
    assert found.story[1:-1] == [
        "weigh response permit",
        "weigh tool permit",
        "weigh tool deny",
        "weigh tool permit",
    ]
    assert [weighed_facts(found, at)["tool"] for at in (1, 2, 3)] == [
        {"model": "m1", "name": "look", "number": 0},
        {"model": "m1", "name": "pay", "number": 1},
        {"model": "m1", "name": "look", "number": 2},
    ]
    assert [one.decision.no for one in found.weighings] == [2, 3, 4, 5]


async def test_a_forbid_beats_a_hold_of_the_answer_and_a_hold_before_it_keeps_its_queue() -> None:
    answer = escalation("answers", "true", "response")
    found = await asks(world(NO_BIG, answer), BIG)
    assert found.story[1:] == [
        "weigh response escalate",
        "weigh tool deny",
        "finish failed tool_forbidden",
    ]
    tool = escalation("tools", "true", "tool", queue="other")
    found = await asks(world(answer, tool), BIG)
    assert found.story[-1] == "hold response desk"
    assert found.opening is not None
    assert [rule.name for rule in found.opening.rules] == ["answers", "tools"]


async def test_what_its_tier_does_not_accept_asks_for_nothing() -> None:
    tiers = [{"models": ["m1"], "accept": 'output.text == "good"'}]
    found = await asks(world(NO_BIG, cascade(tiers, otherwise="")), BIG)
    assert found.story[-2:] == ["weigh response deny", "finish failed not_accepted"]


async def test_a_tool_without_a_document_is_named_in_the_vault_alone() -> None:
    rule = permission(
        "no-secret", effect="forbid", on="tool", when='tool.name == "hush"', message="tool.name"
    )
    found = await asks(world(rule), '{"to":"Ada"}', tool="hush")
    assert weighed_facts(found)["tool"] == {"model": "m1", "name": "", "number": 0}
    assert len(weighed_facts(found)["output"]) == 64
    assert "hush" not in json.loads(found.outcome.body)["error"]["message"]
    assert opened(found, -1) == Wanted("hush", '{"to":"Ada"}').text()


def opened(found: Walked, at: int) -> str:
    """What lies sealed beside a weighing."""
    said, number = found.weighings[at].said, found.weighings[at].decision.no
    assert said is not None
    row = Sealed(
        CALL, "weighed", number, said.tenant_key, said.subject_key, said.nonce, said.ciphertext
    )
    return found.keys.unseal(row).decode()


@everywhere
async def test_every_decision_is_made_again_from_its_record_and_the_vault(name: str) -> None:
    of = world(NO_BIG)
    found = await asks(of, BIG, name, tool="pay,pay")
    facts: Facts = small_call({"dialect": name, "tools": ("pay", "pay")})
    for at, recorded in enumerate(found.weighings):
        again = weigh(
            of, facts, decode_facts(recorded.decision.facts), output_of(opened(found, at))
        )
        assert (again.digest, again.stage) == (recorded.decision.digest, recorded.decision.stage)


async def test_more_tools_than_anybody_may_ask_for_are_an_answer_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tool_calls, "MOST", 1)
    found = await asks(world(NO_BIG), SMALL, tool="pay,pay")
    assert found.story[1:] == ["weigh failure deny", "finish failed not_accepted"]


# a tool that was never offered


UNASKED = "[[sandbox invent=pay args='{\"amount\":5}']] go on"
ONCE = route("r", "m1", retry={"attempts": 1})


@everywhere
@both
async def test_a_tool_that_a_model_invents_is_no_answer_where_rules_have_a_say(
    name: str, stream: bool
) -> None:
    free = await walk(world(), request(UNASKED, dialect_name=name, stream=stream))
    assert free.story == ["start m1", "finish completed"]
    assert b"amount" in free.seen
    found = await walk(world(NO_BIG, ONCE), request(UNASKED, dialect_name=name, stream=stream))
    assert found.story == ["start m1", "finish failed server_error"]
    assert found.finish is not None
    assert found.finish.attempt is not None
    assert (found.finish.attempt.becomes, found.finish.attempt.amount_nano > 0) == ("failed", True)
    assert b"amount" not in found.seen + found.outcome.event
    if stream:
        with pytest.raises(StreamFailed):
            read(dialect(name), found.line.relayed + found.outcome.event, stream=True)
    else:
        assert found.outcome.status == 502


async def test_the_next_model_is_asked_where_one_invents_a_tool() -> None:
    two = route("r", "m1", "m2", retry={"attempts": 1})
    text = "[[sandbox model=m1 invent=pay]] [[sandbox model=m2 say=hello]]"
    found = await walk(world(NO_BIG, model("m2"), two), request(text))
    assert found.story == ["start m1", "failed", "start m2", "finish completed"]
    assert b"hello" in found.seen


async def test_a_tool_that_is_never_without_a_person_is_not_invented_beside_others() -> None:
    always = {"type": "http", "risk": "money", "approval": "always", "queue": "desk"}
    of = world(document("Tool", "wire", always), ONCE)
    text = "[[sandbox invent=wire]] go on"
    offered = request(text, tools=tools("openai.chat", "look"))
    assert (await walk(of, offered)).story == ["start m1", "finish failed server_error"]
    harmless = request(text.replace("wire", "nothing"), tools=tools("openai.chat", "look"))
    assert (await walk(of, harmless)).story == ["start m1", "finish completed"]
    asked = request(text, tools=tools("openai.chat", "look", "wire"))
    assert (await walk(of, asked)).story[-1] == "hold tool desk"


async def test_a_tool_that_the_policy_takes_away_is_not_invented_again() -> None:
    without = permission("less", effect="permit", obligations={"stripTools": ["pay"]})
    asked = request(UNASKED, tools=tools("openai.chat", "pay", "look"))
    assert (await walk(world(without, ONCE), asked)).story == [
        "start m1",
        "finish failed server_error",
    ]
    assert (await walk(world(), asked)).story == ["start m1", "finish completed"]
