"""Kill switches: they bind at the next commit, cut running streams within a second, and let finish what cannot be cut."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import anthropic
import openai
import pytest

from tests.journeys.installation import Installation, call_of

KEY, HALTED = "j-stopped/desk", "j-halted/desk"
ASK: Any = [{"role": "user", "content": "Still there? [[sandbox tokens=5]]"}]
LONG: Any = [{"role": "user", "content": "Forever. [[sandbox tokens=600 delay=100ms]]"}]


def stop(mandate: Installation, *scope: str) -> str:
    made = mandate.operate("stop", "set", *scope, "--reason", "a journey", "--json")
    return str(json.loads(made)["id"])


@contextmanager
def stopped(mandate: Installation, *scope: str) -> Iterator[None]:
    """While something is stopped."""
    row = stop(mandate, *scope)
    try:
        yield
    finally:
        mandate.operate("stop", "lift", row)


def refused(mandate: Installation, key: str, route: str, words: str) -> None:
    """A call is denied with these words, in both dialects, and nothing goes upstream."""
    with pytest.raises(openai.PermissionDeniedError) as raised:
        mandate.openai(key).chat.completions.create(model=route, messages=ASK, max_tokens=9)
    assert words in raised.value.message
    headers = raised.value.response.headers
    assert headers["x-should-retry"] == "false"
    call = call_of(headers)
    assert mandate.entries(call) == ["call.denied"]
    assert mandate.upstream.arrivals(call) == []
    with pytest.raises(anthropic.PermissionDeniedError):
        mandate.anthropic(key).messages.create(model=route, messages=ASK, max_tokens=9)


def answers(mandate: Installation, key: str, route: str) -> UUID:
    raw = mandate.openai(key).chat.completions.with_raw_response.create(
        model=route, messages=ASK, max_tokens=9
    )
    return call_of(raw.headers)


def test_a_stopped_model_is_not_called_and_lifted_it_is(mandate: Installation) -> None:
    with stopped(mandate, "model", "gpt", "--tenant", "j-stopped"):
        refused(mandate, KEY, "own", "is stopped")
        # the next model of a route stands in for it, and the record says why
        call = answers(mandate, KEY, "own-both")
        assert [a["model"] for a in mandate.attempts(call)] == ["claude"]
    assert [a["model"] for a in mandate.attempts(answers(mandate, KEY, "own"))] == ["gpt"]


@pytest.mark.parametrize(
    "scope",
    [
        ("tenant", "j-halted"),
        ("route", "one", "--tenant", "j-halted"),
        ("key", ""),
        ("everything",),
    ],
)
def test_a_stopped_scope(mandate: Installation, scope: tuple[str, ...]) -> None:
    named = ("key", mandate.key_id(HALTED), "--tenant", "j-halted") if scope[0] == "key" else scope
    with stopped(mandate, *named):
        refused(mandate, HALTED, "one", "is stopped")
        if scope[0] != "everything":
            answers(mandate, KEY, "own")
    answers(mandate, HALTED, "one")


def test_a_stop_cuts_a_running_stream(mandate: Installation) -> None:
    stream = mandate.openai(KEY).chat.completions.create(
        model="own", messages=LONG, max_tokens=700, stream=True
    )
    call = call_of(stream.response.headers)
    heard, ended = [], threading.Event()
    first = next(iter(stream))
    heard.append(first.choices[0].delta.content or "")

    def listen() -> None:
        try:
            heard.extend(chunk.choices[0].delta.content or "" for chunk in stream)
        except openai.APIError as error:
            heard.append(str(error))
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    time.sleep(0.5)
    with stopped(mandate, "model", "gpt", "--tenant", "j-stopped"):
        assert ended.wait(30)  # by itself it goes on for a minute
    assert "an administrator stopped this while it ran" in heard[-1]
    row = mandate.wait_ended(call)
    assert (row["state"], row["code"]) == ("failed", "stopped")
    (attempt,) = mandate.attempts(call)
    assert (attempt["state"], attempt["basis"]) == ("failed", "counted")
    assert attempt["tokens_output"] >= len("".join(heard[:-1]).encode()) > 0
    assert mandate.entries(call)[-2:] == ["attempt.failed", "call.failed"]
    assert mandate.ended_upstream(call) == ["gone"]


def test_a_started_plain_call_runs_to_its_end(mandate: Installation) -> None:
    slow: Any = [{"role": "user", "content": "Hold on. [[sandbox tokens=5 latency=2500ms]]"}]
    got: list[str] = []

    def ask() -> None:
        answer = mandate.openai(KEY).chat.completions.create(
            model="own", messages=slow, max_tokens=9
        )
        got.append(answer.choices[0].finish_reason)

    caller = threading.Thread(target=ask, daemon=True)
    known = len(mandate.calls_of("j-stopped"))
    caller.start()
    until = time.monotonic() + 30
    while len(found := mandate.calls_of("j-stopped")) == known or not mandate.upstream.arrivals(
        found[-1]["id"]
    ):
        assert time.monotonic() < until
        time.sleep(0.05)
    with stopped(mandate, "model", "gpt", "--tenant", "j-stopped"):
        caller.join(30)
    assert got == ["stop"]
    assert mandate.wait_ended(found[-1]["id"])["state"] == "completed"
