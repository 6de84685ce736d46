"""The same Idempotency-Key: one call, one arrival upstream, one charge, however often and from wherever it is asked."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import anthropic
import openai
import pytest

from tests.journeys.installation import Installation, call_of

KEY = "j-again/desk"


def ask(words: str) -> Any:
    return [{"role": "user", "content": f"Once more. [[sandbox tokens=12 {words}]]"}]


def test_the_same_answer_and_one_arrival(mandate: Installation) -> None:
    same = {"idempotency-key": uuid4().hex}
    client = mandate.openai(KEY)
    first, second = (
        client.chat.completions.with_raw_response.create(
            model="one", messages=ask(""), max_tokens=30, extra_headers=same
        )
        for _ in range(2)
    )
    call = call_of(first.headers)
    assert call_of(second.headers) == call
    assert second.http_response.content == first.http_response.content
    for name in ("x-mandate-model", "x-mandate-cost"):
        assert second.headers[name] == first.headers[name]
    assert len(mandate.upstream.arrivals(call)) == 1
    assert len(mandate.attempts(call)) == 1


def test_two_at_once_are_one_call(mandate: Installation) -> None:
    same = {"idempotency-key": uuid4().hex}
    gate = threading.Barrier(4)

    def one(_: int) -> tuple[Any, bytes]:
        gate.wait()
        raw = mandate.openai(KEY).chat.completions.with_raw_response.create(
            model="one", messages=ask("latency=800ms"), max_tokens=30, extra_headers=same
        )
        return call_of(raw.headers), raw.http_response.content

    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(one, range(4)))
    ((call, _),) = answers
    assert len(mandate.upstream.arrivals(call)) == 1


@pytest.mark.parametrize("route", ["one", "claude"])
def test_a_stream_is_replayed_byte_for_byte(mandate: Installation, route: str) -> None:
    same = {"idempotency-key": uuid4().hex}
    client = mandate.openai(KEY)
    bodies, calls = [], set()
    for _ in range(2):
        with client.chat.completions.with_streaming_response.create(
            model=route, messages=ask("delay=30ms"), stream=True, extra_headers=same
        ) as raw:
            calls.add(call_of(raw.headers))
            bodies.append(b"".join(raw.iter_bytes()))
    (call,) = calls
    assert bodies[0].endswith(b"data: [DONE]\n\n")
    assert bodies[1].replace(b": keep-alive\n\n", b"") == bodies[0].replace(
        b": keep-alive\n\n", b""
    )
    assert len(mandate.upstream.arrivals(call)) == 1


def test_another_body_is_a_conflict(mandate: Installation) -> None:
    same = {"idempotency-key": uuid4().hex}
    client = mandate.openai(KEY)
    client.chat.completions.create(model="one", messages=ask(""), max_tokens=30, extra_headers=same)
    before = len(mandate.calls_of("j-again"))
    with pytest.raises(openai.ConflictError) as raised:
        client.chat.completions.create(
            model="one", messages=ask("vary=1"), max_tokens=30, extra_headers=same
        )
    assert raised.value.response.headers["x-should-retry"] == "false"
    with pytest.raises(anthropic.ConflictError):
        mandate.anthropic(KEY).messages.create(
            model="one", messages=ask(""), max_tokens=30, extra_headers=same
        )
    assert len(mandate.calls_of("j-again")) == before


def test_a_failure_is_the_same_failure(mandate: Installation) -> None:
    same = {"idempotency-key": uuid4().hex}
    seen = set()
    for _ in range(2):
        with pytest.raises(openai.BadRequestError) as raised:
            mandate.openai(KEY).chat.completions.create(
                model="one", messages=ask("fail=refused_request"), max_tokens=9, extra_headers=same
            )
        seen.add((call_of(raised.value.response.headers), raised.value.message))
    ((call, _),) = seen
    assert len(mandate.upstream.arrivals(call)) == 1
