"""Ids of everything that Django code of this process writes, from one source: entries of one commit are ordered by id."""

from datetime import datetime
from uuid import UUID

from controlplane.kernel.clock import Clock, system_clock
from controlplane.kernel.ids import IdSource


class _Process:
    """The clock of this process."""

    clock: Clock = staticmethod(system_clock)


def now() -> datetime:
    """Now, by this process's clock."""
    return _Process.clock()


_SOURCE = IdSource(now)


def new_id() -> UUID:
    """The next id; it only grows within this process."""
    return _SOURCE.new()


def simulate(clock: Clock) -> None:
    """Let this process live by another clock: a demo's history. PostgreSQL's is moved by its session's own setting."""
    _Process.clock = clock
