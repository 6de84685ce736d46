"""The first model fails: another one answers, across vendors, and both attempts stand in the record."""

from typing import Any

import openai
import pytest

from tests.journeys.installation import Installation, call_of

KEY = "j-fallback/desk"
BOTH = [
    "call.admitted",
    "attempt.started",
    "attempt.failed",
    "attempt.started",
    "attempt.succeeded",
    "call.completed",
]


def ask(words: str) -> Any:
    return [{"role": "user", "content": f"A tree fell on the shed. [[sandbox {words}]]"}]


def test_chat_falls_back_to_claude_and_both_attempts_are_logged(mandate: Installation) -> None:
    raw = mandate.openai(KEY).chat.completions.with_raw_response.create(
        model="own-both",
        messages=ask("model=gpt-upstream status=400 fail=refused_account status=401"),
        max_tokens=40,
    )
    answer, call = raw.parse(), call_of(raw.headers)
    assert answer.choices[0].message.content
    assert answer.id == f"chatcmpl-{call.hex}"
    first, second = mandate.attempts(call)
    assert (first["model"], first["state"], first["error_class"], first["posted_nano"]) == (
        "gpt",
        "failed",
        "refused_account",
        0,
    )
    assert (second["model"], second["state"]) == ("claude", "succeeded")
    assert mandate.call(call)["cost_nano"] == second["posted_nano"] > 0
    # what the account refused is not tried again there: one arrival each
    assert [a["path"] for a in mandate.upstream.arrivals(call)] == [
        "/v1/chat/completions",
        "/v1/messages",
    ]
    assert mandate.entries(call) == BOTH
    assert raw.headers["x-mandate-model"] == "claude"
    assert raw.headers["x-mandate-reason"].startswith("after-failure")


def test_an_overloaded_model_is_tried_again_first(mandate: Installation) -> None:
    raw = mandate.openai(KEY).chat.completions.with_raw_response.create(
        model="own-both", messages=ask("fail=overloaded times=1"), max_tokens=40
    )
    call = call_of(raw.headers)
    assert [(a["model"], a["state"]) for a in mandate.attempts(call)] == [
        ("gpt", "failed"),
        ("gpt", "succeeded"),
    ]
    assert mandate.entries(call) == BOTH


def test_a_streamed_call_falls_back_while_nothing_was_relayed(mandate: Installation) -> None:
    stream = mandate.openai(KEY).chat.completions.create(
        model="own-both",
        messages=ask("model=gpt-upstream fail=refused_account"),
        max_tokens=40,
        stream=True,
        stream_options={"include_usage": True},
    )
    call = call_of(stream.response.headers)
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert chunks[-1].usage is not None
    assert [a["model"] for a in mandate.attempts(call)] == ["gpt", "claude"]
    assert mandate.entries(call) == BOTH


def test_a_refused_request_is_no_reason_to_fall_back(mandate: Installation) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        mandate.openai(KEY).chat.completions.create(
            model="own-both", messages=ask("fail=refused_request"), max_tokens=40
        )
    call = call_of(raised.value.response.headers)
    assert "the sandbox was told to fail" in raised.value.message
    assert raised.value.response.headers["x-should-retry"] == "false"
    assert [a["error_class"] for a in mandate.attempts(call)] == ["refused_request"]
    assert mandate.entries(call) == [*BOTH[:3], "call.failed"]


def test_no_model_answers(mandate: Installation) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        mandate.openai(KEY).chat.completions.create(
            model="own-both", messages=ask("fail=server_error"), max_tokens=40
        )
    error = raised.value
    assert error.status_code == 502
    call = call_of(error.response.headers)
    assert [(a["model"], a["state"]) for a in mandate.attempts(call)] == [
        ("gpt", "failed"),
        ("gpt", "failed"),
        ("claude", "failed"),
        ("claude", "failed"),
    ]
    row = mandate.call(call)
    assert (row["state"], row["code"], row["cost_nano"]) == ("failed", "server_error", 0)
    assert mandate.entries(call)[-1] == "call.failed"


def test_no_money_is_left_for_the_second_model(mandate: Installation) -> None:
    # the first attempt may have been billed and keeps its money; the budget holds for one and a half
    with pytest.raises(openai.RateLimitError) as raised:
        mandate.openai("j-dear/desk").chat.completions.create(
            model="own-both", messages=ask("cut=after:3 tokens=60"), max_tokens=300
        )
    error = raised.value
    assert error.code == "insufficient_quota"
    assert error.response.headers["x-should-retry"] == "false"
    call = call_of(error.response.headers)
    assert [(a["model"], a["state"]) for a in mandate.attempts(call)] == [("gpt", "unknown")]
    assert mandate.call(call)["code"] == "no_headroom"
    assert mandate.entries(call) == [
        "call.admitted",
        "attempt.started",
        "attempt.unknown",
        "call.failed",
    ]
