"""Token probabilities that we ask for ourselves: told to us by every upstream that has them, hidden from who did not ask."""

import base64
import json
from typing import Any

import pytest

from routing.providers import logprobs
from routing.providers.registry import Providers
from tests.routing.providers.asking import DIALECTS, answer, request, streamed, target
from tests.routing.upstream.process import Upstream

SAY = '[[sandbox say="Good morning, Ada." chunks=2]]'
ASKED: dict[str, dict[str, Any]] = {
    "openai.chat": {"logprobs": True},
    "openai.responses": {"include": [logprobs.INCLUDED]},
}


def told(name: str, body: bytes) -> bool:
    """Whether the caller is shown any."""
    return b'"logprob":' in body.replace(b'": ', b'":')


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("kind", ["openai", "openai-compatible", "sandbox"])
@pytest.mark.parametrize("stream", [False, True])
async def test_they_are_measured_and_hidden(
    providers: Providers, upstream: Upstream, *, kind: str, name: str, stream: bool
) -> None:
    asked = request(name, f"hello {SAY}", stream=stream)
    at = target(kind, upstream.url, logprobs=True)
    if stream:
        found = await streamed(providers, asked, at)
        measured = tuple(value for piece in found.pieces for value in piece.logprobs)
        seen = found.data
    else:
        plain = await answer(providers, asked, at)
        measured, seen = plain.logprobs, plain.body
    assert len(measured) == 5
    assert max(measured) < 0
    assert b"Good" in seen
    assert not told(name, seen)
    if kind == "openai":
        [arrival] = upstream.arrivals(at.call.hex)
        sent = json.loads(base64.b64decode(arrival["body"]))
        native = "openai.responses" if name == "openai.responses" else "openai.chat"
        assert ASKED[native].items() <= sent.items()


@pytest.mark.parametrize("name", list(ASKED))
@pytest.mark.parametrize("stream", [False, True])
async def test_who_asked_is_shown_them(
    providers: Providers, upstream: Upstream, name: str, *, stream: bool
) -> None:
    asked = request(name, f"hello {SAY}", stream=stream, **ASKED[name])
    at = target("openai", upstream.url, logprobs=True)
    if stream:
        found = await streamed(providers, asked, at)
        assert sum(len(piece.logprobs) for piece in found.pieces) == 5
        assert told(name, found.data)
    else:
        plain = await answer(providers, asked, at)
        assert len(plain.logprobs) == 5
        assert told(name, plain.body)


def test_nothing_else_of_a_response_is_changed() -> None:
    token = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    part = {"type": "output_text", "text": "a", "annotations": [], "logprobs": [token]}
    tools = [{"type": "function", "name": "f", "parameters": {"logprobs": ["kept"]}}]
    response = {"output": [{"type": "message", "content": [part]}], "tools": tools}
    found = json.loads(logprobs.hidden(json.dumps(response).encode()))
    assert found == response | {
        "output": [{"type": "message", "content": [part | {"logprobs": []}]}]
    }
    assert logprobs.of_answer(json.dumps(response).encode()) == (-0.5,)
    asked = json.loads(logprobs.asking(b'{"input":"a","include":["reasoning.encrypted_content"]}'))
    assert asked["include"] == ["reasoning.encrypted_content", logprobs.INCLUDED]
