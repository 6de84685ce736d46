"""The log's key, and what it signs: the public checkpoint, and a seal over what the checkpoint does not say.

A checkpoint's note covers the bodies of the entries. When PostgreSQL took an entry, in which transaction, and how far
the sequencer had read are columns beside them; the seal covers those, so that `verify` names a change of them too.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from audit.files import replace, write_new
from audit.merkle.checkpoint import Checkpoint
from audit.merkle.note import BadNote, SignerKey, VerifierKey, open_note, sign_note

KEY_FILE = "log_key"
PUBLIC_KEY_FILE = "log_vkey"
EARLIER_KEYS_FILE = "log_vkeys_before"
"""The public keys that were rotated out, the oldest first, one a line."""
HANDOVERS_FILE = "log_handovers"
"""What each of them signed about the one after it (`audit.merkle.handover`): for a witness that knows only older ones."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NoLogKey(LookupError):
    """There is no public key of the log yet: the sequencer makes it when it first runs."""


@dataclass(frozen=True, slots=True)
class Head:
    """One row of `audit_checkpoint` without its signatures; `rows` is the digest of the rows that it added."""

    log: int
    seq: int
    size: int
    horizon: int
    signed_at: datetime
    root: bytes
    rows: bytes = field(repr=False)

    def seal_text(self) -> bytes:
        """Return what the seal signs."""
        parts = (
            "mandate/checkpoint-seal/1",
            self.log,
            self.seq,
            self.size,
            self.horizon,
            micros(self.signed_at),
            base64.b64encode(self.root).decode("ascii"),
            self.rows.hex(),
        )
        return "".join(f"{part}\n" for part in parts).encode("ascii")


def rows_digest(rows: Iterable[tuple[int, datetime]]) -> bytes:
    """Return the digest over (xid, recorded_at) of leaves in the order of their indexes."""
    digest = hashlib.sha256()
    for xid, recorded_at in rows:
        digest.update(row_bytes(xid, recorded_at))
    return digest.digest()


def row_bytes(xid: int, recorded_at: datetime) -> bytes:
    """Return the 16 bytes that stand for one leaf in `rows_digest`."""
    return xid.to_bytes(8) + micros(recorded_at).to_bytes(8, signed=True)


def micros(moment: datetime) -> int:
    """Return whole microseconds since 1970, exactly."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def sign(head: Head, key: SignerKey) -> tuple[str, bytes]:
    """Return the checkpoint's note and seal. The origin is the key's name."""
    text = Checkpoint(key.verifier.name, head.size, head.root).text()
    return sign_note(text, key), key.sign(head.seal_text())


def check(head: Head, note: str, seal: bytes, *known: VerifierKey) -> None:
    """Check both signatures and that the note says what the row says. Raises BadNote or BadCheckpoint."""
    opened = open_note(note, known)
    key, said = opened.signed_by[0], Checkpoint.parse(opened.text)
    if said != Checkpoint(key.name, head.size, head.root):
        raise BadNote(f"the note says size {said.size} of {said.origin}, the row size {head.size}")
    try:
        key.check(head.seal_text(), seal)
    except BadNote:
        raise BadNote("the seal does not fit the row or the rows that it added") from None


def has_key(folder: Path) -> bool:
    """Whether the log has its key already."""
    return (folder / KEY_FILE).is_file()


def signer(folder: Path, origin: str = "", place: str = "") -> SignerKey:
    """Return the log's private key, made once; the public one is written beside it for everybody to read.

    `origin` names a new log (a schema-less URL of the organisation's own); without it a random name is taken, under
    `place` (`demo/`).
    """
    path = folder / KEY_FILE
    if not has_key(folder):
        fresh = SignerKey.generate(origin or "mandate.invalid/new")
        if not origin:
            unique = hashlib.sha256(fresh.verifier.public).hexdigest()[:16]
            fresh = fresh.renamed(f"mandate.invalid/{place}{unique}/1")
        write_new(path, fresh.secret_text().encode() + b"\n")
    key = SignerKey.parse(path.read_text(encoding="utf-8").strip())
    if not write_new(folder / PUBLIC_KEY_FILE, f"{key.verifier}\n".encode()):
        _agree(folder, key)
    key.earlier = earlier_keys(folder)
    return key


def _agree(folder: Path, key: SignerKey) -> None:
    """A rotation that was cut off has the new private key beside the old public one."""
    if trusted_key(folder) != key.verifier:
        replace(folder / PUBLIC_KEY_FILE, f"{key.verifier}\n".encode(), mode=0o600)


def trusted_key(folder: Path) -> VerifierKey:
    """Return the log's public key as this installation knows it. Raises NoLogKey."""
    try:
        text = (folder / PUBLIC_KEY_FILE).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NoLogKey(
            "the log has no key yet; start the sequencer: python manage.py sequencer --once"
        ) from error
    return VerifierKey.parse(text.strip())


def key_changed(folder: Path) -> Callable[[], bool]:
    """Return a look that says whether the private key's file is another one by then."""

    def print_of() -> tuple[int, int]:
        found = (folder / KEY_FILE).stat()
        return found.st_ino, found.st_mtime_ns

    before = print_of()
    return lambda: print_of() != before


def earlier_keys(folder: Path) -> tuple[VerifierKey, ...]:
    """Return the public keys that were rotated out, the oldest first. Raises BadKey."""
    try:
        text = (folder / EARLIER_KEYS_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    return tuple(VerifierKey.parse(line) for line in text.splitlines())


def trusted_keys(folder: Path) -> tuple[VerifierKey, ...]:
    """Return every public key of the log, the oldest first. Raises NoLogKey."""
    return (*earlier_keys(folder), trusted_key(folder))


def key_and_earlier(folder: Path) -> tuple[VerifierKey, tuple[VerifierKey, ...]]:
    """Return the key that signs now, and those before it. Raises NoLogKey."""
    return trusted_key(folder), earlier_keys(folder)
