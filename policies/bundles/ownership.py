"""PURE: who keeps a document. Git: with its repository, commit, path and line; or the console.

`Document.place` and `Edit.place` hold a Place as JSON; empty for what a machine's operator published without either.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Final, Protocol

import msgspec

from controlplane.kernel.errors import Conflict
from policies.bundles.diff import named
from policies.documents.document import Identity

GIT, CONSOLE = "git", "console"
_SHORT: Final = 10


class Place(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Where a document came from. `digest` is of its text as Git had it; `raw` that text before values, where it differs.

    `above` and `below` are the lines around it in its file, which a patch needs. `change` is the change request of the console
    that wrote it last; `taken` says that the console took it over. `take`: this edit may go over what the console wrote.
    """

    repository: str = ""
    commit: str = ""
    path: str = ""
    line: int = 0
    digest: str = ""
    raw: str = ""
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    change: str = ""
    taken: bool = False
    take: bool = False

    @property
    def short(self) -> str:
        """`policy/route.yaml:3 at 1a2b3c4d5e of https://…`."""
        at = f" at {self.commit[:_SHORT]}" if self.commit else ""
        of = f" of {self.repository}" if self.repository else ""
        return f"{self.path}:{self.line}{at}{of}"


class Kept(Protocol):
    """The head row of a document, as far as this room reads it."""

    origin: str
    place: str
    source: str


class OwnedByGit(Conflict):
    """A document is kept in Git: the console changes it by a patch, or takes it over first."""

    code = "owned_by_git"


class OwnedByConsole(Conflict):
    """The console wrote a document that a folder would overwrite: merge it, or say that the folder takes it."""

    code = "owned_by_console"


_NOWHERE: Final = Place()
_PLACES: Final = msgspec.json.Decoder(Place)


def place_of(text: str) -> Place:
    """The place that was noted."""
    return _PLACES.decode(text) if text else _NOWHERE


def noted(place: Place) -> str:
    """As it is kept."""
    return msgspec.json.encode(place).decode()


def digest_of(source: str) -> str:
    """SHA-256 (hex) of a document's text."""
    return sha256(source.encode()).hexdigest()


def locked(row: Kept) -> bool:
    """Whether the console may not write it: it is kept in a repository. A folder outside Git locks nothing."""
    return row.origin == GIT and bool(place_of(row.place).commit)


def of_console(row: Kept) -> bool:
    """Whether people wrote it in the console, so that no folder goes over it in silence."""
    place = place_of(row.place)
    return row.origin == CONSOLE and bool(place.change or place.taken)


def drifted(row: Kept) -> bool:
    """Whether what is published differs from what Git had at the commit that is noted."""
    place = place_of(row.place)
    return bool(place.digest) and place.digest != digest_of(row.source)


def refuse_git(found: Iterable[tuple[Identity, Kept]]) -> None:
    """Raises OwnedByGit where any of these is locked."""
    for identity, row in found:
        if locked(row):
            raise OwnedByGit(
                f"{named(identity)} is kept in Git, {place_of(row.place).short}: change it there, or take it over first"
            )


def refuse_console(found: Iterable[tuple[Identity, Kept]]) -> None:
    """Raises OwnedByConsole naming each that the console wrote."""
    names = [named(identity) for identity, row in found if of_console(row)]
    if names:
        raise OwnedByConsole(
            f"the console wrote {', '.join(names)}: look at `policy diff`, bring it into the folder, or say --take"
        )


def moved_to(row: Kept, *, origin: str, place: str, change: str) -> tuple[str, str]:
    """Origin and place of a head row after an edit: what Git keeps stays Git's until somebody takes it over."""
    if origin == GIT:
        return GIT, noted(msgspec.structs.replace(place_of(place), take=False)) if place else ""
    if row.origin == GIT and locked(row):
        return GIT, row.place
    before = place_of(row.place)
    return CONSOLE, noted(msgspec.structs.replace(before, change=change)) if change else row.place
