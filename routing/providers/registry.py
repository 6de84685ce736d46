"""The one place that opens a provider: an SDK client per account and process, kept until close."""

import asyncio
from collections.abc import Awaitable, Callable

from policies.secrets.store import Secret, Secrets, SecretUnavailable
from routing.providers import errors
from routing.providers.anthropic import AnthropicAccount
from routing.providers.base import Provider, Target
from routing.providers.http import Account, HttpProvider
from routing.providers.openai import OpenAIAccount
from routing.providers.rules import RulesProvider
from routing.providers.sandbox import SandboxProvider
from routing.transport.guarded import GuardedTransport, RefusedError

Opener = Callable[[str, str, GuardedTransport], Account]


def _openai(base_url: str, key: str, transport: GuardedTransport) -> Account:
    return OpenAIAccount(base_url, key, transport)


def _compatible(base_url: str, key: str, transport: GuardedTransport) -> Account:
    # most compatible servers know only the older name of the limit
    kind = "openai-compatible"
    return OpenAIAccount(base_url, key, transport, provider_type=kind, limit_field="max_tokens")


OPENERS: dict[str, Opener] = {
    "openai": _openai,
    "openai-compatible": _compatible,
    "anthropic": AnthropicAccount,
}
_NO_SECRET = Secret("", "", frozenset())


class Providers:
    """Accounts by (type, address, secret). A secret that changed gets a new client."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._within: dict[str, Provider] = {"sandbox": SandboxProvider(), "rules": RulesProvider()}
        self._open: dict[tuple[str, str, str], tuple[Secret, HttpProvider]] = {}
        self._retired: list[HttpProvider] = []

    def provider(self, target: Target) -> Provider:
        """The adapter for a target. Raises ProviderError when its account cannot be used."""
        if target.provider_type in self._within:
            return self._within[target.provider_type]
        secret = self._secret(target)
        key = (target.provider_type, target.base_url, target.credential)
        known = self._open.get(key)
        if known is not None and (known[0] is secret or known[0] == secret):
            return known[1]
        if known is not None:
            self._retired.append(known[1])
        made = self._make(target, secret)
        self._open[key] = (secret, made)
        return made

    async def close(self) -> None:
        """Close every connection of every account."""
        providers = [provider for _, provider in self._open.values()] + self._retired
        self._open.clear()
        self._retired.clear()
        await asyncio.gather(*(provider.close() for provider in providers))

    def _secret(self, target: Target) -> Secret:
        if not target.credential:
            return _NO_SECRET
        try:
            secret = self._secrets.get(target.credential)
        except SecretUnavailable as error:
            raise errors.forbidden_address(target.provider, error.message) from None
        return secret

    def _make(self, target: Target, secret: Secret) -> HttpProvider:
        opener = OPENERS.get(target.provider_type)
        if opener is None:
            why = f'providers of type "{target.provider_type}" are not yet executed'
            raise errors.forbidden_address(target.provider, why)
        if target.credential:
            problem = self._secrets.problem(target.credential, target.base_url)
            if problem is not None:
                raise errors.forbidden_address(target.provider, problem)
        try:
            transport = GuardedTransport(target.base_url, secret.hosts)
        except RefusedError as error:
            raise errors.forbidden_address(target.provider, str(error)) from None
        return HttpProvider(opener(target.base_url, secret.value, transport))


class Simulations(Providers):
    """The sandbox in place of every account, in this very process: for a demo's history. `sleep` passes its time."""

    def __init__(self, secrets: Secrets, sleep: Callable[[float], Awaitable[None]]) -> None:
        super().__init__(secrets)
        self._within["sandbox"] = SandboxProvider(sleep)

    def provider(self, target: Target) -> Provider:
        """The sandbox for every account; rules are nobody's account."""
        return self._within.get(target.provider_type) or self._within["sandbox"]
