"""Held calls with the real clients: a person lets one run, edits an answer, turns one down; the caller gets what was decided."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

import anthropic
import httpx2
import openai
import pytest

from tests.journeys.installation import Installation, call_of

KEY, TENANT = "j-reviews/desk", "j-reviews"


def ask(words: str) -> Any:
    return [{"role": "user", "content": f"What do we pay? [[sandbox say='{words}']]"}]


@contextmanager
def rui(mandate: Installation) -> Iterator[httpx2.Client]:
    """The reviewer, by API alone."""
    token = mandate.facts()["tokens"]["reviewer"]
    headers = {"authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=f"{mandate.url}/api/v1", headers=headers, timeout=30.0) as client:
        yield client


def claimed(mandate: Installation, client: httpx2.Client, call: UUID) -> str:
    """The open case of the call, taken."""
    (row,) = mandate.rows(
        "SELECT id FROM routing_review_case WHERE call = %s AND closed_at IS NULL", call
    )
    review = str(row["id"])
    answer = client.post(f"/reviews/{review}/claim/")
    assert answer.status_code == 200, answer.text
    return review


def held(mandate: Installation, model: str, words: str, **more: Any) -> UUID:
    """Ask with the real client and be told to wait; the call."""
    client = mandate.openai(KEY)
    with pytest.raises(openai.ConflictError) as told:
        client.chat.completions.create(model=model, messages=ask(words), **more)
    error = told.value
    assert error.code == "held_for_review"
    assert error.response.headers["x-should-retry"] == "false"
    call = call_of(error.response.headers)
    assert error.body["poll"] == f"/api/v1/calls/call_{call.hex}/"
    return call


def polled(
    mandate: Installation, call: UUID, seconds: float = 30.0, key: str = KEY
) -> dict[str, Any]:
    """What the caller's own key reads once the call has ended."""
    headers = {"authorization": f"Bearer {mandate.keys[key]}"}
    until = time.monotonic() + seconds
    with httpx2.Client(base_url=mandate.url, headers=headers, timeout=30.0) as client:
        while True:
            told: dict[str, Any] = client.get(f"/api/v1/calls/call_{call.hex}/").json()
            if told["state"] not in {"held", "running", "admitted"}:
                return told
            assert time.monotonic() < until, told
            time.sleep(0.2)


def test_held_before_any_model_it_runs_once_a_person_lets_it(mandate: Installation) -> None:
    call = held(mandate, "first", "we pay 100")
    assert mandate.upstream.arrivals(call) == []
    assert mandate.attempts(call) == []
    with rui(mandate) as client:
        review = claimed(mandate, client, call)
        assert client.post(f"/reviews/{review}/content/").json()["draft"] is None
        done = client.post(f"/reviews/{review}/approve/", json={"version": 0}).json()
    assert done == {"state": "closed", "outcome": "approved"}
    told = polled(mandate, call)
    assert told["state"] == "completed"
    assert told["answer"]["choices"][0]["message"]["content"] == "we pay 100"
    assert len(mandate.upstream.arrivals(call)) == 1
    assert mandate.entries(call) == [
        *("call.admitted", "call.held", "review.claimed", "content.viewed", "review.approved"),
        *("call.released", "attempt.started", "attempt.succeeded", "call.completed"),
    ]


def test_the_callers_own_client_prints_the_edited_text(mandate: Installation) -> None:
    again = {"extra_headers": {"Idempotency-Key": "payout-4471"}}
    call = held(mandate, "payout", "we pay 14200 to Elbrus", **again)
    assert mandate.tables_with("Elbrus") == []
    with rui(mandate) as client:
        review = claimed(mandate, client, call)
        content = client.post(f"/reviews/{review}/content/").json()
        assert content["draft"]["text"] == "we pay 14200 to Elbrus"
        body = {"text": "we pay 9800", "reason": "only the parquet"}
        assert client.post(f"/reviews/{review}/edit/", json=body).json()["outcome"] == "edited"
    answer = mandate.openai(KEY).chat.completions.create(
        model="payout", messages=ask("we pay 14200 to Elbrus"), **again
    )
    assert answer.choices[0].message.content == "we pay 9800"
    assert polled(mandate, call)["answer"]["choices"][0]["message"]["content"] == "we pay 9800"
    assert len(mandate.upstream.arrivals(call)) == 1
    assert mandate.entries(call)[-4:] == [
        *("content.viewed", "review.edited", "call.released", "call.completed"),
    ]


def test_a_failure_waits_for_a_person_who_writes_the_answer(mandate: Installation) -> None:
    client = mandate.openai(KEY)
    said: Any = [{"role": "user", "content": "Anybody there? [[sandbox fail=overloaded]]"}]
    with pytest.raises(openai.ConflictError) as told_to_wait:
        client.chat.completions.create(model="outage", messages=said)
    call = call_of(told_to_wait.value.response.headers)
    assert {row["state"] for row in mandate.attempts(call)} == {"failed"}
    assert [stage for _, stage, *_ in mandate.decisions(call)] == ["request", "failure"]
    with rui(mandate) as desk:
        review = claimed(mandate, desk, call)
        body = {"text": "we call you back", "reason": "the model is down"}
        assert desk.post(f"/reviews/{review}/edit/", json=body).json()["outcome"] == "edited"
    told = polled(mandate, call)
    assert told["state"] == "completed"
    assert told["answer"]["choices"][0]["message"]["content"] == "we call you back"


def test_the_caller_reads_why_it_was_turned_down(mandate: Installation) -> None:
    client = mandate.anthropic(KEY)
    with pytest.raises(anthropic.APIStatusError) as told:
        client.messages.create(model="payout", max_tokens=50, messages=ask("we pay 14200"))
    assert told.value.status_code == 409
    call = call_of(told.value.response.headers)
    with rui(mandate) as reviewer:
        review = claimed(mandate, reviewer, call)
        refused = reviewer.post(f"/reviews/{review}/reject/", json={"reason": ""})
        assert refused.status_code == 400
        reviewer.post(f"/reviews/{review}/reject/", json={"reason": "the report is missing"})
    ended = polled(mandate, call)
    assert (ended["state"], ended["code"]) == ("failed", "review_rejected")
    assert "the report is missing" in ended["answer"]["error"]["message"]


def test_an_open_stream_ends_with_an_error_its_client_raises(mandate: Installation) -> None:
    client = mandate.openai(KEY)
    ask_it = partial(client.chat.completions.create, model="payout", stream=True)
    with pytest.raises(openai.APIError) as told:
        list(ask_it(messages=ask("we pay 14200")))
    assert "14200" not in str(told.value)
    assert told.value.code == "held_for_review"


def test_two_people_must_agree(mandate: Installation) -> None:
    call = held(mandate, "two", "we pay 1")
    with rui(mandate) as client:
        review = claimed(mandate, client, call)
        done = client.post(f"/reviews/{review}/approve/", json={"version": 0}).json()
        assert done == {"state": "counted", "outcome": ""}
        assert client.post(f"/reviews/{review}/claim/").status_code == 409
    assert mandate.call(call)["state"] == "held"


def test_another_tenants_key_reads_nothing_of_it(mandate: Installation) -> None:
    call = held(mandate, "payout", "we pay 14200")
    headers = {"authorization": f"Bearer {mandate.keys['j-other/desk']}"}
    with httpx2.Client(base_url=mandate.url, headers=headers, timeout=30.0) as client:
        assert client.get(f"/api/v1/calls/call_{call.hex}/").status_code == 404
    headers = {"authorization": f"Bearer {mandate.keys[KEY]}"}
    with httpx2.Client(base_url=mandate.url, headers=headers, timeout=30.0) as client:
        told = client.get(f"/api/v1/calls/call_{call.hex}/").json()
        assert "answer" not in told
        cancelled = client.post(f"/api/v1/calls/call_{call.hex}/cancel/")
    assert cancelled.status_code == 200
    assert mandate.call(call)["state"] == "cancelled"
    (row,) = mandate.rows("SELECT outcome FROM routing_review_case WHERE call = %s", call)
    assert row["outcome"] == "cancelled"
