"""A rate limit that is full: the caller's client raises its own error, and nothing happened."""

import anthropic
import openai
import pytest

from tests.journeys.installation import Installation

KEY = "j-slow/desk"
ASKED = [{"role": "user", "content": "A tree fell on the shed."}]


def test_the_third_call_of_a_minute_is_told_when_to_come_back(mandate: Installation) -> None:
    client = mandate.openai(KEY)
    for _ in range(2):
        client.chat.completions.create(model="one", messages=ASKED, max_tokens=20)
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="one", messages=ASKED, max_tokens=20)
    assert "two-a-minute" in str(caught.value)
    assert caught.value.body["rules"] == ["j-slow/two-a-minute"]
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60
    with pytest.raises(anthropic.RateLimitError):
        mandate.anthropic(KEY).messages.create(model="claude", messages=ASKED, max_tokens=20)
    ended = mandate.calls_of("j-slow")
    assert [(call["state"], call["code"]) for call in ended] == [
        ("completed", ""), ("completed", ""), ("denied", "rate_limited"), ("denied", "rate_limited"),
    ]  # fmt: skip
    for call in ended[2:]:
        assert mandate.attempts(call["id"]) == []
        assert mandate.upstream.arrivals(call["id"]) == []
        assert mandate.entries(call["id"]) == ["call.denied"]
