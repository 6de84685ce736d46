"""Signed notes (C2SP signed-note) with Ed25519: text, an empty line, and lines `— name base64(key id, signature)`."""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = 0x01
MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100
_PREFIX = "— "
_PRIVATE = "PRIVATE+KEY+"


class BadNote(ValueError):
    """The note is malformed, no known key signed it, or a known key's signature is wrong."""


class BadKey(ValueError):
    """The text is no key: `name+8 hex digits+base64` (private ones begin with `PRIVATE+KEY+`)."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under a name. The id is a hint for finding it; the key itself is what is trusted."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        """Raise BadKey for a name that no signature line could carry."""
        if not valid_name(self.name):
            raise BadKey(f'"{self.name}" is no name of a key: no spaces, no "+", not empty')
        if len(self.public) != 32:
            raise BadKey("an Ed25519 public key has 32 bytes")

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_encode(bytes([ED25519]) + self.public)}"

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        parts = self.name.encode() + b"\n" + bytes([ED25519]) + self.public
        return hashlib.sha256(parts).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name+id+base64`. Raises BadKey."""
        name, identity, data = split_key(text)
        key = cls(name, data)
        if key.id.hex() != identity:
            raise BadKey(f'the id "{identity}" does not belong to the key of "{name}"')
        return key

    def check(self, text: bytes, signature: bytes) -> None:
        """Verify a bare signature. Raises BadNote."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except InvalidSignature as error:
            raise BadNote(f'the signature of "{self.name}" is wrong') from error


class SignerKey:
    """A private key under a name. Its text form is a secret; nothing here prints it."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.earlier: tuple[VerifierKey, ...] = ()
        """The keys that this one followed, the oldest first; it signs on top of what they signed."""
        self.verifier = VerifierKey(name, private.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, name: str) -> Self:
        """Make a new key."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `secret_text` wrote. Raises BadKey, quoting nothing of it."""
        name, identity, private = read_secret(text, ED25519, "a log")
        key = cls(name, private)
        if key.verifier.id.hex() != identity:
            raise BadKey("the private key does not belong to its id")
        return key

    @property
    def known(self) -> tuple[VerifierKey, ...]:
        """Every key of this log, the oldest first."""
        return (*self.earlier, self.verifier)

    def secret_text(self) -> str:
        """Return the key as text, to be stored where only the log's owner reads."""
        return write_secret(self.verifier.name, self.verifier.id, self._private, ED25519)

    def renamed(self, name: str) -> Self:
        """Return the same key under another name."""
        return type(self)(name, self._private)

    def sign(self, text: bytes) -> bytes:
        """Return a bare signature of 64 bytes."""
        return self._private.sign(text)


@dataclass(frozen=True, slots=True)
class Note:
    """A note whose signatures were checked: its text, and the known keys that signed it."""

    text: str
    signed_by: tuple[VerifierKey, ...]


def sign_note(text: str, *signers: SignerKey) -> str:
    """Return the signed note over a text that ends in a newline. Raises BadNote."""
    if not text.endswith("\n") or not _clean(text):
        raise BadNote("a note's text ends in a newline and holds no other control characters")
    lines = [
        f"{_PREFIX}{key.verifier.name} {_encode(key.verifier.id + key.sign(text.encode()))}\n"
        for key in signers
    ]
    return f"{text}\n{''.join(lines)}"


def open_note(note: str, known: Iterable[VerifierKey]) -> Note:
    """Check a note against the keys one trusts. Lines of other keys are ignored. Raises BadNote.

    A wrong signature of a known key refuses the note, whatever else signed it.
    """
    text, lines = split_note(note)
    trusted = {(key.name, key.id): key for key in known}
    signed_by: dict[tuple[str, bytes], VerifierKey] = {}
    for line in lines:
        name, identity, signature = _parse_line(line)
        key = trusted.get((name, identity))
        if key is None:
            continue
        if (name, identity) in signed_by:
            raise BadNote(f'"{name}" signed twice with one key')
        key.check(text.encode(), signature)
        signed_by[name, identity] = key
    if not signed_by:
        raise BadNote("no known key signed this note")
    return Note(text, tuple(signed_by.values()))


def split_note(note: str) -> tuple[str, list[str]]:
    """Return the text and the signature lines, nothing checked but the form. Raises BadNote."""
    if len(note) > MAX_NOTE_BYTES or not _clean(note):
        raise BadNote("this is no note: too long, or with control characters")
    at = note.rfind("\n\n")
    if at < 0 or not note.endswith("\n"):
        raise BadNote("a note ends in an empty line and signatures")
    lines = note[at + 2 :].split("\n")[:-1]
    if not 1 <= len(lines) <= MAX_SIGNATURES:
        raise BadNote(f"a note has 1 to {MAX_SIGNATURES} signatures, not {len(lines)}")
    return note[: at + 1], lines


def valid_name(name: str) -> bool:
    """Whether the name can stand in a signature line."""
    return bool(name) and "+" not in name and not any(c.isspace() for c in name) and _clean(name)


def decode_base64(text: str) -> bytes:
    """Decode standard base64 in its one canonical spelling. Raises ValueError."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError(f'"{text[:80]}" is not base64') from error
    if _encode(data) != text:
        raise ValueError(f'"{text[:80]}" is not canonical base64')
    return data


def split_key(text: str, kind: int = ED25519) -> tuple[str, str, bytes]:
    """Take `name+id+base64` apart into name, id and key material of this kind. Raises BadKey."""
    parts = text.split("+", 2)
    if len(parts) != 3 or len(parts[1]) != 8:
        raise BadKey("a key is written as name+8 hex digits+base64")
    try:
        data = decode_base64(parts[2])
    except ValueError:
        raise BadKey(f'the key of "{parts[0]}" is not base64') from None
    if data[:1] != bytes([kind]):
        raise BadKey(f'the key of "{parts[0]}" is of another kind than is used here')
    return parts[0], parts[1], data[1:]


def read_secret(text: str, kind: int, whose: str) -> tuple[str, str, Ed25519PrivateKey]:
    """Take what `write_secret` wrote apart: name, id, key. Raises BadKey, quoting nothing of it."""
    if not text.startswith(_PRIVATE):
        raise BadKey(f"this is no private key of {whose}")
    name, identity, seed = split_key(text.removeprefix(_PRIVATE), kind)
    if len(seed) != 32:
        raise BadKey("an Ed25519 private key has 32 bytes")
    return name, identity, Ed25519PrivateKey.from_private_bytes(seed)


def write_secret(name: str, identity: bytes, private: Ed25519PrivateKey, kind: int) -> str:
    """A private key of this kind as text."""
    seed = bytes([kind]) + private.private_bytes_raw()
    return f"{_PRIVATE}{name}+{identity.hex()}+{_encode(seed)}"


def _parse_line(line: str) -> tuple[str, bytes, bytes]:
    parts = line.removeprefix(_PREFIX).split(" ")
    if not line.startswith(_PREFIX) or len(parts) != 2 or not valid_name(parts[0]):
        raise BadNote("a signature line is malformed")
    try:
        data = decode_base64(parts[1])
    except ValueError as error:
        raise BadNote(f'the signature of "{parts[0]}" is not base64') from error
    if len(data) < 5:
        raise BadNote(f'the signature of "{parts[0]}" is too short')
    return parts[0], data[:4], data[4:]


def _clean(text: str) -> bool:
    """No control characters but newlines, and nothing that UTF-8 cannot carry."""
    return not any((c < " " and c != "\n") or "\ud800" <= c <= "\udfff" for c in text)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
