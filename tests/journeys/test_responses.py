"""The responses dialect through the real client: plain, streamed, with tools and schemas, at models of both vendors."""

import json
from typing import Any
from uuid import UUID, uuid4

import openai
import pytest
from pydantic import BaseModel

from tests.journeys.installation import Installation, call_of

KEY, OTHER = "j-responses/desk", "j-other/desk"
PLAIN = ["call.admitted", "attempt.started", "attempt.succeeded", "call.completed"]
PATHS = {
    "one": "/v1/responses",
    "claude": "/v1/messages",
    "compatible": "/v1/chat/completions",
}
ROUTES = list(PATHS)
"""To a provider that speaks this dialect itself, and to two that do not."""
SLOW = "Slowly. [[sandbox tokens=24 chunks=6 latency=50ms delay=100ms]]"
LOOK: Any = {
    "type": "function",
    "name": "lookup_policy",
    "description": "Finds it",
    "strict": False,
    "parameters": {
        "type": "object",
        "properties": {"policy": {"type": "string"}},
        "required": ["policy"],
    },
}
WANTS = """Is the roof insured? [[sandbox tool=lookup_policy args='{"policy":"P-77"}']]"""


class Label(BaseModel):
    """What a claim is about."""

    label: str
    urgent: bool


def charged(mandate: Installation, call: Any, usage: Any) -> None:
    """One attempt, charged by exactly the tokens that the caller was told."""
    (attempt,) = mandate.attempts(call)
    assert (attempt["state"], attempt["basis"]) == ("succeeded", "reported")
    spent = usage.input_tokens * 1000 + usage.output_tokens * 10_000
    assert attempt["posted_nano"] == mandate.call(call)["cost_nano"] == spent
    assert mandate.entries(call) == PLAIN


@pytest.mark.parametrize("route", ROUTES)
def test_a_plain_answer(mandate: Installation, route: str) -> None:
    raw = mandate.openai(KEY).responses.with_raw_response.create(
        model=route,
        instructions="Be brief.",
        input="Is hail covered? [[sandbox tokens=9]]",
        metadata={"case": "17"},
        max_output_tokens=50,
    )
    answer, call = raw.parse(), call_of(raw.headers)
    assert (answer.id, answer.model, answer.status) == (f"resp_{call.hex}", route, "completed")
    assert (answer.instructions, answer.metadata) == ("Be brief.", {"case": "17"})
    assert answer.output_text
    charged(mandate, call, answer.usage)
    assert raw.headers["x-mandate-cost"].endswith(" EUR")
    models = {"one": "j-gpt", "claude": "j-claude", "compatible": "llama"}
    assert raw.headers["x-mandate-model"] == models[route]
    (arrival,) = mandate.upstream.arrivals(call)
    assert arrival["path"] == PATHS[route]
    facts = mandate.facts_of(call)["request"]
    # no rule names the label: the facts hold a commitment in its place
    assert (facts["dialect"], facts["labels"]) == ("openai.responses", {})


@pytest.mark.parametrize("route", ROUTES)
def test_a_stream(mandate: Installation, route: str) -> None:
    state_at_end, names = "", []
    with mandate.openai(KEY).responses.stream(
        model=route, input=SLOW, max_output_tokens=50
    ) as stream:
        call = call_of(stream._response.headers)
        for event in stream:
            names.append(event.type)
            if event.type == "response.completed":
                state_at_end = mandate.call(call)["state"]
        final = stream.get_final_response()
    assert state_at_end == "completed"
    assert names[:2] == ["response.created", "response.in_progress"]
    assert names.count("response.output_text.delta") > 3
    assert names[-1] == "response.completed"
    assert (final.id, final.status) == (f"resp_{call.hex}", "completed")
    charged(mandate, call, final.usage)


@pytest.mark.parametrize("route", ROUTES)
def test_tools_both_ways(mandate: Installation, route: str) -> None:
    client = mandate.openai(KEY)
    said: Any = [{"role": "user", "content": WANTS}]
    first = client.responses.create(
        model=route, input=said, tools=[LOOK], max_output_tokens=60, store=False
    )
    (wanted,) = [item for item in first.output if item.type == "function_call"]
    assert (wanted.name, json.loads(wanted.arguments)) == ("lookup_policy", {"policy": "P-77"})
    result = {
        "type": "function_call_output",
        "call_id": wanted.call_id,
        "output": "insured until May",
    }
    said += [item.model_dump(exclude_none=True) for item in first.output] + [result]
    second = client.responses.create(model=route, input=said, tools=[LOOK], max_output_tokens=60)
    assert "insured until May" in second.output_text


@pytest.mark.parametrize("route", ROUTES)
def test_a_streamed_tool_call(mandate: Installation, route: str) -> None:
    with mandate.openai(KEY).responses.stream(
        model=route, input=WANTS, tools=[LOOK], max_output_tokens=60
    ) as stream:
        names = [event.type for event in stream]
        final = stream.get_final_response()
    assert "response.function_call_arguments.done" in names
    (wanted,) = [item for item in final.output if item.type == "function_call"]
    assert json.loads(wanted.arguments) == {"policy": "P-77"}


@pytest.mark.parametrize("route", ROUTES)
def test_structured_output(mandate: Installation, route: str) -> None:
    client = mandate.openai(KEY)
    parsed = client.responses.parse(
        model=route, input="Sort this: hail on the roof.", text_format=Label, max_output_tokens=80
    )
    assert isinstance(parsed.output_parsed, Label)
    with client.responses.stream(
        model=route, input="Sort this too.", text_format=Label, max_output_tokens=80
    ) as stream:
        final = stream.get_final_response()
    assert isinstance(final.output_parsed, Label)


def test_nothing_of_it_is_kept_at_the_vendor(mandate: Installation) -> None:
    client = mandate.openai(KEY)
    first = client.responses.create(model="one", input="First. [[sandbox tokens=5]]")
    raw = client.responses.with_raw_response.create(
        model="one",
        previous_response_id=first.id,
        input="Second. [[sandbox tokens=5]]",
        background=True,
        store=True,
        extra_body={"x_new": 1.50},
    )
    call = call_of(raw.headers)
    assert mandate.wait_ended(call)["state"] == "completed"
    (arrival,) = mandate.upstream.arrivals(call)
    sent = mandate.sent(arrival)
    kept = ("store", "background", "previous_response_id", "x_new")
    assert [sent[name] for name in kept] == [False, None, None, 1.5]
    last: Any = client.responses.retrieve(f"resp_{call.hex}")
    assert (last.store, last.background, last.previous_response_id) == (True, True, first.id)


def test_another_vendor_answers_where_the_first_fails(mandate: Installation) -> None:
    words = "Who? [[sandbox model=gpt-upstream fail=server_error]] [[sandbox tokens=5]]"
    raw = mandate.openai(KEY).responses.with_raw_response.create(model="own-both", input=words)
    paths = [arrival["path"] for arrival in mandate.upstream.arrivals(call_of(raw.headers))]
    assert paths == ["/v1/responses", "/v1/responses", "/v1/messages"]
    assert raw.headers["x-mandate-model"] == "claude"
    assert raw.parse().output_text


def test_too_short_is_incomplete(mandate: Installation) -> None:
    answer = mandate.openai(KEY).responses.create(
        model="one", input="At length. [[sandbox tokens=90]]", max_output_tokens=20
    )
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.usage is not None
    assert answer.usage.output_tokens == 20


def test_what_the_money_allows(mandate: Installation) -> None:
    raw = mandate.openai("j-short/desk").responses.with_raw_response.create(
        model="one", input="At length. [[sandbox tokens=3000]]", max_output_tokens=3000
    )
    answer, call = raw.parse(), call_of(raw.headers)
    assert answer.status == "incomplete"
    assert answer.usage is not None
    assert mandate.facts_of(call)["clamp"] == answer.usage.output_tokens < 1000


def test_a_denial(mandate: Installation) -> None:
    with pytest.raises(openai.PermissionDeniedError) as raised:
        mandate.openai("j-deny/desk").responses.create(
            model="one",
            input="Born on the 7th.",
            extra_headers={"x-mandate-data-classes": "personal"},
        )
    assert "cleo@acme.example" in raised.value.message
    assert raised.value.response.headers["x-should-retry"] == "false"
    call = call_of(raised.value.response.headers)
    assert mandate.entries(call) == ["call.denied"]
    assert mandate.upstream.arrivals(call) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "web_search"}]},
        {"conversation": "conv_1"},
        {"service_tier": "priority"},
        {"background": True, "store": False},
    ],
)
def test_what_is_refused(mandate: Installation, fields: Any) -> None:
    known = len(mandate.calls_of("j-responses"))
    with pytest.raises(openai.BadRequestError) as raised:
        mandate.openai(KEY).responses.create(model="one", input="Hello.", **fields)
    assert next(iter(fields)) in raised.value.message
    assert len(mandate.calls_of("j-responses")) == known


@pytest.mark.parametrize("how", ["cut=after:3", "error=after:3"])
@pytest.mark.parametrize("route", ["own", "own-claude"])
def test_a_stream_that_is_cut_is_told_raised_and_counted(
    mandate: Installation, route: str, how: str
) -> None:
    words = f"Go on. [[sandbox tokens=24 chunks=6 delay=40ms {how}]]"
    stream = mandate.openai(KEY).responses.create(
        model=route, input=words, max_output_tokens=200, stream=True
    )
    call, names = call_of(stream.response.headers), []
    with pytest.raises(openai.APIError):
        names.extend(event.type for event in stream)
    assert names[-1] == "response.failed"
    mandate.wait_ended(call)
    (attempt,) = mandate.attempts(call)
    assert (attempt["state"], attempt["basis"]) == ("failed", "counted")
    # who reads it afterwards is told the same
    again = mandate.openai(KEY).responses.retrieve(f"resp_{call.hex}")
    assert again.status == "failed"
    assert again.error is not None
    assert again.error.code == "server_error"


def test_a_model_that_fails_at_once_is_a_status(mandate: Installation) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        mandate.openai(KEY).responses.create(
            model="own", input="Now. [[sandbox fail=server_error]]", max_output_tokens=20
        )
    call = call_of(raised.value.response.headers)
    again = mandate.openai(KEY).responses.retrieve(f"resp_{call.hex}")
    assert (again.status, again.output) == ("failed", [])


@pytest.mark.parametrize("stream", [False, True])
def test_the_same_idempotency_key_is_the_same_response(mandate: Installation, stream: bool) -> None:
    client, same = mandate.openai(KEY), {"idempotency-key": uuid4().hex}
    seen = []
    for _ in range(2):
        asked = client.responses.with_raw_response.create(
            model="one",
            input="Once. [[sandbox tokens=9]]",
            max_output_tokens=30,
            stream=stream,
            extra_headers=same,
        )
        seen.append((call_of(asked.headers), asked.http_response.read()))
    assert seen[0] == seen[1]
    assert len(mandate.upstream.arrivals(seen[0][0])) == 1
    with pytest.raises(openai.ConflictError):
        client.responses.create(model="one", input="Another.", extra_headers=same)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_goes_on_from_another(mandate: Installation, route: str, stream: bool) -> None:
    client = mandate.openai(KEY)
    words = "My number is 4711. [[sandbox say='Noted, 4711.']]"
    if stream:
        with client.responses.stream(model=route, input=words, instructions="A") as events:
            first = events.get_final_response().id
    else:
        first = client.responses.create(model=route, input=words, instructions="A").id
    raw = client.responses.with_raw_response.create(
        model="claude" if route == "one" else "one",
        previous_response_id=first,
        input="And now? [[sandbox tokens=5]]",
        instructions="B",
    )
    second, call = raw.parse(), call_of(raw.headers)
    assert second.previous_response_id == first
    (arrival,) = mandate.upstream.arrivals(call)
    sent = json.dumps(mandate.sent(arrival))
    assert [sent.count(word) for word in ("My number is 4711", "Noted, 4711.", "And now?")] == [
        *(1, 2, 1)
    ]
    assert '"B"' in sent
    assert '"A"' not in sent
    # both are one run
    run = mandate.facts_of(call)["run"]
    assert run["calls"] == 1
    begun = mandate.call(UUID(hex=first.removeprefix("resp_")))
    assert run["id"] == begun["run"] != ""
    third = client.responses.with_raw_response.create(
        model=route, previous_response_id=second.id, input="So? [[sandbox tokens=5]]"
    )
    run = mandate.facts_of(call_of(third.headers))["run"]
    assert (run["id"], run["calls"]) == (begun["run"], 2)


def test_nobody_goes_on_from_what_is_not_theirs(mandate: Installation) -> None:
    client = mandate.openai(KEY)
    mine = client.responses.create(model="one", input="Mine. [[sandbox tokens=5]]")
    unkept = client.responses.create(model="one", input="Gone. [[sandbox tokens=5]]", store=False)
    chat = client.chat.completions.create(
        model="one", messages=[{"role": "user", "content": "Chat. [[sandbox tokens=5]]"}]
    )
    messages = set()
    for key, name in (
        (OTHER, mine.id),
        (KEY, unkept.id),
        (KEY, chat.id.replace("chatcmpl-", "resp_")),
        (KEY, f"resp_{uuid4().hex}"),
        (KEY, "resp_x"),
    ):
        known = len(mandate.calls_of(key.partition("/")[0]))
        with pytest.raises(openai.NotFoundError) as raised:
            mandate.openai(key).responses.create(
                model="one", previous_response_id=name, input="Whose?"
            )
        assert (raised.value.code, raised.value.param) == (
            "previous_response_not_found",
            "previous_response_id",
        )
        messages.add(raised.value.message.replace(name, "x"))
        assert len(mandate.calls_of(key.partition("/")[0])) == known
    assert len(messages) == 1
