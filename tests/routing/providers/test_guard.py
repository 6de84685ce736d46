"""Addresses that no provider may be called at, in every spelling, before and after resolution."""

import ipaddress
import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from policies.secrets.addresses import is_private
from policies.secrets.hosts import Address, address_of
from routing.providers.base import ProviderError
from routing.providers.http import HttpProvider
from routing.providers.openai import OpenAIAccount
from routing.providers.registry import Providers
from routing.transport import guard
from routing.transport import guarded as transport
from routing.transport.guard import AddressRefused, Guard, GuardedResolver, GuardedSockets
from tests.routing.providers.asking import KEY, answer, request, secrets_for, target
from tests.routing.upstream.process import Upstream

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "169.254.0.1", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "198.18.0.1",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254",
    "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:a00:1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:db8::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "104.18.6.192", "2606:4700::6812:6c0", "::ffff:8.8.8.8", "64:ff9b::808:808"]
ODD = [
    "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "127.0.1", "010.0.0.1", "1.2.3.4.5",
    "foo.0x7f", "256.1.1.1", "127.0.0.1.", "bad_host!", "a b", "-x-.example", "", "a" * 300,
]  # fmt: skip


@pytest.mark.parametrize("text", PRIVATE)
def test_private_addresses_are_private(text: str) -> None:
    assert is_private(ipaddress.ip_address(text)) is True


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_not(text: str) -> None:
    assert is_private(ipaddress.ip_address(text)) is False


@pytest.mark.parametrize("host", [*PRIVATE, *ODD])
def test_hosts_that_are_refused_as_written(host: str) -> None:
    with pytest.raises(AddressRefused):
        Guard(frozenset()).check_host(Address("https", host, 443))


@pytest.mark.parametrize("host", [*PUBLIC, "api.openai.com", "xn--mnchen-3ya.example", "llm1"])
def test_hosts_that_pass_as_written(host: str) -> None:
    Guard(frozenset()).check_host(Address("https", host, 443))


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/v1",
        "http://0x7f000001/v1",
        "http://0177.0.0.1/v1",
        "http://[::ffff:127.0.0.1]/v1",
        "http://127.0.0.1:8000/v1",
        "http://[fe80::1%25eth0]/v1",
        "http://①②⑦.0.0.1/v1",
        "https://user:pass@api.openai.com/v1",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_",
    ],
)
def test_base_urls_that_open_nothing(url: str) -> None:
    with pytest.raises(transport.RefusedError):
        transport.GuardedTransport(url, frozenset())


def test_listing_an_address_lifts_the_refusal_for_its_port_alone() -> None:
    listed = Guard(frozenset({"127.0.0.1:8000", "[::1]:9000", "10.0.0.1"}))
    listed.check_host(Address("http", "127.0.0.1", 8000))
    listed.check_host(Address("http", "::1", 9000))
    listed.check_host(Address("https", "10.0.0.1", 443))
    for refused in (
        Address("http", "127.0.0.1", 8001),
        Address("http", "::1", 8000),
        Address("https", "10.0.0.1", 8443),
        Address("http", "::ffff:127.0.0.1", 8000),
    ):
        with pytest.raises(AddressRefused, match="an operator may list"):
            listed.check_host(refused)


class FakeResolver(AbstractResolver):
    """Answers for any name with these addresses."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del family
        self.asked.append(host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self.addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_name_that_resolves_to_a_private_address_is_refused(address: str) -> None:
    resolver = GuardedResolver(
        Guard(frozenset({"api.vendor.example"})), "https", FakeResolver(address)
    )
    with pytest.raises(AddressRefused, match=r'"api\.vendor\.example" resolves to'):
        await resolver.resolve("api.vendor.example", 443)


async def test_only_the_allowed_addresses_of_a_name_are_given_on() -> None:
    fake = FakeResolver("10.0.0.1", "8.8.8.8", "10.0.0.2")
    resolver = GuardedResolver(Guard(frozenset({"10.0.0.2"})), "https", fake)
    found = await resolver.resolve("api.vendor.example", 443)
    assert [result["host"] for result in found] == ["8.8.8.8", "10.0.0.2"]
    with pytest.raises(AddressRefused, match="has no address"):
        await GuardedResolver(Guard(frozenset()), "https", FakeResolver()).resolve("x", 443)


def test_no_socket_is_made_towards_a_private_address() -> None:
    make = GuardedSockets(Guard(frozenset({"127.0.0.1:8000"})), "http")
    made = make((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 8000)))
    made.close()
    for target_of in (("127.0.0.1", 8001), ("169.254.169.254", 80), ("localhost", 8000)):
        with pytest.raises(AddressRefused):
            make((socket.AF_INET, socket.SOCK_STREAM, 0, "", target_of))


async def call_through(resolver: FakeResolver, upstream: Upstream, hosts: frozenset[str]) -> None:
    """One call to a name, through the real client, connector and sockets."""
    port = address_of(upstream.url).port
    url = f"http://models.vendor.example:{port}"
    way = transport.GuardedTransport(f"{url}/v1", hosts, resolver=resolver)
    provider = HttpProvider(OpenAIAccount(f"{url}/v1", KEY, way))
    try:
        await provider.answer(request("openai.chat", "x"), target("openai", url))
    finally:
        await provider.close()


async def test_a_rebound_name_sends_nothing(upstream: Upstream) -> None:
    before = upstream.report()["counts"].get("arrivals", 0)
    port = address_of(upstream.url).port
    names = frozenset({f"models.vendor.example:{port}"})
    fake = FakeResolver("127.0.0.1")
    with pytest.raises(ProviderError, match=r"resolves to 127\.0\.0\.1") as caught:
        await call_through(fake, upstream, names)
    assert (caught.value.error_class, caught.value.maybe_processed) == ("refused_account", False)
    assert fake.asked == ["models.vendor.example"]
    assert upstream.report()["counts"].get("arrivals", 0) == before
    await call_through(fake, upstream, names | {f"127.0.0.1:{port}"})
    assert upstream.report()["counts"]["arrivals"] == before + 1


async def test_a_connector_without_the_resolver_is_still_guarded(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = upstream.report()["counts"].get("arrivals", 0)
    monkeypatch.setattr(guard.GuardedResolver, "resolve", FakeResolver("127.0.0.1").resolve)
    with pytest.raises(ProviderError, match=r"127\.0\.0\.1, a private"):
        await call_through(FakeResolver("127.0.0.1"), upstream, frozenset())
    assert upstream.report()["counts"].get("arrivals", 0) == before


async def test_localhost_by_name_needs_its_address_listed(upstream: Upstream) -> None:
    before = upstream.report()["counts"].get("arrivals", 0)
    port = address_of(upstream.url).port
    url = f"http://localhost:{port}"
    providers = Providers(secrets_for(f"localhost:{port}"))
    with pytest.raises(ProviderError, match="an operator may list"):
        await answer(providers, request("openai.chat", "x"), target("openai", url))
    await providers.close()
    assert upstream.report()["counts"].get("arrivals", 0) == before
