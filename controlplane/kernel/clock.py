"""Time is an argument. Only the shell and the outermost functions of a room call `system_clock`."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(tz=UTC)


def to_text(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as every fact and entry writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """The reverse of `to_text`. Raises ValueError."""
    return datetime.fromisoformat(text)
