"""Git and the console never go over each other in silence: what a change request may not write."""

from collections.abc import Collection, Iterable

from policies.bundles import ownership
from policies.bundles.read import Published, heads
from policies.changes.models import ChangeRequest, Edit
from policies.documents.document import Identity


def refuse_kept(row: ChangeRequest, identities: Collection[Identity]) -> None:
    """Raises OwnedByGit where the console would write what Git keeps. Going back to an old revision always may."""
    if row.origin == ownership.CONSOLE and row.rollback_of is None:
        ownership.refuse_git(heads(identities))


def refuse_written(base: Published, row: ChangeRequest, edits: Iterable[Edit]) -> None:
    """Raises OwnedByConsole where a folder would go over what people wrote in the console, unless it said that it takes it."""
    if row.origin == ownership.GIT:
        asked = [e.identity for e in edits if not ownership.place_of(e.place).take]
        ownership.refuse_console((i, base.rows[i]) for i in asked if i in base.rows)
