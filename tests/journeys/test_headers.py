"""What callers may say in headers, and what answers say in theirs."""

import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import uuid4

import anthropic
import openai
import pytest

from tests.journeys.installation import Installation, call_of

KEY = "j-headers/desk"


def ask(words: str = "") -> Any:
    return [{"role": "user", "content": f"Hello. [[sandbox tokens=6 {words}]]"}]


def test_an_answer_names_its_call_decision_receipt_model_and_cost(mandate: Installation) -> None:
    raw = mandate.openai(KEY).chat.completions.with_raw_response.create(
        model="one", messages=ask(), max_tokens=9
    )
    headers, call = raw.headers, call_of(raw.headers)
    row = mandate.call(call)
    (decision,) = mandate.rows("SELECT digest FROM policies_decision WHERE call = %s", call)
    (admitted,) = mandate.rows(
        "SELECT id FROM audit_entry WHERE call = %s AND kind = 'call.admitted'", call
    )
    assert headers["x-mandate-call-id"] == f"call_{call.hex}"
    assert headers["x-mandate-decision"] == bytes(decision["digest"]).hex()
    assert headers["x-mandate-revision"] == str(row["revision"])
    assert headers["x-mandate-receipt"] == admitted["id"].hex
    assert headers["x-mandate-model"] == "j-gpt"
    assert headers["x-mandate-reason"] == "first-choice"
    amount, currency = headers["x-mandate-cost"].split(" ")
    assert (Decimal(amount) * 10**9, currency) == (row["cost_nano"], "EUR")
    window = mandate.window("month", "j-headers")
    left, currency = headers["x-mandate-budget-left"].split(" ")
    assert (Decimal(left) * 10**9, currency) == (
        window["limit_nano"] - window["posted_nano"] - window["pending_nano"],
        "EUR",
    )
    # what both SDKs read as the request's id
    assert raw.http_response.headers["x-request-id"] == f"call_{call.hex}"


def test_a_stream_leaves_to_the_api_what_only_its_end_knows(mandate: Installation) -> None:
    stream = mandate.openai(KEY).chat.completions.create(
        model="one", messages=ask("delay=50ms"), stream=True
    )
    headers = stream.response.headers
    call = call_of(headers)
    list(stream)
    assert headers["x-mandate-receipt"]
    assert headers["x-mandate-decision"]
    assert [
        name
        for name in ("model", "reason", "cost", "budget-left")
        if f"x-mandate-{name}" in headers
    ] == []
    seen = mandate.seen_by(KEY, call).json()
    assert Decimal(seen["cost"]) * 10**9 == mandate.call(call)["cost_nano"] > 0


def test_the_callers_deadline_bounds_the_call(mandate: Installation) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        mandate.openai(KEY).chat.completions.create(
            model="own",
            messages=ask("latency=15s"),
            max_tokens=9,
            extra_headers={"x-mandate-deadline-seconds": "1.5"},
        )
    assert (raised.value.status_code, raised.value.code) == (504, "deadline_exceeded")
    call = call_of(raised.value.response.headers)
    row = mandate.wait_ended(call)
    assert (row["state"], row["code"]) == ("failed", "deadline_exceeded")
    assert 1.4 < (row["deadline_at"] - row["admitted_at"]).total_seconds() < 1.6
    # it was sent and nobody knows what it cost: its money stays held
    assert [(a["state"], a["error_class"]) for a in mandate.attempts(call)] == [
        ("unknown", "timeout")
    ]
    assert mandate.ended_upstream(call) == ["gone"]


def test_impatient_callers_do_not_open_a_models_breaker(mandate: Installation) -> None:
    def give_up(_: int) -> int:
        with pytest.raises(openai.APIStatusError) as raised:
            mandate.openai(KEY).chat.completions.create(
                model="own-claude",
                messages=ask("latency=5s"),
                max_tokens=9,
                extra_headers={"x-mandate-deadline-seconds": "1"},
            )
        return raised.value.status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(give_up, range(6))) == {504}
    time.sleep(1.2)  # breakers are shared once a second
    raw = mandate.openai(KEY).chat.completions.with_raw_response.create(
        model="own-claude", messages=ask(), max_tokens=9
    )
    assert raw.headers["x-mandate-model"] == "claude"


@pytest.mark.parametrize("value", ["0", "-1", "601", "soon", "nan"])
def test_a_deadline_that_is_none_is_refused(mandate: Installation, value: str) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        mandate.openai(KEY).chat.completions.create(
            model="one", messages=ask(), extra_headers={"x-mandate-deadline-seconds": value}
        )
    assert f'x-mandate-deadline-seconds is "{value}"' in raised.value.message


@pytest.mark.parametrize("header", ["x-mandate-run", "x-claude-code-session-id"])
def test_calls_of_a_run_are_counted_together(mandate: Installation, header: str) -> None:
    run = {header: uuid4().hex}
    counts, spent, ids = [], Decimal(0), set()
    for _ in range(3):
        raw = mandate.openai(KEY).chat.completions.with_raw_response.create(
            model="one", messages=ask(), max_tokens=9, extra_headers=run
        )
        facts = mandate.facts_of(call_of(raw.headers))["run"]
        ids.add(facts["id"])
        assert Decimal(facts["cost"]) == spent
        counts.append(facts["calls"])
        spent += Decimal(raw.headers["x-mandate-cost"].split(" ")[0])
        assert mandate.call(call_of(raw.headers))["run"] == facts["id"]
    assert counts == [0, 1, 2]
    # a commitment, by which they find each other; whoever knows the name finds them too
    (ref,) = ids
    assert run[header] not in ref
    assert mandate.listed(run=run[header]) == mandate.listed(run=ref)
    assert len(mandate.listed(run=ref)) == 3


def test_declared_data_classes_are_facts(mandate: Installation) -> None:
    raw = mandate.openai(KEY).chat.completions.with_raw_response.create(
        model="one",
        messages=ask(),
        max_tokens=9,
        extra_headers={"x-mandate-data-classes": "personal, public"},
    )
    facts = mandate.facts_of(call_of(raw.headers))
    assert sorted(facts["request"]["dataClasses"]) == ["personal", "public"]


def test_a_data_class_that_nobody_knows_reaches_no_model(mandate: Installation) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        mandate.openai(KEY).chat.completions.create(
            model="one", messages=ask(), extra_headers={"x-mandate-data-classes": "top-secret"}
        )
    assert raised.value.status_code in {400, 403}
    assert "top-secret" in raised.value.message


def test_the_user_is_known_only_by_commitment(mandate: Installation) -> None:
    raw = mandate.anthropic(KEY).messages.with_raw_response.create(
        model="one", messages=ask(), max_tokens=9, metadata={"user_id": "ada-from-claims"}
    )
    call = call_of(raw.headers)
    user = mandate.facts_of(call)["user"]
    assert user["known"] is True
    assert len(user["ref"]) == 64
    (row,) = mandate.rows("SELECT facts FROM policies_decision WHERE call = %s", call)
    assert b"ada-from-claims" not in bytes(row["facts"])
    assert mandate.call(call)["user_ref"] == f"subject/j-headers/user/{user['ref']}"


def test_an_unsupported_wish_names_itself(mandate: Installation) -> None:
    """A processing tier changes the price beyond the documents: refused, in the caller's shape."""
    with pytest.raises(anthropic.BadRequestError) as raised:
        mandate.anthropic(KEY).messages.create(
            model="claude", messages=ask(), max_tokens=9, extra_body={"inference_geo": "us"}
        )
    assert "inference_geo" in raised.value.message
