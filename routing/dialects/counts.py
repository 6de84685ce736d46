"""What a provider says that it billed: tokens as whole numbers that can be meant, and the service tier; or nothing."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from routing.exchange import ServiceTier, Usage

MOST_TOKENS: Final = 1_000_000_000
"""More than any model reads or writes at once: what is above it is a mistake and not believed, like a negative number."""


def token_count(found: Mapping[str, Any], name: str) -> int | None:
    """The count; None where there is none. An explicit 0 is one."""
    value = found.get(name)
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


_TIERS: Final[dict[object, ServiceTier]] = {
    "flex": "flex",
    "batch": "batch",
    "priority": "priority",
    "scale": "scale",
}


def asked_tier(values: Mapping[str, Any]) -> ServiceTier:
    """The service tier of a request of OpenAI's that is cheaper than the ordinary one; empty where none is asked for."""
    return "flex" if values.get("service_tier") == "flex" else ""


def at_tier(usage: Usage | None, said: object) -> Usage | None:
    """The usage with the service tier that an answer names; a word that is not known here is the ordinary one."""
    tier = _TIERS.get(said, "") if isinstance(said, str) else ""
    return (
        msgspec.structs.replace(usage, service_tier=tier) if usage is not None and tier else usage
    )
