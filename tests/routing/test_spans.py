"""What the worker's half tells of a call: each step once, in the call's own trace, and nothing of what was said."""

import json
from collections.abc import Iterator

import pytest

from controlplane.kernel import tracing
from controlplane.otel import Otel, Span, root_of
from tests.policies.engine.cascades import DESK, cascade
from tests.policies.engine.small import EVERYONE, bundle, model
from tests.routing.walking import CALL, request, text_of, walk

MODELS = tuple(
    model(name, capabilities=["chat", "logprobs", "tools"], tier=tier)
    for name, tier in (("s1", "small"), ("s2", "small"), ("l", "large"))
)


@pytest.fixture
def collected() -> Iterator[list[Span]]:
    found: list[Span] = []
    tracing.record_with(Otel(found.append))
    yield found
    tracing.record_with(None)


async def test_each_attempt_is_started_called_and_settled_and_the_call_finished(
    collected: list[Span],
) -> None:
    said = "[[sandbox model=s1 say='Motor']] [[sandbox model=s2 say='motor.']]"
    found = await walk(bundle(EVERYONE, DESK, *MODELS, cascade()), request(f"Broken leg. {said}"))
    assert text_of(found) == "Motor"
    steps = [span.name for span in collected if span.name != "settle"]
    assert steps == ["start", "provider"] * 3 + ["finish"]
    models = [span.facts["mandate.model"] for span in collected if span.name == "provider"]
    assert models == ["s1", "s2", "s1"]
    assert {(span.call, span.parent) for span in collected} == {(CALL, root_of(CALL))}
    told = json.dumps([span.as_json() for span in collected])
    assert "Broken" not in told
    assert "otor" not in told


async def test_a_model_that_fails_is_told_by_its_error_class(collected: list[Span]) -> None:
    directive = "[[sandbox model=s1 fail=server_error]] [[sandbox model=s2 fail=server_error]]"
    await walk(bundle(EVERYONE, DESK, *MODELS, cascade()), request(f"Broken leg. {directive}"))
    first = next(span for span in collected if span.name == "provider")
    assert first.facts["mandate.error"] == "server_error"
    assert first.failed is False  # the step did what it should; the model did not
