"""What reaches a same-dialect upstream: the caller's own bytes, headers and query, and nothing else."""

import base64
import json

import httpx2
import pytest

from routing.dialects import dialect
from routing.providers.anthropic import AnthropicAccount
from routing.providers.base import ProviderError
from routing.providers.openai import OpenAIAccount
from routing.providers.registry import Providers
from routing.transport.guarded import GuardedTransport
from tests.routing.providers.asking import KEY, answer, request, streamed, target
from tests.routing.upstream.process import Upstream


@pytest.mark.parametrize(
    ("kind", "name", "limit"),
    [
        ("openai", "openai.chat", ""),
        ("openai", "openai.responses", ""),
        ("openai-compatible", "openai.chat", "max_tokens"),
        ("anthropic", "anthropic.messages", ""),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_the_spliced_bytes_arrive_unchanged(
    providers: Providers, upstream: Upstream, *, kind: str, name: str, limit: str, stream: bool
) -> None:
    asked = request(name, "höflich  ☂", stream=stream, vendor_field={"b": [1, 2.50]}, top_p=0.1)
    at = target(kind, upstream.url)
    await (streamed if stream else answer)(providers, asked, at)
    [arrival] = upstream.arrivals(at.call.hex)
    assert base64.b64decode(arrival["body"]) == dialect(name).splice_request(
        asked, model="model-x", max_output_tokens=500, limit_field=limit
    )
    assert b'"vendor_field": {"b": [1, 2.5]}' in base64.b64decode(arrival["body"])


async def test_beta_headers_reach_the_same_dialect_only(
    providers: Providers, upstream: Upstream
) -> None:
    headers = {"anthropic-beta": "context-1m", "anthropic-version": "2023-06-01"}
    asked = request("anthropic.messages", "x", headers=headers)
    same, other = target("anthropic", upstream.url), target("openai", upstream.url)
    await answer(providers, asked, same)
    await answer(providers, asked, other)
    [arrival] = upstream.arrivals(same.call.hex)
    assert arrival["headers"]["anthropic-beta"] == "context-1m"
    assert arrival["headers"]["anthropic-version"] == "2023-06-01"
    [crossed] = upstream.arrivals(other.call.hex)
    assert "anthropic-beta" not in crossed["headers"]
    assert crossed["path"] == "/v1/chat/completions"


async def test_a_crossing_that_loses_something_is_refused_before_it_is_sent(
    providers: Providers, upstream: Upstream
) -> None:
    asked = request("openai.chat", "x", vendor_field=1)
    at = target("anthropic", upstream.url)
    with pytest.raises(ProviderError, match="cannot carry") as caught:
        await answer(providers, asked, at)
    assert (caught.value.error_class, caught.value.maybe_processed) == ("refused_request", False)
    assert upstream.arrivals(at.call.hex) == []


async def test_large_bodies_pass(providers: Providers, upstream: Upstream) -> None:
    asked = request("openai.chat", "claim " * 500_000 + "[[sandbox tokens=5]]")
    at = target("openai", upstream.url)
    found = await answer(providers, asked, at)
    assert found.usage is not None
    assert found.usage.output == 5
    assert found.usage.input > 700_000


async def test_the_environment_changes_nothing(
    upstream: Upstream, providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "OPENAI_BASE_URL": "http://127.0.0.1:9",
        "OPENAI_ORG_ID": "org-other",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
        "ANTHROPIC_AUTH_TOKEN": "other",
        "ANTHROPIC_API_KEY": "other",
    }.items():
        monkeypatch.setenv(name, value)
    for kind in ("openai", "anthropic"):
        at = target(kind, upstream.url)
        await answer(providers, request("openai.chat", "x"), at)
        assert len(upstream.arrivals(at.call.hex)) == 1


async def test_nothing_shows_the_key(providers: Providers, upstream: Upstream) -> None:
    at = target("openai", upstream.url)
    adapter = providers.provider(at)
    shown = repr(adapter) + repr(vars(providers)) + repr(at) + json.dumps(upstream.report())
    assert KEY not in shown


async def test_the_typed_clients_work_over_the_guarded_transport(upstream: Upstream) -> None:
    """Should an SDK change how it sends or reads, this says so before a call does."""
    way = GuardedTransport(upstream.openai, frozenset({upstream.host}))
    account = OpenAIAccount(upstream.openai, KEY, way)
    chat = await account._client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": 'x [[sandbox say="Yes."]]'}]
    )
    assert chat.choices[0].message.content == "Yes."
    await account.close()
    way = GuardedTransport(upstream.url, frozenset({upstream.host}))
    claude = AnthropicAccount(upstream.url, KEY, way)
    message = await claude._client.messages.create(
        model="m",
        max_tokens=9,
        messages=[{"role": "user", "content": 'x [[sandbox say="Yes."]]'}],
    )
    assert message.content[0].to_dict()["text"] == "Yes."
    await claude.close()


async def test_the_client_is_set_up_out_loud(upstream: Upstream) -> None:
    way = GuardedTransport(upstream.openai, frozenset({upstream.host}))
    for account in (
        OpenAIAccount(upstream.openai, KEY, way),
        AnthropicAccount(upstream.url, KEY, way),
    ):
        client = account._client
        assert client.max_retries == 0
        assert client.timeout == httpx2.Timeout(None)
        assert client._client.follow_redirects is False
        assert client._client.trust_env is False
        await account.close()
