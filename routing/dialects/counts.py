"""How many tokens a provider says that it billed: a whole number that can be meant, or nothing."""

from collections.abc import Mapping
from typing import Any, Final

MOST_TOKENS: Final = 1_000_000_000
"""More than any model reads or writes at once: what is above it is a mistake and not believed, like a negative number."""


def token_count(found: Mapping[str, Any], name: str) -> int | None:
    """The count; None where there is none. An explicit 0 is one."""
    value = found.get(name)
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None
