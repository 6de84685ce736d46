"""What a stream costs, wherever it was cut and whatever its provider says of usage, in each dialect.

One token of input costs 1,000 nano and one of output 10,000; the attempt holds 1,000,000.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from controlplane.kernel.ids import IdSource
from routing.calls import answers
from routing.dialects import Dialect
from routing.dialects.counts import MOST_TOKENS
from routing.exchange import Usage
from routing.providers.base import Piece, ProviderError, Target, Timeouts
from routing.providers.turns import Crossed, Spliced, Turn
from routing.tried import Tried
from tests.routing.dialects.material import (
    CHAT,
    CHAT_STREAM,
    MESSAGES,
    MESSAGES_STREAM,
    RESPONSES,
    RESPONSES_STREAM,
    compact,
    event,
    events,
)
from tests.routing.test_door import COMMITS, candidate, door, story
from tests.routing.walking import request

__all__ = ["story"]

INPUT_MAX, INPUT, OUTPUT = 5, 1_000, 10_000
HELD = 1_000_000
DIALECTS = {
    "openai.chat": (CHAT, CHAT_STREAM),
    "openai.responses": (RESPONSES, RESPONSES_STREAM),
    "anthropic.messages": (MESSAGES, MESSAGES_STREAM),
}
every_pair = pytest.mark.parametrize(
    ("theirs", "ours"),
    [(one, one) for one in DIALECTS] + [("openai.chat", "anthropic.messages"), ("anthropic.messages", "openai.chat")],
)  # fmt: skip


def turn_of(theirs: str, ours: str) -> Turn:
    """How a stream of one dialect reaches a caller of another."""
    asked = request("x", dialect_name=ours, stream=True)
    at = Target(
        provider="p", provider_type="x", base_url="", credential="", upstream_name="x", call=IdSource().new(),
        attempt_no=1, public_model="r", deadline=1e12, max_output_tokens=500,
        timeouts=Timeouts(connect=1, first_token=1, stall=1, total=1),
    )  # fmt: skip
    upstream, callers = DIALECTS[theirs][0], DIALECTS[ours][0]
    if theirs == ours:
        return Spliced(callers, asked, at)
    return Crossed(upstream, callers, asked, at)


class Model:
    """Streams the first `cut` events of what an upstream says, then breaks off."""

    def __init__(self, turn: Turn, speaks: Dialect, said: bytes, cut: int) -> None:
        self._turn, self._events = turn, events(speaks, said)[:cut]

    async def stream(self, *_: object) -> AsyncIterator[Piece]:
        for one in self._events:
            yield self._turn.take([one])
        if not self._turn.finished:
            raise ProviderError("server_error", "cut", maybe_processed=True)


async def tried(theirs: str, ours: str, said: bytes, cut: int, story: list[str]) -> Tried:
    """The attempt at a model whose stream is cut."""
    COMMITS[:] = [answers.Started()]
    given, turn = door(story), turn_of(theirs, ours)
    model: Any = Model(turn, DIALECTS[theirs][0], said, cut)
    case: Any = given._case
    case.worker.providers = SimpleNamespace(provider=lambda _: model)
    found = await given.attempt(candidate())
    assert given.flow.output_bytes == turn.output_bytes
    return found


@every_pair
async def test_a_stream_that_is_cut_anywhere_is_charged_by_what_came(
    theirs: str, ours: str, story: list[str]
) -> None:
    speaks, said = DIALECTS[theirs]
    count = len(events(speaks, said))
    charged, how = [], []
    for cut in range(count + 1):
        found = await tried(theirs, ours, said, cut, story)
        charged.append(found.amount_nano())
        how.append((found.becomes(), found.basis()))
        if found.basis() == "counted":
            assert found.usage is not None
            assert found.usage.input == INPUT_MAX
            assert charged[-1] == INPUT_MAX * INPUT + found.usage.output * OUTPUT
    # nothing came: nobody knows; something came: counted; its usage came: reported, whole or cut
    assert list(dict.fromkeys(how[:-1])) == [
        ("unknown", "none"), ("failed", "counted"), *([("failed", "reported")] if theirs != "openai.responses" else []),
    ]  # fmt: skip
    assert how[-1] == ("succeeded", "reported")
    reported = charged[-1]
    counted = [amount for amount, one in zip(charged, how, strict=True) if one[1] == "counted"]
    assert counted == sorted(counted)
    assert 0 < counted[0] <= counted[-1] <= HELD
    assert all(a == reported for a, one in zip(charged, how, strict=True) if one[1] == "reported")
    assert reported > 0


def chat(usage: object, *, finish: bool = True) -> bytes:
    """A stream of chat that reports usage beside its text, as servers do that report it all the time."""
    said: dict[str, Any] = {
        "choices": [{"index": 0, "delta": {"content": "Grüße"}}],
        "usage": usage,
    }
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    lines = [said, *([last, {"choices": [], "usage": usage}] if finish else [])]
    return (
        b"".join(b"data: " + compact(line) + b"\n\n" for line in lines)
        + b"data: [DONE]\n\n" * finish
    )


def messages(usage: object, *, finish: bool = True) -> bytes:
    """A message that reports usage on the way and, where it finishes, at its end."""
    text = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Grüße"})
    delta = {"stop_reason": "end_turn"} if finish else {}
    start = event(
        "message_start", message={"id": "msg_1", "type": "message", "model": "x", "usage": {}}
    )
    return (
        start
        + text
        + event("message_delta", delta=delta, usage=usage)
        + event("message_stop") * finish
    )


def responses(usage: object, *, finish: bool = True) -> bytes:
    """A response, whose usage stands in its last event only."""
    text = event("response.output_text.delta", output_index=0, delta="Grüße", logprobs=[])
    whole = {
        "id": "resp_1",
        "object": "response",
        "model": "x",
        "status": "completed",
        "output": [],
        "usage": usage,
    }
    return text + event("response.completed", response=whole) * finish


WRITTEN: dict[str, Any] = {
    "openai.chat": chat,
    "anthropic.messages": messages,
    "openai.responses": responses,
}
NAMES = {
    "openai.chat": ("prompt_tokens", "completion_tokens"),
    "anthropic.messages": ("input_tokens", "output_tokens"),
    "openai.responses": ("input_tokens", "output_tokens"),
}
every_dialect = pytest.mark.parametrize("name", DIALECTS)


def usage(name: str, given: object, output: object) -> dict[str, object]:
    return dict(zip(NAMES[name], (given, output), strict=True))


@every_dialect
@pytest.mark.parametrize(
    ("given", "output", "expected"),
    [
        (3, 4, (3 * INPUT + 4 * OUTPUT, "reported")),
        # an explicit 0 is said, not missing
        (0, 0, (0, "reported")),
        (7, 0, (7 * INPUT, "reported")),
        # above what was held: overrun, to the last token
        (3, 101, (3 * INPUT + 101 * OUTPUT, "reported")),
        (MOST_TOKENS, 1, (MOST_TOKENS * INPUT + OUTPUT, "reported")),
        # what cannot be meant was not said: what was held is posted
        (MOST_TOKENS + 1, 1, (HELD, "reserve")),
        (3, 2**63, (HELD, "reserve")),
        (-1, 4, (HELD, "reserve")),
        (3, -4, (HELD, "reserve")),
        (True, 4, (HELD, "reserve")),
        ("3", 4, (HELD, "reserve")),
        (3.0, 4, (HELD, "reserve")),
        (None, 4, (HELD, "reserve")),
    ],
)
async def test_what_a_whole_stream_says_of_usage(
    name: str, given: object, output: object, expected: tuple[int, str], story: list[str]
) -> None:
    found = await tried(name, name, WRITTEN[name](usage(name, given, output)), 99, story)
    assert (found.becomes(), found.amount_nano(), found.basis()) == ("succeeded", *expected)
    plain = DIALECTS[name][0].usage(json.dumps(whole(name, usage(name, given, output))).encode())
    assert plain == (found.usage if expected[1] == "reported" else None)


def whole(name: str, used: object) -> dict[str, object]:
    """The least of a plain answer that reports usage."""
    return {"id": "x", "model": "x", "usage": used}


@every_dialect
async def test_a_whole_stream_without_usage_costs_what_was_held(
    name: str, story: list[str]
) -> None:
    found = await tried(name, name, WRITTEN[name](None), 99, story)
    assert (found.becomes(), found.basis(), found.amount_nano()) == ("succeeded", "reserve", HELD)


COUNTED = INPUT_MAX * INPUT + len("Grüße".encode()) * OUTPUT


@pytest.mark.parametrize("name", ["openai.chat", "anthropic.messages"])
@pytest.mark.parametrize(
    ("given", "output", "expected"),
    [
        # it had said that one token was written when it was cut: more came than that
        (5, 1, (COUNTED, "counted")),
        (0, 0, (COUNTED, "counted")),
        # what it said is more than we can count
        (50, 40, (50 * INPUT + 40 * OUTPUT, "reported")),
    ],
)
async def test_of_a_cut_stream_the_larger_of_reported_and_counted_is_charged(
    name: str, given: int, output: int, expected: tuple[int, str], story: list[str]
) -> None:
    said = WRITTEN[name](usage(name, given, output), finish=False)
    found = await tried(name, name, said, 99, story)
    assert (found.becomes(), found.amount_nano(), found.basis()) == ("failed", *expected)


@every_dialect
async def test_after_its_finish_what_it_says_stands(name: str, story: list[str]) -> None:
    """Cut behind the usage of a whole answer: it said what it cost, less than we would count."""
    said = WRITTEN[name](usage(name, 1, 1))
    cut = len(events(DIALECTS[name][0], said)) - (name != "openai.responses")
    found = await tried(name, name, said, cut, story)
    assert (found.basis(), found.amount_nano()) == ("reported", INPUT + OUTPUT)


async def test_a_counted_charge_stays_within_what_was_held(story: list[str]) -> None:
    found = await tried("openai.chat", "openai.chat", chat(None, finish=False), 99, story)
    found.candidate = found.candidate.__class__(
        **{name: getattr(found.candidate, name) for name in found.candidate.__struct_fields__} | {"amount_nano": 10}
    )  # fmt: skip
    assert found.amount_nano() == 10
    assert replace(found, usage=Usage(input=3)).amount_nano() == 3 * INPUT
