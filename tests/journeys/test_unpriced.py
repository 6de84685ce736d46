"""No price is known: what nobody can budget is not called, and the denial names the model."""

from typing import Any

import openai
import pytest

from tests.journeys.installation import Installation, call_of

KEY = "j-unpriced/desk"
ASK: Any = [{"role": "user", "content": "How much is it? [[sandbox tokens=5]]"}]


@pytest.mark.parametrize("route", ["later", "foreign"])
def test_a_model_without_a_price_or_a_rate_is_denied(mandate: Installation, route: str) -> None:
    with pytest.raises(openai.PermissionDeniedError) as raised:
        mandate.openai(KEY).chat.completions.create(model=route, messages=ASK)
    assert f"no price of j-unpriced/{route} is known for 20" in raised.value.message
    call = call_of(raised.value.response.headers)
    assert mandate.call(call)["code"] == "price"
    assert mandate.entries(call) == ["call.denied"]
    assert mandate.upstream.arrivals(call) == []
    assert mandate.attempts(call) == []


def test_the_next_model_of_the_route_stands_in(mandate: Installation) -> None:
    raw = mandate.openai(KEY).chat.completions.with_raw_response.create(
        model="spare", messages=ASK, max_tokens=9
    )
    assert raw.headers["x-mandate-model"] == "j-gpt"
