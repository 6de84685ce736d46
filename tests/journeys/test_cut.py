"""The upstream breaks off: the SDK raises, and what came before is charged, counted."""

from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.journeys.installation import Installation, call_of

KEY = "j-cut/desk"
ENTRIES = ["call.admitted", "attempt.started", "attempt.failed", "call.failed"]


def ask(words: str) -> Any:
    return [
        {"role": "user", "content": f"Go on. [[sandbox tokens=24 chunks=6 delay=40ms {words}]]"}
    ]


def counted(mandate: Installation, call: Any, output: str) -> None:
    """Input bound and each byte of output at their prices, at most what was reserved."""
    row = mandate.wait_ended(call)
    (attempt,) = mandate.attempts(call)
    assert (attempt["state"], attempt["basis"]) == ("failed", "counted")
    bound = mandate.facts_of(call)["request"]["inputTokensMax"]
    assert attempt["tokens_input"] == bound
    assert attempt["tokens_output"] == len(output.encode()) > 0
    whole = bound * 1000 + attempt["tokens_output"] * 10_000
    assert attempt["posted_nano"] == row["cost_nano"] == min(whole, attempt["reserved_nano"])
    assert mandate.entries(call) == ENTRIES


@pytest.mark.parametrize("how", ["cut=after:3", "error=after:3"])
def test_openai_stream_that_is_cut(mandate: Installation, how: str) -> None:
    stream = mandate.openai(KEY).chat.completions.create(
        model="own-both", messages=ask(how), max_tokens=200, stream=True
    )
    call, heard = call_of(stream.response.headers), []
    with pytest.raises(openai.APIError):
        heard.extend(c.choices[0].delta.content or "" for c in stream)
    counted(mandate, call, "".join(heard))
    assert len(mandate.upstream.arrivals(call)) == 1


def test_anthropic_stream_that_is_cut(mandate: Installation) -> None:
    heard: list[str] = []
    client = mandate.anthropic(KEY)
    with client.messages.stream(
        model="own-claude", messages=ask("cut=after:3"), max_tokens=200
    ) as stream:
        call = call_of(stream.response.headers)
        with pytest.raises(anthropic.APIStatusError):
            heard.extend(stream.text_stream)
    counted(mandate, call, "".join(heard))


def test_a_plain_answer_that_is_cut_is_unknown_and_tried_no_more(mandate: Installation) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        mandate.openai(KEY).chat.completions.create(
            model="own", messages=ask("cut=after:3"), max_tokens=200
        )
    call = call_of(raised.value.response.headers)
    (attempt,) = mandate.attempts(call)
    # it may have been billed: its money stays held until somebody knows
    assert (attempt["state"], attempt["posted_nano"]) == ("unknown", 0)
    assert mandate.entries(call) == [
        "call.admitted",
        "attempt.started",
        "attempt.unknown",
        "call.failed",
    ]


def test_the_caller_hears_an_error_and_not_a_broken_connection(mandate: Installation) -> None:
    stream = mandate.openai(KEY).chat.completions.create(
        model="own", messages=ask("cut=after:3"), max_tokens=200, stream=True
    )
    with pytest.raises(openai.APIError) as raised:
        list(stream)
    assert not isinstance(raised.value.__cause__, httpx2.HTTPError)
    assert "server_error" in str(raised.value)
