"""32 MiB is taken, one mebibyte more is not, in both dialects."""

import hashlib
import json
from typing import Any

import anthropic
import openai
import pytest

from tests.journeys.installation import Installation, call_of

KEY = "j-large/desk"
MIB = 1024 * 1024
PATHS = {"/v1/chat/completions": "one", "/v1/messages": "claude"}


def body_of(route: str, size: int) -> bytes:
    """A request of exactly so many bytes."""
    words = "[[sandbox tokens=4]]"
    frame = {"model": route, "max_tokens": 9, "messages": [{"role": "user", "content": words}]}
    bare = json.dumps(frame).encode()
    return bare.replace(b"[[", b"a" * (size - len(bare)) + b"[[", 1)


@pytest.mark.parametrize(("path", "route"), PATHS.items())
def test_32_mib_are_accepted(mandate: Installation, path: str, route: str) -> None:
    body = body_of(route, 32 * MIB)
    assert len(body) == 32 * MIB
    answer = mandate.send(path, body, {"authorization": f"Bearer {mandate.keys[KEY]}"})
    assert answer.status == 200, answer.body[:500]
    call = call_of(answer.headers)
    assert mandate.call(call)["state"] == "completed"
    (arrival,) = mandate.upstream.arrivals(call)
    upstream = {"one": "j-gpt", "claude": "j-claude"}[route]
    sent = body.replace(f'"{route}"'.encode(), f'"{upstream}-upstream"'.encode(), 1)
    assert arrival["sha256"] == hashlib.sha256(sent).hexdigest()


def test_33_mib_are_413_in_both_dialects(mandate: Installation) -> None:
    before = len(mandate.calls_of("j-large"))
    said: Any = [{"role": "user", "content": "a" * (33 * MIB)}]
    with pytest.raises(openai.APIStatusError) as raised:
        mandate.openai(KEY).chat.completions.create(model="one", messages=said)
    assert raised.value.status_code == 413
    assert raised.value.type == "invalid_request_error"
    assert raised.value.response.headers["x-should-retry"] == "false"
    with pytest.raises(anthropic.RequestTooLargeError) as other:
        mandate.anthropic(KEY).messages.create(model="claude", messages=said, max_tokens=9)
    body: Any = other.value.body
    assert body["type"] == "error"
    assert other.value.response.headers["x-should-retry"] == "false"
    assert len(mandate.calls_of("j-large")) == before
