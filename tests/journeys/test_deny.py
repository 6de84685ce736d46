"""A denied call: the caller learns which rule and who owns it; nothing happened upstream, in the vault or to money."""

from typing import Any
from uuid import UUID

import anthropic
import openai
import pytest

from tests.journeys.installation import Installation, call_of

ASK: Any = [{"role": "user", "content": "Her birthday is the 7th."}]
PERSONAL = {"x-mandate-data-classes": "personal"}
KEY = "j-deny/desk"


def nothing_happened(mandate: Installation, call: UUID, code: str) -> None:
    """The record of the denial is all there is."""
    row = mandate.call(call)
    assert (row["state"], row["code"], row["cost_nano"]) == ("denied", code, 0)
    assert mandate.entries(call) == ["call.denied"]
    assert mandate.attempts(call) == []
    assert mandate.rows("SELECT field FROM vault_content WHERE call = %s", call) == []
    assert mandate.rows("SELECT call FROM routing_posting WHERE call = %s", call) == []
    assert mandate.upstream.arrivals(call) == []
    (decision,) = mandate.rows("SELECT * FROM policies_decision WHERE call = %s", call)
    assert decision["effect"] == "deny"
    assert mandate.told(call)[0]["data"]["decision"] == bytes(decision["digest"]).hex()


def test_openai_client_learns_the_rule_in_words_and_its_owner(mandate: Installation) -> None:
    with pytest.raises(openai.PermissionDeniedError) as raised:
        mandate.openai(KEY).chat.completions.create(
            model="one", messages=ASK, extra_headers=PERSONAL
        )
    error = raised.value
    assert error.status_code == 403
    assert error.type == "permission_error"
    assert "personal data stays at this desk" in error.message
    assert "no-personal" in error.message
    assert "cleo@acme.example" in error.message
    headers = error.response.headers
    assert headers["x-should-retry"] == "false"
    call = call_of(headers)
    nothing_happened(mandate, call, "forbidden")
    assert mandate.told(call)[0]["data"]["rules"] == ["no-personal"]


def test_anthropic_client_learns_the_same(mandate: Installation) -> None:
    with pytest.raises(anthropic.PermissionDeniedError) as raised:
        mandate.anthropic(KEY).messages.create(
            model="one", messages=ASK, max_tokens=20, extra_headers=PERSONAL
        )
    error: Any = raised.value
    assert error.body["error"]["type"] == "permission_error"
    assert error.body["error"]["details"]["rules"] == ["no-personal"]
    assert error.body["error"]["details"]["owner"] == "cleo@acme.example"
    assert error.response.headers["x-should-retry"] == "false"
    nothing_happened(mandate, call_of(error.response.headers), "forbidden")


def test_a_stream_is_denied_before_it_opens(mandate: Installation) -> None:
    with pytest.raises(openai.PermissionDeniedError) as raised:
        mandate.openai(KEY).chat.completions.create(
            model="one", messages=ASK, stream=True, extra_headers=PERSONAL
        )
    nothing_happened(mandate, call_of(raised.value.response.headers), "forbidden")


def test_no_model_with_clearance_is_a_denial_that_says_so(mandate: Installation) -> None:
    with pytest.raises(openai.PermissionDeniedError) as raised:
        mandate.openai(KEY).chat.completions.create(
            model="both", messages=ASK, extra_headers={"x-mandate-data-classes": "health"}
        )
    assert "j-gpt has no clearance for health data" in raised.value.message
    nothing_happened(mandate, call_of(raised.value.response.headers), "clearance")


def test_a_use_case_whose_validation_ended_is_a_denial(mandate: Installation) -> None:
    with pytest.raises(openai.PermissionDeniedError) as raised:
        mandate.openai(KEY).chat.completions.create(model="lapsed", messages=ASK)
    assert 'the validation of the use case "lapsed" ended on 2026-01-31' in raised.value.message
    nothing_happened(mandate, call_of(raised.value.response.headers), "use-case")


def test_the_team_reads_its_denied_call(mandate: Installation) -> None:
    with pytest.raises(openai.PermissionDeniedError) as raised:
        mandate.openai(KEY).chat.completions.create(
            model="one", messages=ASK, extra_headers=PERSONAL
        )
    call = call_of(raised.value.response.headers)
    seen = mandate.seen_by(KEY, call).json()
    assert (seen["state"], seen["attempts"], seen["paid"]) == ("denied", [], [])
    assert "answer" not in seen
