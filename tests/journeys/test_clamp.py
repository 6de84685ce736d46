"""Too little money for the whole answer: the call is made with a shorter one, and the record says so."""

from typing import Any

import openai
import pytest

from tests.journeys.installation import Installation, call_of

ASK: Any = [{"role": "user", "content": "Tell it at length. [[sandbox tokens=3000]]"}]


def test_an_answer_as_long_as_the_money_lasts(mandate: Installation) -> None:
    client = mandate.openai("j-clamp/desk")
    raw = client.chat.completions.with_raw_response.create(
        model="one", messages=ASK, max_tokens=3000
    )
    answer, call = raw.parse(), call_of(raw.headers)
    assert answer.usage is not None
    # 0.01 EUR buys fewer than 1,000 tokens at 10 EUR a million
    assert 500 < answer.usage.completion_tokens < 1000
    assert answer.choices[0].finish_reason == "length"
    facts = mandate.facts_of(call)
    assert facts["clamp"] == answer.usage.completion_tokens
    shorter = f"clamped to {facts['clamp']} output tokens: no more money is left in a budget"
    assert raw.headers["x-mandate-reason"] == f"first-choice; {shorter}"
    (arrival,) = mandate.upstream.arrivals(call)
    assert mandate.sent(arrival)["max_tokens"] == facts["clamp"]
    (decision,) = mandate.rows("SELECT * FROM policies_decision WHERE call = %s", call)
    assert raw.headers["x-mandate-decision"] == bytes(decision["digest"]).hex()
    window = mandate.window("month", "j-clamp")
    assert window["pending_nano"] == 0
    assert window["posted_nano"] == mandate.call(call)["cost_nano"] <= 10_000_000

    # what is left is worth no answer: refused, and nothing goes upstream
    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(model="one", messages=ASK, max_tokens=3000)
    denied = call_of(raised.value.response.headers)
    assert mandate.entries(denied) == ["call.denied"]
    assert mandate.upstream.arrivals(denied) == []
    assert mandate.window("month", "j-clamp")["posted_nano"] == window["posted_nano"]
