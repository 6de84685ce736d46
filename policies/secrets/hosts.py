"""Hosts as operators list them, and whether an address is among them. Pure.

An entry is `host` or `host:port` (IPv6 in brackets). Without a port it means the port of the scheme: 443 for https, 80
for http. Names are compared in lower case, in their ASCII form, without a final dot.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

DEFAULT_PORTS = {"https": 443, "http": 80}


class BadAddress(ValueError):
    """An address or a host entry that cannot be used; the message quotes it and says what to write."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a base URL leads: scheme, host in lower case without brackets, port."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def canonical_host(host: str) -> str:
    """Lower case, ASCII (IDNA), no final dot, no brackets. Raises BadAddress."""
    bare = host.strip().removeprefix("[").removesuffix("]").removesuffix(".").lower()
    if ":" in bare:
        return bare
    try:
        return bare.encode("idna").decode("ascii") if bare else bare
    except UnicodeError as error:
        raise BadAddress(f'"{host}" is not a host name') from error


def address_of(base_url: str) -> Address:
    """The address behind a base URL. Raises BadAddress for another scheme, no host, credentials in it, or a bad port."""
    try:
        url = urlsplit(base_url)
        port = url.port
    except ValueError as error:
        raise BadAddress(f'"{base_url}" is not a URL; write https://host/v1') from error
    if url.scheme not in DEFAULT_PORTS or not url.hostname:
        raise BadAddress(f'"{base_url}" is not an http or https URL with a host')
    if url.username is not None or url.password is not None:
        raise BadAddress("a base URL must not carry a user or password; name a secret instead")
    if url.query or url.fragment:
        raise BadAddress("a base URL must not carry a query or fragment")
    return Address(url.scheme, canonical_host(url.hostname), port or DEFAULT_PORTS[url.scheme])


def parse_hosts(text: str) -> frozenset[str]:
    """Entries separated by commas or white space, in one spelling. Raises BadAddress."""
    return frozenset(_entry(part) for part in text.replace(",", " ").split())


def _entry(text: str) -> str:
    if "/" in text or "@" in text or "*" in text:
        raise BadAddress(f'"{text}" is not a host; write host or host:port')
    try:
        url = urlsplit(f"//{text}")
        host, port = url.hostname or "", url.port
    except ValueError as error:
        raise BadAddress(f'"{text}" is not a host; write host or host:port') from error
    if not host:
        raise BadAddress(f'"{text}" is not a host; write host or host:port')
    name = canonical_host(host)
    shown = f"[{name}]" if ":" in name else name
    return shown if port is None else f"{shown}:{port}"


def listed(hosts: Iterable[str], address: Address) -> bool:
    """Whether the address is among the entries of `parse_hosts`."""
    shown = f"[{address.host}]" if ":" in address.host else address.host
    wanted = {f"{shown}:{address.port}"}
    if address.port == DEFAULT_PORTS[address.scheme]:
        wanted.add(shown)
    return not wanted.isdisjoint(hosts)
