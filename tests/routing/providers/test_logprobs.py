"""Token probabilities that we ask for ourselves: measured over HTTP, plain and streamed, and seen by nobody who did not ask."""

import json

import pytest

from routing.dialects import Event, dialect
from routing.providers import logprobs
from routing.providers.registry import Providers
from routing.validation.confidence import by_logprob
from routing.validation.said import read
from tests.routing.providers.asking import Streamed, answer, request, streamed, target
from tests.routing.upstream.process import Upstream

SURE = "Which line? [[sandbox say='Motor claim' confidence=0.9 chunks=2]]"
MEASURING = ("openai", "openai-compatible", "sandbox")


@pytest.mark.parametrize("kind", MEASURING)
@pytest.mark.parametrize("name", ["openai.chat", "anthropic.messages"])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_measured_and_its_caller_sees_nothing_of_it(
    providers: Providers, upstream: Upstream, kind: str, name: str, *, stream: bool
) -> None:
    at = target(kind, upstream.url, logprobs=True)
    asked = request(name, SURE, stream=stream)
    if stream:
        flow = await streamed(providers, asked, at)
        body, found = flow.data, tuple(v for piece in flow.pieces for v in piece.logprobs)
    else:
        plain = await answer(providers, asked, at)
        body, found = plain.body, plain.logprobs
    assert len(found) == 2
    assert 0.85 < float(by_logprob(found)) < 0.95
    assert b'"logprob":' not in body
    assert read(dialect(name), body, stream=stream).text == "Motor claim"


@pytest.mark.parametrize("kind", MEASURING)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_who_asked_sees_them_whether_we_measure_or_not(
    providers: Providers, upstream: Upstream, kind: str, *, stream: bool
) -> None:
    for measured in (False, True):
        at = target(kind, upstream.url, logprobs=measured)
        asked = request("openai.chat", SURE, stream=stream, logprobs=True)
        found = await (streamed(providers, asked, at) if stream else answer(providers, asked, at))
        body = found.data if isinstance(found, Streamed) else found.body
        assert b'"logprob":' in body


async def test_a_vendor_without_them_is_not_measured(
    providers: Providers, upstream: Upstream
) -> None:
    at = target("anthropic", upstream.url, logprobs=True)
    assert (await answer(providers, request("openai.chat", SURE), at)).logprobs == ()


def test_what_is_no_number_is_left_out() -> None:
    assert logprobs.of_choice({"content": [{"logprob": -1}, {"logprob": "x"}, 5, {}]}) == (-1.0,)
    assert logprobs.of_choice({"content": None}) == logprobs.of_choice(None) == ()
    broken = [Event("", b'{"logprobs" broken'), Event("", b"[DONE]")]
    assert logprobs.of_events(broken, hide=True) == (broken, ())


def test_asking_changes_nothing_else() -> None:
    body = b'{"model":"m","logprobs":false,"x":[1,2.5]}'
    assert json.loads(logprobs.asking(body)) == {"model": "m", "logprobs": True, "x": [1, 2.5]}
