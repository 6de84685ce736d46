"""What we need not understand passes through: the received bytes go up, and come back, with only model, limit and id replaced."""

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.journeys.installation import Installation, call_of

KEY = "j-passed/desk"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
CHAT = (
    b'{\n  "seed" : 7,  "messages":[ {"role":"user", "content":[{"type":"text","text":"Gr\\u00fc\xc3\x9fe [[sandbox'
    b' tokens=5]]"}, {"type":"image_url","image_url":{"url":"data:image/png;base64,'
    + PIXEL.encode()
    + b'","detail":"low"}}]} ],\n'
    b'"model":"one" ,"max_tokens":50, "n":2, "stop":["END"], "metadata":{"desk":"7"}, "logprobs":true,"top_logprobs":2,'
    b'"response_format":{"type":"text"}, "x_field_of_tomorrow": {"deep":[1.50, 1e3, null]}, "temperature":0.20 }'
)
CLAUDE = (
    b'{ "max_tokens": 50 , "model":"claude", "stop_sequences":["END"],"x_field_of_tomorrow":[1.50,{"a":null}],'
    b'"system":[{"type":"text","text":"Brief.","cache_control":{"type":"ephemeral"}}],'
    b'"messages":[{"role":"user","content":[{"type":"text","text":"Gr\xc3\xbc\xc3\x9fe [[sandbox tokens=5]]"},'
    b'{"type":"image","source":{"type":"base64","media_type":"image/png","data":"'
    + PIXEL.encode()
    + b'"}}]}] }'
)


def sent(mandate: Installation, path: str, body: bytes, headers: dict[str, str]) -> tuple[Any, Any]:
    """The answer, and what arrived upstream."""
    given = {"authorization": f"Bearer {mandate.keys[KEY]}", **headers}
    answer = mandate.send(path, body, given)
    assert answer.status == 200, answer.body
    (arrival,) = mandate.upstream.arrivals(call_of(answer.headers))
    return answer, arrival


def test_a_chat_request_arrives_byte_for_byte(mandate: Installation) -> None:
    answer, arrival = sent(mandate, "/v1/chat/completions", CHAT, {})
    assert mandate.raw(arrival) == CHAT.replace(b'"one"', b'"j-gpt-upstream"')
    choices = answer.json()["choices"]
    assert len(choices) == 2
    assert choices[0]["logprobs"]["content"][0]["top_logprobs"][1]
    # what the upstream said beside what we know comes back too
    assert answer.json()["system_fingerprint"] == "fp_sandbox"
    assert mandate.facts_of(call_of(answer.headers))["request"]["n"] == 2


def test_a_messages_request_and_its_beta_header_arrive_unchanged(mandate: Installation) -> None:
    betas = {"anthropic-version": "2023-06-01", "anthropic-beta": "context-1m-2025-08-07,tomorrow"}
    _, arrival = sent(mandate, "/v1/messages?beta=true", CLAUDE, betas)
    assert mandate.raw(arrival) == CLAUDE.replace(b'"claude"', b'"j-claude-upstream"')
    assert arrival["headers"]["anthropic-beta"] == "context-1m-2025-08-07,tomorrow"
    assert arrival["headers"]["anthropic-version"] == "2023-06-01"


def test_a_stream_changes_the_stream_options_only(mandate: Installation) -> None:
    body = CHAT.replace(b'"n":2', b'"n":1,"stream":true')
    _, arrival = sent(mandate, "/v1/chat/completions", body, {})
    expected = json.loads(body) | {
        "model": "j-gpt-upstream",
        "stream_options": {"include_usage": True},
    }
    assert json.loads(mandate.raw(arrival)) == expected
    inserted = mandate.raw(arrival).replace(b'"stream_options":{"include_usage":true},', b"")
    assert inserted == body.replace(b'"one"', b'"j-gpt-upstream"')


class Claim(BaseModel):
    label: str
    amount: int


@pytest.mark.parametrize("route", ["one", "claude"])
def test_structured_output_in_the_same_dialect_and_across(
    mandate: Installation, route: str
) -> None:
    parsed = mandate.openai(KEY).chat.completions.parse(
        model=route,
        messages=[{"role": "user", "content": "Water damage of 300 euro."}],
        response_format=Claim,
        max_tokens=90,
    )
    assert isinstance(parsed.choices[0].message.parsed, Claim)


def test_images_and_stops_across_vendors(mandate: Installation) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    said: Any = [
        {"role": "system", "content": "Brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "See? [[sandbox tokens=5]]"}, picture],
        },
    ]
    raw = mandate.openai(KEY).chat.completions.with_raw_response.create(
        model="claude", messages=said, stop=["END"], max_tokens=30, metadata={"desk": "7"}
    )
    (arrival,) = mandate.upstream.arrivals(call_of(raw.headers))
    body = mandate.sent(arrival)
    assert body["messages"][0]["content"][1]["source"]["data"] == PIXEL
    assert body["system"][0]["text"] == "Brief."
    assert body["stop_sequences"] == ["END"]
    # what has no place there is named, never dropped silently
    assert "metadata was left out" in raw.headers["x-mandate-reason"]
    # no rule names the label, so the facts hold a commitment in its place
    assert mandate.facts_of(call_of(raw.headers))["request"]["labels"] == {}


def test_what_no_model_of_the_route_can_do_is_refused_or_routed_around(
    mandate: Installation,
) -> None:
    said: Any = [{"role": "user", "content": "The same again. [[sandbox tokens=5]]"}]
    client = mandate.openai(KEY)
    with pytest.raises(openai.PermissionDeniedError) as raised:
        client.chat.completions.create(model="claude", messages=said, seed=7, n=2)
    assert "seed, n above 1" in raised.value.message or "n above 1, seed" in raised.value.message
    assert mandate.upstream.arrivals(call_of(raised.value.response.headers)) == []
    raw = client.chat.completions.with_raw_response.create(
        model="turned", messages=said, seed=7, max_tokens=9
    )
    assert raw.headers["x-mandate-model"] == "j-gpt"
