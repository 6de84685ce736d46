"""The obligations `redact` and `redactAnswers`: what a model is asked, what a caller sees, and what of it is recorded."""

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import pytest

from policies.engine.bundle import Bundle
from routing.calls import answers, commands
from routing.dialects import dialect
from routing.exchange import CallRequest, decode_request, encode_request
from routing.providers.sandbox import SandboxProvider
from routing.reviews.drafts import streamed
from routing.validation.said import read
from tests.policies.engine.cascades import DESK, validator
from tests.policies.engine.small import bundle, model, permission, refused, route
from tests.policies.engine.small import call as small_call
from tests.routing import walking
from tests.routing.walking import Walked, request, walk

CARD, IBAN = "4111 1111 1111 1111", "DE89370400440532013000"
DIALECTS = ("openai.chat", "openai.responses", "anthropic.messages")
both = pytest.mark.parametrize("stream", [False, True])
everywhere = pytest.mark.parametrize("name", DIALECTS)


@contextmanager
def asked_of_models() -> Iterator[list[CallRequest]]:
    """What the sandbox is asked, whichever way."""
    seen: list[CallRequest] = []
    answer, stream = SandboxProvider.answer, SandboxProvider.stream

    async def answers_(self: SandboxProvider, asked: CallRequest, target: Any) -> Any:
        seen.append(asked)
        return await answer(self, asked, target)

    async def streams(
        self: SandboxProvider, asked: CallRequest, target: Any
    ) -> AsyncGenerator[Any]:
        seen.append(asked)
        async for piece in stream(self, asked, target):
            yield piece

    with (
        patch.object(SandboxProvider, "answer", answers_),
        patch.object(SandboxProvider, "stream", streams),
    ):
        yield seen


def owing(*documents: str, **owed: Any) -> Bundle:
    return bundle(
        permission("p", effect="permit", obligations=owed),
        model("m1", capabilities=["chat", "tools", "vision", "logprobs"]),
        *(documents or (route("r", "m1"),)),
    )


def entries(found: Walked) -> tuple[Any, Any]:
    """What the entries of the first start and of the end say of it."""
    assert found.finish is not None
    start, end = found.starts[0].entry, found.finish.entry
    data = [json.loads(one.body)["data"].get("redacted") for one in (start, end)]
    return data[0], data[1]


@everywhere
@both
async def test_a_model_never_sees_it_and_caller_and_log_are_told_how_often(
    name: str, stream: bool
) -> None:
    prompt = f"[[sandbox say='hello']] {CARD} and {CARD}, {IBAN}"
    asked = request(prompt, dialect_name=name, stream=stream)
    with asked_of_models() as seen:
        found = await walk(owing(redact=["card", "iban"]), asked)
    kept = asked.raw.decode().replace(CARD, "[card]").replace(IBAN, "[iban]")
    assert [one.raw.decode() for one in seen] == [kept]
    assert found.outcome.headers["x-mandate-reason"] == (
        "first-choice; redacted before it was sent: 2 card, 1 iban"
    )
    assert entries(found) == ({"counts": {"card": 2, "iban": 1}, "rules": 1}, None)
    assert read(dialect(name), found.seen, stream=stream).text == "hello"


async def test_what_went_upstream_is_made_again_from_what_the_vault_keeps() -> None:
    asked = request(f"to {CARD}")
    with asked_of_models() as seen:
        found = await walk(owing(redact=["card"]), asked)
    kept = decode_request(encode_request(asked))
    assert CARD in kept.raw.decode()
    again = walking._case(owing(redact=["card"]), small_call(), kept, found.line)
    assert again.outgoing.raw == seen[0].raw


async def test_a_repair_is_redacted_too() -> None:
    checked = route("r", "m1", validators=["v"], retry={"attempts": 2})
    of = owing(validator("v", "repair"), checked, redact=["email"])
    with asked_of_models() as seen:
        await walk(of, request("a\u0040b.co a@b.co"))
    # the simulator repeats what it read, and the repair quotes that
    assert [(one.raw.count(b"b.co"), one.raw.count(b"[email] [email]")) for one in seen] == [
        (0, 1),
        (0, 2),
    ]


async def test_an_attachment_that_nobody_can_look_into_reaches_no_model() -> None:
    audio = {"type": "input_audio", "input_audio": {"data": "U1" * 400, "format": "wav"}}
    asked = request("x", messages=[{"role": "user", "content": [audio]}])
    with asked_of_models() as seen:
        found = await walk(owing(redact=["card"]), asked)
    assert (seen, found.story) == ([], ["finish failed not_redactable"])
    assert found.outcome.status == 403
    assert json.loads(found.outcome.body)["error"]["code"] == "not_redactable"


def test_pictures_and_logprobs_are_denied_by_their_shape_alone() -> None:
    pictured = small_call({"needs": ("chat", "vision")})
    assert refused(owing(redact=["card"]), pictured) == (
        "redact: card must be taken out of this request, and nobody can look into its pictures and files; send text"
    )
    measured = small_call({"needs": ("chat", "logprobs")})
    assert refused(owing(redactAnswers=["iban"]), measured) == (
        "redact: iban must be taken out of the answer, and token by token it cannot be; ask without logprobs"
    )
    several = small_call({"n": 2})
    assert refused(owing(redactAnswers=["iban"]), several).startswith("choices: ")


@everywhere
@both
async def test_a_caller_never_sees_it_in_an_answer_streamed_or_not(name: str, stream: bool) -> None:
    prompt = f"[[sandbox say='pay {CARD} to {IBAN}' chunks=9 delay=1ms]]"
    asked = request(prompt, dialect_name=name, stream=stream)
    with asked_of_models() as seen:
        found = await walk(owing(redactAnswers=["card", "iban"]), asked)
    assert [one.raw for one in seen] == [asked.raw]
    assert found.line.relayed == b""
    assert read(dialect(name), found.seen, stream=stream).text == "pay [card] to [iban]"
    assert b"1111" not in found.seen
    assert found.outcome.headers["x-mandate-reason"] == (
        "accepted; redacted in the answer: 1 card, 1 iban"
    )
    assert entries(found) == (None, {"counts": {"card": 1, "iban": 1}, "rules": 1})


@both
async def test_arguments_of_tools_are_redacted_both_ways(stream: bool) -> None:
    tools = [{"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}]
    said = {"id": "c", "type": "function", "function": {"name": "pay", "arguments": f'{{"to": "{CARD}"}}'}}  # fmt: skip
    turns = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [said]},
        {"role": "tool", "tool_call_id": "c", "content": CARD},
        {"role": "user", "content": f'[[sandbox tool=pay args=\'{{"to":"{IBAN}"}}\']]'},
    ]
    asked = request("x", stream=stream, messages=turns, tools=tools)
    with asked_of_models() as seen:
        found = await walk(owing(redact=["card"], redactAnswers=["iban"]), asked)
    assert b"1111" not in seen[0].raw
    assert seen[0].raw.count(b"[card]") == 2
    assert b"37040044" not in found.seen
    assert b"[iban]" in found.seen
    if stream:
        answer = streamed(dialect("openai.chat"), found.seen)
        assert answer is not None
        assert answer.choices[0].finish == "tool_calls"


@both
async def test_a_person_who_looks_at_a_held_answer_does_not_see_it_either(stream: bool) -> None:
    of = owing(DESK, route("r", "m1"), redactAnswers=["card"], hold="desk")
    found = await walk(of, request(f"[[sandbox say='it is {CARD}']]", stream=stream))
    assert found.story[-1] == "hold response desk"
    assert read(dialect("openai.chat"), found.draft.body, stream=stream).text == "it is [card]"


async def test_a_policy_that_moves_before_the_start_binds_what_is_sent() -> None:
    later = owing(redact=["card"])
    moved: list[object] = []

    async def start(_db: object, _step: Any) -> object:
        moved.append(1)
        return answers.Stale(2, 1) if len(moved) == 1 else answers.Started()

    async def reload() -> Any:
        return SimpleNamespace(bundle=later, revision=2, epoch=1, stops=())

    made = walking._case

    def case(*given: Any) -> Any:
        found = made(*given)
        cast("Any", found.worker).snapshots = SimpleNamespace(reload=reload)
        return found

    with asked_of_models() as seen, patch.object(walking, "_case", case):
        played = walking._played

        @contextmanager
        def playing(found: Walked) -> Any:
            with played(found), patch.object(commands, "start_attempt", start):
                yield

        with patch.object(walking, "_played", playing):
            await walk(owing(), request(f"to {CARD}"))
    assert len(moved) == 2
    assert [one.raw.count(b"1111") for one in seen] == [0]
