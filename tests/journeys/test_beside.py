"""A route that asks a model beside: the caller notices nothing, and a call of its own says what that model would have said."""

import time
from decimal import Decimal
from typing import Any
from uuid import UUID

import openai
import pytest

from tests.journeys.installation import Installation, call_of
from tests.journeys.test_background import call_named
from tests.journeys.test_reviews import claimed, rui

KEY = "j-beside/desk"
WORDS = "Quittenmus im Keller"
SLOW = "[[sandbox model=j-claude-upstream latency=1500ms]]"
COMPARE = "from routing.tasks import compare_beside; compare_beside()"


def asked(say: str, more: str = "") -> list[Any]:
    return [{"role": "user", "content": f'{WORDS} [[sandbox say="{say}"]] {more}'}]


def beside(mandate: Installation, of: UUID) -> UUID:
    """The shadow run of a call, once it has ended."""
    until = time.monotonic() + 30
    query = "SELECT call FROM routing_beside WHERE of = %s"
    while not (found := mandate.rows(query, of)):
        assert time.monotonic() < until
        time.sleep(0.05)
    (row,) = found
    mandate.wait_ended(row["call"])
    call: UUID = row["call"]
    return call


def words(mandate: Installation, *runs: UUID) -> list[str]:
    """The verdicts, after the job that beat rings each minute."""
    mandate.operate("shell", "-v", "0", "-c", COMPARE)
    query = "SELECT verdict FROM routing_beside_verdict WHERE call = %s"
    return [row["verdict"] for run in runs for row in mandate.rows(query, run)]


def test_the_callers_answer_is_its_own_and_another_models_is_compared(
    mandate: Installation,
) -> None:
    client = mandate.openai(KEY)
    told = client.chat.completions.with_raw_response.create(
        model="watched", messages=asked("motor", SLOW), max_tokens=50
    )
    assert told.parse().choices[0].message.content == "motor"
    of = call_of(told.headers)
    run = beside(mandate, of)
    first, second = mandate.call(of), mandate.call(run)
    # nobody waited for it: it began when the caller's call was over
    assert first["finished_at"] <= second["admitted_at"] < second["finished_at"]
    for name in ("tenant", "team", "key", "route", "user_ref", "dialect"):
        assert first[name] == second[name]
    assert (second["state"], second["run"], second["reply_to"]) == ("completed", None, None)
    assert [(one["model"], one["state"]) for one in mandate.attempts(of)] == [
        ("j-gpt", "succeeded")
    ]
    assert [(one["model"], one["state"]) for one in mandate.attempts(run)] == [
        ("j-claude", "succeeded")
    ]
    assert (len(mandate.upstream.arrivals(of)), len(mandate.upstream.arrivals(run))) == (1, 1)
    assert second["cost_nano"] > 0
    assert mandate.facts_of(run)["shadow"] == {"of": of.hex, "model": "j-claude"}
    assert mandate.decided_again(run)["identical"] is True
    streamed = client.chat.completions.with_raw_response.create(
        model="watched", messages=asked("pear", SLOW.replace("latency=1500ms", "say=apple")),
        max_tokens=50, stream=True,
    )  # fmt: skip
    other = call_of(streamed.headers)
    assert "".join(part.choices[0].delta.content or "" for part in streamed.parse()) == "pear"
    last = beside(mandate, other)
    assert words(mandate, run, last) == ["agreed", "differed"]
    assert mandate.entries(run) == [
        "call.admitted", "attempt.started", "attempt.succeeded", "call.completed", "beside.compared",
    ]  # fmt: skip
    # its answer reaches no caller, not even the team's own key; and no word of it stands anywhere in the clear
    seen = mandate.seen_by(KEY, run).json()
    assert seen["shadowOf"] == f"call_{of.hex}"
    assert "answer" not in seen
    (told_of,) = mandate.seen_by(KEY, of).json()["askedBeside"]
    assert Decimal(told_of.pop("cost")) == Decimal(second["cost_nano"]) / 10**9
    assert told_of == {
        "call": f"call_{run.hex}",
        "model": "j-claude",
        "verdict": "agreed",
        "state": "completed",
    }
    assert mandate.tables_with(WORDS) == []
    assert f"call_{run.hex}" in mandate.listed(tenant="j-beside", shadow="only")
    assert f"call_{run.hex}" not in mandate.listed(tenant="j-beside", shadow="without")


def test_what_is_forbidden_to_the_call_is_not_sent_beside_it(mandate: Installation) -> None:
    told = mandate.openai(KEY).chat.completions.with_raw_response.create(
        model="barred", messages=asked("motor"), max_tokens=50
    )
    run = beside(mandate, call_of(told.headers))
    assert (mandate.call(run)["state"], mandate.call(run)["code"]) == ("denied", "forbidden")
    assert (mandate.entries(run), mandate.attempts(run)) == (["call.denied"], [])
    assert mandate.upstream.arrivals(run) == []


def waiting(mandate: Installation, of: UUID) -> bool:
    """Whether something is still to be asked beside a call."""
    return bool(mandate.rows("SELECT 1 FROM routing_beside_due WHERE call = %s", of))


def test_a_call_in_the_background_is_asked_beside_once_it_has_ended(mandate: Installation) -> None:
    client = mandate.openai(KEY)
    text = f'{WORDS} [[sandbox say="plum"]] [[sandbox model=j-gpt-upstream latency=1500ms]]'
    first = client.responses.create(
        model="watched", input=text, background=True, max_output_tokens=30
    )
    of = call_named(first.id)
    until = time.monotonic() + 10
    while not waiting(mandate, of):
        assert time.monotonic() < until
        time.sleep(0.02)
    run = beside(mandate, of)
    told, own = mandate.call(of), mandate.call(run)
    assert told["finished_at"] <= own["admitted_at"]
    assert (told["state"], own["state"], own["dialect"]) == (
        "completed",
        "completed",
        "openai.responses",
    )
    assert client.responses.retrieve(first.id).output_text == "plum"
    assert words(mandate, run) == ["agreed"]
    assert not waiting(mandate, of)
    # it is nobody's to come back to
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(f"resp_{run.hex}")


def held(mandate: Installation, route: str) -> UUID:
    with pytest.raises(openai.ConflictError) as told:
        mandate.openai(KEY).chat.completions.create(
            model=route, messages=asked("we pay 14200"), max_tokens=50
        )
    return call_of(told.value.response.headers)


def test_a_held_call_is_asked_beside_once_a_person_has_let_its_answer_go(
    mandate: Installation,
) -> None:
    of = held(mandate, "looked")
    with rui(mandate) as client:
        review = claimed(mandate, client, of)
        assert waiting(mandate, of)
        client.post(f"/reviews/{review}/content/").raise_for_status()
        body = {"text": "we pay 9800", "reason": "only the parquet"}
        client.post(f"/reviews/{review}/edit/", json=body).raise_for_status()
    run = beside(mandate, of)
    # it said what the model said, and the caller got what the person wrote
    assert words(mandate, run) == ["differed"]
    assert mandate.call(run)["state"] == "completed"


def test_a_call_that_a_person_must_open_first_is_not(mandate: Installation) -> None:
    of = held(mandate, "opened")
    with rui(mandate) as client:
        review = claimed(mandate, client, of)
        assert waiting(mandate, of)
        client.post(f"/reviews/{review}/content/").raise_for_status()
        client.post(f"/reviews/{review}/approve/", json={"version": 0}).raise_for_status()
    mandate.wait_ended(of)
    until = time.monotonic() + 20
    while waiting(mandate, of):
        assert time.monotonic() < until
        time.sleep(0.1)
    time.sleep(1)
    assert mandate.rows("SELECT 1 FROM routing_beside WHERE of = %s", of) == []
