"""The service tier of a request and of an answer, in each dialect, whole and streamed."""

import json
from typing import Any
from uuid import UUID

import pytest

from routing.dialects import dialect
from routing.exchange import Answer, CallRequest, Choice, Chunk, Passed, Text, Usage
from tests.routing.dialects.material import CALL

ASKS: dict[str, dict[str, Any]] = {
    "openai.chat": {"messages": [{"role": "user", "content": "hi"}]},
    "openai.responses": {"input": "hi"},
    "anthropic.messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
}
CHAT = {"prompt_tokens": 7, "completion_tokens": 3}
WHOLE = {"input_tokens": 7, "output_tokens": 3}


def asked(name: str, tier: object) -> CallRequest:
    body = {"model": "r", "service_tier": tier, **ASKS[name]}
    return dialect(name).parse_request(json.dumps(body).encode(), {}, "")


@pytest.mark.parametrize(
    ("name", "tier", "found", "special"),
    [
        ("openai.chat", "flex", "flex", ()),
        ("openai.chat", "auto", "", ()),
        ("openai.chat", "default", "", ()),
        ("openai.chat", None, "", ()),
        ("openai.chat", "priority", "", ("service_tier",)),
        ("openai.chat", ["flex"], "", ("service_tier",)),
        ("openai.responses", "flex", "flex", ()),
        ("openai.responses", "default", "", ()),
        ("openai.responses", "scale", "", ("service_tier",)),
        ("anthropic.messages", "auto", "", ()),
        ("anthropic.messages", "standard_only", "", ()),
        ("anthropic.messages", "flex", "", ("service_tier",)),
    ],
)
def test_what_a_request_asks_for(
    name: str, tier: object, found: str, special: tuple[str, ...]
) -> None:
    outline = asked(name, tier).outline
    assert (outline.service_tier, outline.special) == (found, special)


def test_flex_goes_to_a_model_of_the_same_dialect_as_it_was_sent() -> None:
    sent = dialect("openai.chat").splice_request(
        asked("openai.chat", "flex"), model="gpt", max_output_tokens=5
    )
    assert json.loads(sent)["service_tier"] == "flex"


def answered(name: str, tier: object) -> bytes:
    if name == "openai.chat":
        choice = {"message": {"content": "ho"}, "finish_reason": "stop"}
        return json.dumps({"choices": [choice], "usage": CHAT, "service_tier": tier}).encode()
    if name == "openai.responses":
        return json.dumps({"output": [], "usage": WHOLE, "service_tier": tier}).encode()
    usage = {**WHOLE, "service_tier": tier}
    return json.dumps({"content": [], "stop_reason": "end_turn", "usage": usage}).encode()


@pytest.mark.parametrize("name", list(ASKS))
@pytest.mark.parametrize(
    ("tier", "found"),
    [
        ("flex", "flex"),
        ("batch", "batch"),
        ("priority", "priority"),
        ("default", ""),
        ("standard", ""),
        ("my secret", ""),
        (None, ""),
        (["flex"], ""),
    ],
)
def test_what_an_answer_says(name: str, tier: object, found: str) -> None:
    speaks, body = dialect(name), answered(name, tier)
    expected = Usage(7, 0, 0, 3, service_tier=found)  # type: ignore[arg-type]  # one of its words
    passed: Passed = speaks.pass_answer(body, call=CALL, model="r")
    assert passed.usage == expected
    assert speaks.read_answer(body).usage == expected
    assert speaks.usage(body) == expected


def streamed(name: str, tiers: tuple[str | None, str | None]) -> bytes:
    """A stream that says the first tier at its beginning and the second at its end."""
    if name == "openai.chat":
        chunks: list[dict[str, Any]] = [
            {"choices": [{"delta": {"content": "ho"}}], "service_tier": tiers[0]},
            {"choices": [{"delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": CHAT, "service_tier": tiers[1]},
        ]
        return (
            b"".join(b"data: %b\n\n" % json.dumps(c).encode() for c in chunks) + b"data: [DONE]\n\n"
        )
    if name == "openai.responses":
        begun: dict[str, Any] = {"output": [], "status": "in_progress", "service_tier": tiers[0]}
        ended: dict[str, Any] = {"output": [], "usage": WHOLE, "service_tier": tiers[1]}
        found = [
            {"type": "response.created", "response": begun},
            {"type": "response.completed", "response": ended},
        ]
    else:
        first = {"usage": {**WHOLE, "service_tier": tiers[0]}}
        last = {"output_tokens": 3} | ({"service_tier": tiers[1]} if tiers[1] else {})
        found = [
            {"type": "message_start", "message": first},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last},
            {"type": "message_stop"},
        ]
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (str(e["type"]).encode(), json.dumps(e).encode())
        for e in found
    )


@pytest.mark.parametrize(
    ("name", "tiers", "found"),
    [
        ("openai.chat", ("flex", "flex"), "flex"),
        ("openai.chat", ("flex", None), "flex"),
        ("openai.chat", ("flex", "default"), ""),
        ("openai.chat", (None, None), ""),
        ("openai.responses", ("flex", "flex"), "flex"),
        # what it begins with is what was asked for
        ("openai.responses", ("flex", None), ""),
        ("openai.responses", ("flex", "default"), ""),
        ("anthropic.messages", ("priority", None), "priority"),
        ("anthropic.messages", (None, None), ""),
    ],
)
def test_what_a_stream_says_at_its_end(
    name: str, tiers: tuple[str | None, str | None], found: str
) -> None:
    speaks, data = dialect(name), streamed(name, tiers)
    reader, splice = speaks.reader(), speaks.splicer(CALL, "r", include_usage=True)
    events = reader.feed(data)
    read = [chunk.usage for event in events for chunk in reader.chunks(event) if chunk.usage]
    for event in speaks.reader().feed(data):
        splice(event)
    assert [usage.service_tier for usage in read] == [found]
    assert splice.usage is not None
    assert splice.usage.service_tier == found
    assert (splice.usage.input, splice.usage.output) == (7, 3)


@pytest.mark.parametrize("name", ["openai.chat", "openai.responses"])
def test_an_answer_that_is_written_says_it(name: str) -> None:
    speaks = dialect(name)
    usage = Usage(7, 0, 0, 3, service_tier="flex")
    answer = Answer(choices=(Choice((Text("ho"),), "stop"),), usage=usage)
    whole = speaks.encode_answer(answer, call=UUID(int=1), model="r", created=0)
    assert json.loads(whole)["service_tier"] == "flex"
    write = speaks.writer(UUID(int=1), "r", include_usage=True, created=0)
    data = write(Chunk(text="ho")) + write(Chunk(finish="stop")) + write(Chunk(usage=usage))
    splice = speaks.splicer(CALL, "r", include_usage=True)
    for event in speaks.reader().feed(data + write.end()):
        splice(event)
    assert splice.usage == usage
