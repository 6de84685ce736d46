"""Ids of everything that Django code of this process writes, from one source: entries of one commit are ordered by id."""

from uuid import UUID

from controlplane.kernel.ids import IdSource

_SOURCE = IdSource()


def new_id() -> UUID:
    """The next id; it only grows within this process."""
    return _SOURCE.new()
