"""The caller hangs up: a stream is cut upstream and counted, a plain call runs to its end, with a key all run on."""

import http.client
import json
import time
from typing import Any
from uuid import UUID, uuid4

from tests.journeys.installation import Installation, call_of

KEY, TENANT = "j-gone/desk", "j-gone"


def sent(mandate: Installation, words: str) -> http.client.HTTPConnection:
    """A plain call that was sent and whose answer nobody has read."""
    body = {"model": "one", "messages": [{"role": "user", "content": words}], "max_tokens": 50}
    link = http.client.HTTPConnection("127.0.0.1", mandate.running.machine.port)
    given = {"authorization": f"Bearer {mandate.keys[KEY]}", "content-type": "application/json"}
    link.request("POST", "/v1/chat/completions", json.dumps(body), given)
    return link


def hang_up(mandate: Installation, words: str) -> UUID:
    """Send a plain call and close the connection while the model works; the call's id."""
    known = len(mandate.calls_of(TENANT))
    link = sent(mandate, words)
    call = mandate.admitted(TENANT, known)
    until = time.monotonic() + 20
    while not mandate.upstream.arrivals(call):
        assert time.monotonic() < until
        time.sleep(0.05)
    link.close()
    return call


def test_a_stream_is_cut_upstream_and_counted(mandate: Installation) -> None:
    ask: Any = [{"role": "user", "content": "On and on. [[sandbox tokens=400 delay=100ms]]"}]
    stream = mandate.openai(KEY).chat.completions.create(
        model="one", messages=ask, max_tokens=500, stream=True
    )
    call = call_of(stream.response.headers)
    for _, _chunk in zip(range(4), stream, strict=False):
        pass
    stream.close()
    row = mandate.wait_ended(call)
    assert (row["state"], row["code"]) == ("cancelled", "cancelled")
    (attempt,) = mandate.attempts(call)
    assert (attempt["state"], attempt["basis"]) == ("failed", "counted")
    bound = mandate.facts_of(call)["request"]["inputTokensMax"]
    spent = min(bound * 1000 + attempt["tokens_output"] * 10_000, attempt["reserved_nano"])
    assert attempt["posted_nano"] == row["cost_nano"] == spent
    assert mandate.entries(call)[-1] == "call.cancelled"
    assert mandate.ended_upstream(call) == ["gone"]


def test_a_plain_call_that_has_started_runs_to_its_end(mandate: Installation) -> None:
    call = hang_up(mandate, "Are you there? [[sandbox tokens=9 latency=1500ms]]")
    row = mandate.wait_ended(call)
    assert row["state"] == "completed"
    assert mandate.attempts(call)[0]["basis"] == "reported"
    assert mandate.ended_upstream(call) == ["answered"]
    # and its team can read what it paid for
    assert mandate.seen_by(KEY, call).json()["state"] == "completed"


def test_a_call_that_has_not_started_is_cancelled_and_costs_nothing(mandate: Installation) -> None:
    known = len(mandate.calls_of(TENANT))
    posted = mandate.window("month", TENANT)["posted_nano"] if known else 0
    with mandate.no_worker():
        link = sent(mandate, "Never mind. [[sandbox tokens=9]]")
        call = mandate.admitted(TENANT, known)
        link.close()
        row = mandate.wait_ended(call, 5)
    assert row["state"] == "cancelled"
    assert mandate.entries(call) == ["call.admitted", "attempt.voided", "call.cancelled"]
    assert [a["state"] for a in mandate.attempts(call)] == ["voided"]
    window = mandate.window("month", TENANT)
    assert (window["posted_nano"], window["pending_nano"]) == (posted, 0)
    time.sleep(0.5)  # the worker is awake again and finds nothing to do
    assert mandate.upstream.arrivals(call) == []


def test_with_an_idempotency_key_a_stream_runs_on_and_is_replayed(mandate: Installation) -> None:
    ask: Any = [{"role": "user", "content": "Keep it. [[sandbox tokens=20 delay=60ms]]"}]
    same = {"idempotency-key": uuid4().hex}
    client = mandate.openai(KEY)
    stream = client.chat.completions.create(
        model="one", messages=ask, max_tokens=50, stream=True, extra_headers=same
    )
    call = call_of(stream.response.headers)
    next(iter(stream))
    stream.close()
    assert mandate.wait_ended(call)["state"] == "completed"
    again = client.chat.completions.create(
        model="one", messages=ask, max_tokens=50, stream=True, extra_headers=same
    )
    assert call_of(again.response.headers) == call
    assert [c.choices[0].finish_reason for c in again][-1] == "stop"
    assert mandate.ended_upstream(call) == ["answered"]
