"""One client per account; no account that may not be used."""

from pathlib import Path

import pytest

from policies.secrets import store
from policies.secrets.store import Secrets
from routing.providers.base import ProviderError
from routing.providers.registry import Providers
from tests.routing.providers.asking import answer, request, secrets_for, target
from tests.routing.upstream.process import Upstream


async def test_an_account_has_one_client(providers: Providers, upstream: Upstream) -> None:
    first = providers.provider(target("openai", upstream.url))
    again = providers.provider(target("openai", upstream.url, upstream_name="another"))
    other = providers.provider(target("openai-compatible", upstream.url))
    assert first is again
    assert first is not other


async def test_a_changed_secret_gets_a_new_client(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CACHE_SECONDS", 0.0)
    (tmp_path / "vendor").write_text("sk-one")
    (tmp_path / "vendor.hosts").write_text(upstream.host)
    providers = Providers(Secrets(tmp_path, {}))
    at = target("openai", upstream.url)
    first = providers.provider(at)
    assert providers.provider(at) is first
    (tmp_path / "vendor").write_text("sk-two")
    second = providers.provider(at)
    assert second is not first
    await second.answer(request("openai.chat", "x"), at)
    (tmp_path / "vendor.hosts").write_text("api.elsewhere.example")
    with pytest.raises(ProviderError, match=r"may be sent to api\.elsewhere\.example, not to"):
        providers.provider(at)
    await providers.close()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"provider_type": "gemini"}, "not yet executed"),
        ({"credential": "secret:nobody"}, 'there is no secret "nobody"'),
        ({"credential": "secret:../../etc/passwd"}, "does not name a secret"),
        ({"base_url": "https://evil.example/v1"}, "may be sent to"),
        ({"base_url": "http://127.0.0.1:1/v1"}, "may be sent to"),
        ({"base_url": "http://127.0.0.1:1/v1", "credential": ""}, "loopback"),
        ({"base_url": "ftp://x/v1", "credential": ""}, "is not an http or https URL"),
    ],
)
async def test_an_account_that_may_not_be_used(
    providers: Providers, upstream: Upstream, more: dict[str, str], why: str
) -> None:
    at = target(**{"provider_type": "openai", "url": upstream.url, **more})
    with pytest.raises(ProviderError, match=why) as caught:
        providers.provider(at)
    assert (caught.value.error_class, caught.value.maybe_processed) == ("refused_account", False)


async def test_a_provider_without_a_key_may_be_public_only(upstream: Upstream) -> None:
    providers = Providers(secrets_for(upstream.host))
    with pytest.raises(ProviderError, match="loopback"):
        await answer(
            providers, request("openai.chat", "x"), target("openai", upstream.url, credential="")
        )
    providers.provider(target("openai", "https://api.vendor.example", credential=""))
    await providers.close()


async def test_closing_twice_is_no_error(providers: Providers, upstream: Upstream) -> None:
    await answer(providers, request("openai.chat", "x"), target("openai", upstream.url))
    await providers.close()
    await providers.close()
