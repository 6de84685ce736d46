"""Which addresses are no ordinary public ones: private, loopback, link-local, metadata. Pure."""

import ipaddress
import re
from ipaddress import IPv4Address, IPv6Address

from policies.secrets.hosts import BadAddress, address_of

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_METADATA = (
    # public by its number, but every machine of that cloud reaches its host's control channel there
    ipaddress.ip_network("168.63.129.16/32"),
    # another cloud's metadata lies in it, and not every Python calls it private
    ipaddress.ip_network("192.0.0.0/24"),
)
_LAST_LABEL_NUMBER = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)", re.ASCII | re.IGNORECASE)


def is_private(ip: IPv4Address | IPv6Address) -> bool:
    """Whether an address is anything but an ordinary public one, also when wrapped in IPv6."""
    if isinstance(ip, IPv6Address):
        inner = _embedded(ip)
        if inner is not None:
            return is_private(inner)
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        return True
    return any(ip in network for network in _METADATA)


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return None


def is_odd_spelling(host: str) -> bool:
    """Whether a host that is no IP address as written may still be read as one: resolvers disagree on these."""
    return _LAST_LABEL_NUMBER.fullmatch(host) is not None


def problem_without_secret(base_url: str) -> str | None:
    """Why a provider that names no secret may not stand at this address as written, in words for its author.

    Only an operator lists a private address, and beside a secret: without one, none is listed.
    """
    try:
        host = address_of(base_url).host
    except BadAddress as error:
        return str(error)
    try:
        private = is_private(ipaddress.ip_address(host))
    except ValueError:
        private = False
        if is_odd_spelling(host):
            return f'"{host}" is an odd spelling of an IP address; write a host name'
    if not private:
        return None
    return (
        f"{host} is a private, loopback, link-local or metadata address; name a credential, beside which an "
        "operator lists it"
    )
