"""A route that asks a model beside: the caller notices nothing, and a call of its own says what that model would have said."""

import time
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.journeys.installation import Installation, call_of

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
