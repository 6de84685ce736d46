"""Hosts in one spelling."""

import pytest

from policies.secrets.hosts import Address, BadAddress, address_of, listed, parse_hosts


@pytest.mark.parametrize(
    ("base_url", "address"),
    [
        ("https://api.openai.com/v1", Address("https", "api.openai.com", 443)),
        ("http://LOCALHOST:8000", Address("http", "localhost", 8000)),
        ("http://[::1]:8000/v1", Address("http", "::1", 8000)),
        ("https://münchen.example/", Address("https", "xn--mnchen-3ya.example", 443)),
    ],
)
def test_addresses(base_url: str, address: Address) -> None:
    assert address_of(base_url) == address


@pytest.mark.parametrize(
    "base_url",
    [
        "https://", "https://a:99999/", "https://a:b/", "//a", "a.example", "javascript:x",
        "https://u@a/", "https://a/?key=1", "https://a/#x", "https://[::1", "https://" + "ä" * 80,
    ],
)  # fmt: skip
def test_addresses_that_are_none(base_url: str) -> None:
    with pytest.raises(BadAddress):
        address_of(base_url)


def test_an_address_shows_its_port_where_it_is_not_the_schemes() -> None:
    shown = [str(address_of(url)) for url in ("https://a", "http://a:443", "https://[::1]:8443")]
    assert shown == ["a", "a:443", "[::1]:8443"]


def test_entries() -> None:
    assert parse_hosts(" A.example.,b:80\n[::1]:9 ,, c ") == {"a.example", "b:80", "[::1]:9", "c"}
    assert parse_hosts("") == frozenset()


@pytest.mark.parametrize("text", ["*", "*.example", "a/b", "u@a", "a:b", ":80", "https://a"])
def test_entries_that_are_none(text: str) -> None:
    with pytest.raises(BadAddress):
        parse_hosts(text)


def test_an_entry_without_port_means_the_schemes() -> None:
    hosts = parse_hosts("a, b:8443, [::1]")
    found = [
        listed(hosts, Address(scheme, host, port))
        for scheme, host, port in [
            ("https", "a", 443),
            ("http", "a", 80),
            ("https", "a", 80),
            ("https", "b", 8443),
            ("https", "b", 443),
            ("https", "::1", 443),
        ]
    ]
    assert found == [True, True, False, True, False, True]
