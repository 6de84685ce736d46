"""No `stream: true` shows a byte that `stream: false` would have blocked: over routes with checks, answers and dialects."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.engine.bundle import Bundle
from routing.dialects import dialect
from routing.exchange import StreamFailed
from routing.validation.said import read
from tests.policies.engine.cascades import DESK, cascade, escalation, validator
from tests.policies.engine.small import EVERYONE, bundle, model, permission, route
from tests.routing.walking import Walked, request, walk

TEXTS = ("good", "bad", '{"payout": 5}', '{"payout": 50000}', "{}")
MODELS = tuple(model(name, capabilities=["chat", "logprobs"]) for name in ("s1", "s2", "l"))
RULES = (
    escalation("payout", "output.json.payout > 10000.0"),
    escalation("words", 'output.text == "bad"'),
    escalation("all", "true"),
    validator("v", "next"),
)
routes = st.one_of(
    st.builds(
        lambda accept, method, otherwise, validators: cascade(
            [{"models": ["s1", "s2"], "accept": accept}, {"models": ["l"]}],
            confidence={"method": method},
            otherwise=otherwise,
            validators=validators,
            retry={"attempts": 1},
        ),
        st.sampled_from(["confidence.score > 0.5", 'output.text == "good"', "false", "true"]),
        st.sampled_from(["agreement", "logprob", "validators"]),
        st.sampled_from(["desk", ""]),
        st.sampled_from([[], ["v"]]),
    ),
    st.builds(
        lambda validators: route("r", "s1", "l", validators=validators, retry={"attempts": 1}),
        st.sampled_from([[], ["v"]]),
    ),
)
rules = st.lists(st.sampled_from(RULES[:3]), unique=True, max_size=2)
answers = st.fixed_dictionaries(
    {name: st.tuples(st.sampled_from(TEXTS), st.booleans()) for name in ("s1", "s2", "l")}
)


def world(route_text: str, held: list[str], *, hold: bool) -> Bundle:
    asks = [permission("held", effect="permit", obligations={"hold": "desk"})] if hold else []
    return bundle(EVERYONE, DESK, *MODELS, RULES[3], route_text, *held, *asks)


def prompt(told: dict[str, tuple[str, bool]]) -> str:
    fails = {True: "fail=overloaded", False: "chunks=3 delay=1ms"}
    return " ".join(
        f"[[sandbox model={name} say='{text}' {fails[fail]}]]"
        for name, (text, fail) in told.items()
    )


async def both(of: Bundle, text: str, name: str) -> tuple[Walked, Walked]:
    plain = await walk(of, request(text, dialect_name=name))
    streamed = await walk(of, request(text, dialect_name=name, stream=True))
    return plain, streamed


def shown(found: Walked, name: str, *, stream: bool) -> str | None:
    """What the caller reads; None where it gets an error."""
    if found.outcome.status != 200:
        return None
    try:
        return read(dialect(name), found.seen, stream=stream).text
    except StreamFailed:
        return None


@pytest.mark.parametrize("name", ["openai.chat", "openai.responses", "anthropic.messages"])
@settings(max_examples=40, deadline=None)
@given(route_text=routes, held=rules, told=answers, hold=st.booleans())
async def test_a_stream_shows_what_a_plain_answer_shows_and_not_a_byte_more(
    name: str, route_text: str, held: list[str], told: dict[str, tuple[str, bool]], *, hold: bool
) -> None:
    of = world(route_text, held, hold=hold)
    plain, streamed = await both(of, prompt(told), name)
    assert plain.story == streamed.story
    assert shown(streamed, name, stream=True) == shown(plain, name, stream=False)
    if plain.weighings:
        assert streamed.line.relayed == b""
    if plain.outcome.status != 200:
        said = {text for text, _ in told.values()}
        assert not any(
            json.dumps(text)[1:-1].encode() in streamed.seen
            for text in said - {"good", "bad", "{}"}
        )


async def test_an_unchecked_stream_is_relayed_as_it_comes() -> None:
    of: Any = bundle(EVERYONE, *MODELS, route("r", "s1"))
    found = await walk(
        of, request("x [[sandbox say='Good morning, Ada.' chunks=4 delay=30ms]]", stream=True)
    )
    assert b"Good" in found.line.relayed
