"""Who carries calls in this process: Celery's tasks ring here, and know nothing of the loop behind it.

Apart from `worker.py`, so that beat and the jobs worker never load a provider's SDK.
"""

from typing import Protocol
from uuid import UUID


class Carrier(Protocol):
    """A loop that runs calls."""

    def start(self) -> None:
        """Begin; returns when calls can be taken."""

    def submit(self, call: UUID) -> None:
        """Ring for a call; it may be rung for any number of times."""

    def drain(self, seconds: float) -> None:
        """Finish what runs within `seconds`, give the lease up, and stop."""


class _Process:
    """The one carrier of this process."""

    carrier: Carrier | None = None


def start(carrier: Carrier) -> None:
    """Begin to carry calls in this process."""
    _Process.carrier = carrier
    carrier.start()


def submit(call: UUID) -> None:
    """Ring for a call. Before `start` nobody hears it, and the sweep finds the call."""
    if _Process.carrier is not None:
        _Process.carrier.submit(call)


def drain(seconds: float) -> None:
    """Finish what runs within `seconds`, give the lease up, and stop."""
    if _Process.carrier is not None:
        _Process.carrier.drain(seconds)
