"""Answer one `add-checkpoint`, as C2SP tlog-witness says: every check, then the memory, then the cosignature.

404 an unknown log; 403 no signature of a key that is trusted for it; 400 a request that cannot be; 409 another old size
than is remembered, or another root at the same size; 422 a proof that does not show consistency.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256

from audit.merkle.checkpoint import BadCheckpoint, Checkpoint
from audit.merkle.cosignature import Cosigner
from audit.merkle.handover import heir
from audit.merkle.note import BadNote, VerifierKey, open_note, split_note
from audit.merkle.proof import BadProof, verify_consistency
from audit.merkle.tree import EMPTY_ROOT
from audit.witness.request import AddCheckpoint, BadRequest
from audit.witness.state import Remembered, State

PLAIN, SIZE = "text/plain; charset=utf-8", "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, type and body."""

    status: int
    body: str
    kind: str = PLAIN


def _none() -> Iterable[str]:
    return ()


class Witness:
    """One witness: its key, its memory, the logs it knows and its clock.

    `handovers` reads what rotated keys signed about those after them, where this witness may read such lines.
    """

    def __init__(
        self,
        key: Cosigner,
        state: State,
        logs: Iterable[VerifierKey],
        clock: Callable[[], float],
        handovers: Callable[[], Iterable[str]] = _none,
    ) -> None:
        self.key = key
        self._state = state
        self._clock = clock
        self._handovers = handovers
        self._logs: dict[str, list[VerifierKey]] = {}
        for log in logs:
            self._logs.setdefault(log.name, []).append(log)

    def add_checkpoint(self, body: bytes) -> Answer:
        """One request. Raises OSError when the memory cannot be kept: then nothing is cosigned."""
        try:
            asked = AddCheckpoint.parse(body)
            text, _ = split_note(asked.note)
            head = Checkpoint.parse(text)
        except (BadRequest, BadNote, BadCheckpoint) as error:
            return Answer(400, f"{error}\n")
        known = self._logs.get(head.origin)
        if known is None:
            return Answer(404, "this witness does not know that log\n")
        try:
            self._open(asked.note, known)
        except BadNote as error:
            return Answer(403, f"{error}\n")
        if asked.old > head.size:
            return Answer(400, "the old size is larger than the new one\n")
        with self._state.locked(head.origin) as memory:
            return self._judge(asked, head, text, memory)

    def _open(self, note: str, known: list[VerifierKey]) -> None:
        """Check who signed it; where no known key did, one that a known key handed over to may have. Raises BadNote."""
        try:
            open_note(note, known)
        except BadNote:
            # every line is looked at, the oldest first: each may hand over to who signs the next
            if not sum(_learn(line, known) for line in self._handovers()):
                raise
            open_note(note, known)

    def _judge(
        self, asked: AddCheckpoint, head: Checkpoint, text: str, memory: Remembered
    ) -> Answer:
        """Compare with the memory and move it: under its lock, so that no other request comes between."""
        held = memory.note()
        last = _head(held)
        if asked.old != last.size:
            return Answer(409, f"{last.size}\n", SIZE)
        if head.size == last.size and head.root != last.root:
            self._accuse(held, asked)
            return Answer(409, f"{last.size}\n", SIZE)
        try:
            verify_consistency(last.size, head.size, asked.proof, last.root, head.root)
        except BadProof as error:
            self._accuse(held, asked)
            return Answer(422, f"{error}\n")
        # INVARIANT: what is cosigned is on disk first, so that no restart can cosign another history
        memory.remember(asked.note)
        return Answer(200, self.key.cosign(text, int(self._clock())))

    def _accuse(self, held: str | None, asked: AddCheckpoint) -> None:
        """Both notes are signed by the log and cannot both be true of it, if the proof is the log's own."""
        text = f"{held or ''}\n=== offered ===\n{asked}"
        self._state.accuse(f"{sha256(text.encode()).hexdigest()[:16]}.txt", text)


def _learn(line: str, known: list[VerifierKey]) -> bool:
    """Whether a known key hands over to one that was not known; it is from then on."""
    found = heir(line, known)
    if found is None or found in known:
        return False
    known.append(found)
    return True


def _head(note: str | None) -> Checkpoint:
    """What is remembered; before the first, the empty tree."""
    if note is None:
        return Checkpoint("", 0, EMPTY_ROOT)
    return Checkpoint.parse(split_note(note)[0])
