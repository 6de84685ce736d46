"""What a register is, and how a signer asks it: nothing is signed that does not extend what it holds.

A register keeps one text for each origin: the note that was signed last. It is moved by compare-and-swap, so of two signers
with one key (a restored backup, a cloned database) only one goes on. A swap whose outcome is unknown counts as failed: the
next step loads again, and finds either note.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from audit.merkle.checkpoint import BadCheckpoint, Checkpoint
from audit.merkle.note import BadNote, VerifierKey, open_note
from audit.merkle.tree import BadTree

RootAt = Callable[[int], bytes]
"""The root that the log has at a smaller size. Raises BadTree where its tiles do not reach so far."""


class RegisterError(RuntimeError):
    """Nothing may be signed; the message says why."""


class Unreachable(RegisterError):
    """The register did not answer, or not in time: what it holds now is unknown."""


class Moved(RegisterError):
    """It holds another note than the one that was to be replaced: somebody else signs."""


class Ahead(RegisterError):
    """The register's tree is larger than ours: this database has lost entries that were signed."""


class Forked(RegisterError):
    """Our tree does not begin with the register's: this is another history under the same name."""


class Register(Protocol):
    """One independent place."""

    @property
    def place(self) -> str:
        """Where it is, for people; no secret in it."""

    def load(self, origin: str) -> str | None:
        """The note held for an origin, None before the first. Raises Unreachable."""

    def swap(self, origin: str, old: str | None, new: str) -> None:
        """Replace `old` by `new`, durably, or change nothing. Raises Moved, and Unreachable when the outcome is unknown."""


class Registered:
    """One signer's view of the register. It looks every time, since another signer of the same log may have gone on."""

    def __init__(self, register: Register, known: Iterable[VerifierKey]) -> None:
        self._register = register
        self._known = tuple(known)
        self._held: str | None = None
        self._head: Checkpoint | None = None

    @property
    def place(self) -> str:
        """Where the register is."""
        return self._register.place

    def admit(self, head: Checkpoint, root_at: RootAt) -> None:
        """Let a head be signed only if it extends what is held. Raises Ahead, Forked, RegisterError."""
        held = self.held(head.origin)
        # INVARIANT: a signer whose database went back, or went another way, signs nothing
        if held is not None:
            extends(held, head, root_at)

    def held(self, origin: str) -> Checkpoint | None:
        """The head that is held, its signature checked; None before the first. Raises RegisterError."""
        note = self._register.load(origin)
        if note == self._held:
            return self._head
        head = None if note is None else self._read(note, origin)
        self._held, self._head = note, head
        return head

    @property
    def last(self) -> Checkpoint | None:
        """The head that was held when last looked at."""
        return self._head

    @property
    def note(self) -> str | None:
        """The note of that head."""
        return self._held

    def record(self, origin: str, note: str) -> None:
        """Put the signed note in the place of the one that it was admitted over. Raises Moved, Unreachable."""
        self._register.swap(origin, self._held, note)
        self._held, self._head = note, self._read(note, origin)

    def _read(self, note: str, origin: str) -> Checkpoint:
        try:
            found = Checkpoint.parse(open_note(note, self._known).text)
        except (BadNote, BadCheckpoint) as error:
            raise RegisterError(
                f"what the register holds is no checkpoint of ours: {error}"
            ) from error
        if found.origin != origin:
            raise RegisterError(f'the register holds "{found.origin}" where "{origin}" should be')
        return found


def extends(held: Checkpoint, head: Checkpoint, root_at: RootAt) -> None:
    """Check that `head` is `held` or grew out of it. Raises Ahead, Forked."""
    if held.size > head.size:
        raise Ahead(
            f"size {held.size} was signed before, the database would have {head.size}:"
            " entries are gone; see docs/runbooks.md, restore"
        )
    try:
        root = head.root if held.size == head.size else root_at(held.size)
    except BadTree as error:
        raise Forked(f"the tree of size {held.size} cannot be read any more: {error}") from error
    if root != held.root:
        raise Forked(
            f"at size {held.size} another root was signed before than this database has:"
            " this is a second history; see docs/runbooks.md, fork"
        )
