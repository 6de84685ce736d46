"""The caller hangs up: a stream is cut upstream and counted, a plain call runs to its end, with a key all run on."""

import http.client
import json
import time
from typing import Any
from uuid import UUID, uuid4

from tests.journeys.installation import Installation, call_of

KEY, TENANT = "j-gone/desk", "j-gone"


def hang_up(mandate: Installation, words: str, headers: dict[str, str] | None = None) -> UUID:
    """Send a plain call and close the connection while the model works; the call's id."""
    known = {row["id"] for row in mandate.calls_of(TENANT)}
    body = {"model": "one", "messages": [{"role": "user", "content": words}], "max_tokens": 50}
    link = http.client.HTTPConnection("127.0.0.1", mandate.running.machine.port)
    given = {"authorization": f"Bearer {mandate.keys[KEY]}", "content-type": "application/json"}
    link.request("POST", "/v1/chat/completions", json.dumps(body), given | (headers or {}))
    until = time.monotonic() + 20
    while True:
        new = [row for row in mandate.calls_of(TENANT) if row["id"] not in known]
        if new and mandate.upstream.arrivals(new[0]["id"]):
            break
        assert time.monotonic() < until
        time.sleep(0.05)
    link.close()
    return new[0]["id"]


def test_a_stream_is_cut_upstream_and_counted(mandate: Installation) -> None:
    ask: Any = [{"role": "user", "content": "On and on. [[sandbox tokens=400 delay=100ms]]"}]
    stream = mandate.openai(KEY).chat.completions.create(
        model="one", messages=ask, max_tokens=500, stream=True
    )
    call = call_of(stream.response.headers)
    for _, _chunk in zip(range(4), stream, strict=False):
        pass
    stream.close()
    began = time.monotonic()
    row = mandate.wait_ended(call, 10)
    assert time.monotonic() - began < 5
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
