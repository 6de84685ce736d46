"""Which addresses may be called: none that is private, unless an operator listed it.

The check runs three times: on the host as written (odd spellings of an IP address are refused, since
resolvers disagree on them), on every address it resolves to, and on the very address a socket is
made for. A listed *name* lifts nothing: whoever answers for the name could point it anywhere. List
the address itself beside it.
"""

import ipaddress
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from policies.secrets.addresses import is_odd_spelling, is_private
from policies.secrets.hosts import Address, listed

_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*")


class AddressRefused(OSError):
    """The address may not be called. The message names the address, never more of the URL."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The rule for one provider account: `hosts` are the entries its operator listed."""

    hosts: frozenset[str]

    def check_host(self, address: Address) -> None:
        """Refuse a host as written. Raises AddressRefused."""
        literal = _literal(address.host)
        if literal is not None:
            self.check_ip(literal, address)
        elif not _NAME.fullmatch(address.host) or len(address.host) > 253:
            raise AddressRefused(f'"{address.host[:80]}" is not a host name')
        elif is_odd_spelling(address.host):
            raise AddressRefused(f'"{address.host}" is an odd spelling of an IP address')

    def check_ip(self, ip: IPv4Address | IPv6Address, address: Address) -> None:
        """Refuse an IP address that is not public, unless it is listed. Raises AddressRefused."""
        if not is_private(ip):
            return
        if listed(self.hosts, Address(address.scheme, str(ip), address.port)):
            return
        via = "" if str(ip) == address.host else f'"{address.host}" resolves to '
        raise AddressRefused(
            f"{via}{ip}, a private, loopback, link-local or metadata address; an operator may list "
            f"{_shown(ip)}:{address.port} beside the secret"
        )


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(ip, IPv6Address) and ip.scope_id is not None:
        raise AddressRefused(f'"{host}" has a zone')
    return ip


def _shown(ip: IPv4Address | IPv6Address) -> str:
    return f"[{ip}]" if isinstance(ip, IPv6Address) else str(ip)


class GuardedResolver(AbstractResolver):
    """Resolves a name and gives aiohttp only the addresses that may be called."""

    def __init__(self, guard: Guard, scheme: str, resolver: AbstractResolver | None = None) -> None:
        self._guard = guard
        self._scheme = scheme
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The allowed addresses. Raises AddressRefused when none is."""
        address = Address(self._scheme, host, port)
        refusal: AddressRefused | None = None
        allowed: list[ResolveResult] = []
        for found in await self._resolver.resolve(host, port, family):
            try:
                self._guard.check_ip(ipaddress.ip_address(found["host"]), address)
            except AddressRefused as error:
                refusal = error
            else:
                allowed.append(found)
        if allowed:
            return allowed
        raise refusal or AddressRefused(f'"{host}" has no address')

    async def close(self) -> None:
        """Close the resolver behind it."""
        await self._resolver.close()


class GuardedSockets:
    """Makes sockets for aiohttp, and none towards an address that may not be called."""

    def __init__(self, guard: Guard, scheme: str) -> None:
        self._guard = guard
        self._scheme = scheme

    def __call__(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for `(family, type, protocol, name, sockaddr)`. Raises AddressRefused."""
        family, kind, protocol, _, target = info
        host, port = str(target[0]), int(target[1])
        try:
            ip = ipaddress.ip_address(host)
        except ValueError:
            raise AddressRefused(f'"{host}" is not an IP address') from None
        self._guard.check_ip(ip, Address(self._scheme, host, port))
        return socket.socket(family, kind, protocol)
