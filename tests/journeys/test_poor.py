"""No money for the call as it was asked: a cheaper model, or a person and a dated raise; never over the limit."""

from pathlib import Path
from typing import Any
from uuid import UUID

import openai
import pytest

from tests.journeys.installation import Installation, call_of
from tests.journeys.test_reviews import claimed, polled, rui

RAISE = """\
apiVersion: mandate/v1
kind: Exception
metadata: {name: more-this-once, tenant: j-poor}
spec: {budget: month, raiseBy: "1.00", reason: "A storm: more claims than ever", expiresOn: 2090-12-31}
"""


def ask(words: str) -> Any:
    return [{"role": "user", "content": f"Tell it. [[sandbox {words}]]"}]


def approved(mandate: Installation, call: UUID) -> None:
    """Rui lets it go on."""
    with rui(mandate) as desk:
        review = claimed(mandate, desk, call)
        done = desk.post(f"/reviews/{review}/approve/", json={"version": 0}).json()
    assert done == {"state": "closed", "outcome": "approved"}


def test_a_cheaper_model_of_the_route_answers(mandate: Installation) -> None:
    client = mandate.openai("j-cheaper/desk")
    raw = client.chat.completions.with_raw_response.create(
        model="best", messages=ask("tokens=10"), max_tokens=1000
    )
    call = call_of(raw.headers)
    assert raw.headers["x-mandate-model"] == "j-gpt"
    assert mandate.facts_of(call)["exclude"] == ["j-cheaper/big"]
    (attempt,) = mandate.attempts(call)
    assert (attempt["model"], attempt["reserved_nano"] <= 20_000_000) == ("j-gpt", True)
    # a route without a cheaper one is refused, and nothing goes upstream
    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(model="big", messages=ask("tokens=10"), max_tokens=1000)
    denied = call_of(raised.value.response.headers)
    assert mandate.entries(denied) == ["call.denied"]
    assert mandate.upstream.arrivals(denied) == []


def test_a_person_looks_and_a_dated_raise_lets_it_through(
    mandate: Installation, tmp_path: Path
) -> None:
    client = mandate.openai("j-poor/desk")
    calls = []
    for _ in range(2):
        with pytest.raises(openai.ConflictError) as told:
            client.chat.completions.create(model="one", messages=ask("say=yes"), max_tokens=1000)
        assert told.value.code == "held_for_review"
        calls.append(call_of(told.value.response.headers))
    early, late = calls
    assert mandate.facts_of(early)["exhausted"] == ["j-poor/month"]
    assert [e["data"].get("rules") for e in mandate.told(early)] == [None, ["j-poor/month"]]
    assert mandate.attempts(early) == []

    # a yes alone makes no money: it fails, and nothing goes upstream
    approved(mandate, early)
    assert polled(mandate, early, key="j-poor/desk")["code"] == "no_headroom"
    assert mandate.upstream.arrivals(early) == []
    assert mandate.attempts(early) == []

    (tmp_path / "raise.yaml").write_text(RAISE)
    mandate.apply(tmp_path)
    approved(mandate, late)
    done = polled(mandate, late, key="j-poor/desk")
    assert (done["state"], done["answer"]["choices"][0]["message"]["content"]) == (
        "completed",
        "yes",
    )
    window = mandate.window("month", "j-poor")
    assert (window["limit_nano"], window["pending_nano"]) == (1_003_000_000, 0)
    assert window["posted_nano"] == mandate.call(late)["cost_nano"]
    assert mandate.entries(late)[:3] == ["call.admitted", "call.held", "review.claimed"]
