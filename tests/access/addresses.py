"""Every address that the console and the API have, from Django's own resolver."""

import re
from collections.abc import Iterator

from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve


def routes() -> list[str]:
    """The route of every address, as `urls.py` writes it: `calls/<str:name>/cancel/`."""
    return sorted(set(_walk(get_resolver(), "")))


def _walk(resolver: URLResolver, before: str) -> Iterator[str]:
    for entry in resolver.url_patterns:
        route = before + str(entry.pattern).removeprefix("^")
        if isinstance(entry, URLPattern):
            yield route
        else:
            yield from _walk(entry, route)


def route_of(address: str) -> str:
    """The route that answers an address of the table, its placeholders filled with what fits any converter."""
    path = re.sub(r"\{[a-z_]+\}", "00000000000000000000000000000000", address)
    for attempt in (path, path.replace("0" * 32, "00000000-0000-0000-0000-000000000000")):
        found = _resolved(attempt)
        if found is not None:
            return found
    raise ValueError(f'no address answers "{address}"')


def _resolved(path: str) -> str | None:
    try:
        return str(resolve(path.partition("?")[0]).route)
    except Resolver404:
        return None
