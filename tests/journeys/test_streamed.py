"""Streams through the SDKs: the first words come before the end, the end comes after its commit."""

from typing import Any

from tests.journeys.installation import Installation, call_of

KEY = "j-stream/desk"
PLAIN = ["call.admitted", "attempt.started", "attempt.succeeded", "call.completed"]
# a second and a half lies between the first words and the last: time to ask in
SLOW: Any = [
    {"role": "user", "content": "Slowly. [[sandbox tokens=24 chunks=6 latency=50ms delay=300ms]]"}
]


def charged(mandate: Installation, call: Any) -> tuple[int, int]:
    """Input and output tokens of a call that was answered by one attempt, charged exactly."""
    (attempt,) = mandate.attempts(call)
    spent = attempt["tokens_input"] * 1000 + attempt["tokens_output"] * 10_000
    assert (attempt["state"], attempt["basis"]) == ("succeeded", "reported")
    assert attempt["posted_nano"] == mandate.call(call)["cost_nano"] == spent
    assert mandate.entries(call) == PLAIN
    return attempt["tokens_input"], attempt["tokens_output"]


def test_openai_stream_with_usage(mandate: Installation) -> None:
    stream = mandate.openai(KEY).chat.completions.create(
        model="one", messages=SLOW, stream=True, stream_options={"include_usage": True}
    )
    call = call_of(stream.response.headers)
    assert stream.response.headers["content-type"].startswith("text/event-stream")
    chunks, state_at_first, state_at_end = [], "", ""
    for chunk in stream:
        if not state_at_first and chunk.choices and chunk.choices[0].delta.content:
            state_at_first = mandate.call(call)["state"]
        if chunk.choices and chunk.choices[0].finish_reason:
            state_at_end = mandate.call(call)["state"]
        chunks.append(chunk)
    assert (state_at_first, state_at_end) == ("running", "completed")
    assert {chunk.id for chunk in chunks} == {f"chatcmpl-{call.hex}"}
    assert {chunk.model for chunk in chunks} == {"one"}
    usage = chunks[-1].usage
    assert usage is not None
    assert charged(mandate, call) == (usage.prompt_tokens, usage.completion_tokens)
    assert usage.completion_tokens == 24


def test_openai_stream_without_usage_is_charged_the_same(mandate: Installation) -> None:
    stream = mandate.openai(KEY).chat.completions.create(model="one", messages=SLOW, stream=True)
    call = call_of(stream.response.headers)
    chunks = list(stream)
    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert charged(mandate, call)[1] == 24
    # the upstream was asked for what we charge by
    (arrival,) = mandate.upstream.arrivals(call)
    assert mandate.sent(arrival)["stream_options"] == {"include_usage": True}


def test_anthropic_stream_of_a_claude(mandate: Installation) -> None:
    client = mandate.anthropic(KEY)
    state_at_first, state_at_end = "", ""
    with client.messages.stream(model="claude", messages=SLOW, max_tokens=50) as stream:
        call = call_of(stream.response.headers)
        for event in stream:
            if event.type == "text":
                state_at_first = state_at_first or mandate.call(call)["state"]
            if event.type == "message_delta":
                state_at_end = mandate.call(call)["state"]
        message = stream.get_final_message()
    assert (state_at_first, state_at_end) == ("running", "completed")
    assert message.id == f"msg_{call.hex}"
    assert message.model == "claude"
    assert message.stop_reason == "end_turn"
    assert charged(mandate, call) == (message.usage.input_tokens, message.usage.output_tokens)
    assert mandate.upstream.arrivals(call)[0]["path"] == "/v1/messages"


def test_streams_across_vendors(mandate: Installation) -> None:
    chat = mandate.openai(KEY).chat.completions.create(
        model="claude", messages=SLOW, stream=True, stream_options={"include_usage": True}
    )
    call = call_of(chat.response.headers)
    chunks = list(chat)
    assert chunks[-1].usage is not None
    assert charged(mandate, call) == (
        chunks[-1].usage.prompt_tokens,
        chunks[-1].usage.completion_tokens,
    )
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    client = mandate.anthropic(KEY)
    with client.messages.stream(model="one", messages=SLOW, max_tokens=50) as stream:
        other = call_of(stream.response.headers)
        message = stream.get_final_message()
    assert message.stop_reason == "end_turn"
    assert charged(mandate, other)[1] == message.usage.output_tokens == 24
    assert mandate.upstream.arrivals(other)[0]["path"] == "/v1/chat/completions"


def test_keep_alives_before_a_slow_first_word_disturb_no_client(mandate: Installation) -> None:
    slow: Any = [{"role": "user", "content": "Think. [[sandbox tokens=4 latency=2500ms]]"}]
    stream = mandate.openai(KEY).chat.completions.create(model="one", messages=slow, stream=True)
    call = call_of(stream.response.headers)
    # the answer's head is there long before its first word
    assert mandate.call(call)["state"] in {"admitted", "running"}
    assert [c.choices[0].finish_reason for c in stream][-1] == "stop"
    client = mandate.anthropic(KEY)
    with client.messages.stream(model="claude", messages=slow, max_tokens=9) as events:
        assert events.get_final_message().stop_reason == "end_turn"
