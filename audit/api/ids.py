"""How addresses of the API name a thing by its id: with hyphens, or as entries and headers give it, 32 hex digits."""

from django.urls.converters import UUIDConverter


class Id(UUIDConverter):
    """`01a1a0de-850a-70f3-8627-887d900b565b` or `01a1a0de850a70f38627887d900b565b`."""

    regex = f"{UUIDConverter.regex}|[0-9a-f]{{32}}"
