"""Cosignatures (C2SP tlog-cosignature, Ed25519): a witness states, with a time, that a checkpoint extends what it saw before."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.merkle.note import (
    BadKey,
    BadNote,
    decode_base64,
    read_secret,
    split_key,
    valid_name,
    write_secret,
)

COSIGNATURE = 0x04
_PREFIX = "— "
_SIGNATURE_BYTES = 4 + 8 + 64


@dataclass(frozen=True, slots=True)
class Cosignature:
    """One checked cosignature: its line as it stands in the note, and when the witness signed (seconds since 1970)."""

    line: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's public key under its name."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        """Raise BadKey for a name that no signature line could carry."""
        if not valid_name(self.name) or len(self.public) != 32:
            raise BadKey(f'"{self.name[:80]}" with {len(self.public)} bytes is no key of a witness')

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_encode(bytes([COSIGNATURE]) + self.public)}"

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        parts = self.name.encode() + b"\n" + bytes([COSIGNATURE]) + self.public
        return hashlib.sha256(parts).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name+id+base64`. Raises BadKey."""
        name, identity, data = split_key(text, COSIGNATURE)
        key = cls(name, data)
        if key.id.hex() != identity:
            raise BadKey(f'the id "{identity}" does not belong to the key of "{name}"')
        return key

    def check(self, text: str, line: str) -> Cosignature | None:
        """Check one signature line over a checkpoint's text; None for a line of another key. Raises BadNote."""
        parts = line.removesuffix("\n").removeprefix(_PREFIX).split(" ")
        if not line.startswith(_PREFIX) or len(parts) != 2:
            raise BadNote("a signature line is malformed")
        try:
            data = decode_base64(parts[1])
        except ValueError as error:
            raise BadNote("a signature is not base64") from error
        if parts[0] != self.name or data[:4] != self.id:
            return None
        if len(data) != _SIGNATURE_BYTES:
            raise BadNote(f'the cosignature of "{self.name}" has {len(data)} bytes')
        timestamp = int.from_bytes(data[4:12])
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(
                data[12:], _signed(text, timestamp)
            )
        except InvalidSignature as error:
            raise BadNote(f'the cosignature of "{self.name}" is wrong') from error
        return Cosignature(line.removesuffix("\n") + "\n", timestamp)


class Cosigner:
    """A witness's private key. Its text form is a secret; nothing here prints it."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.verifier = WitnessKey(name, private.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, name: str) -> Self:
        """Make a new key."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `secret_text` wrote. Raises BadKey, quoting nothing of it."""
        name, identity, private = read_secret(text, COSIGNATURE, "a witness")
        key = cls(name, private)
        if key.verifier.id.hex() != identity:
            raise BadKey("the private key does not belong to its id")
        return key

    def secret_text(self) -> str:
        """Return the key as text, to be stored where only the witness reads."""
        return write_secret(self.verifier.name, self.verifier.id, self._private, COSIGNATURE)

    def cosign(self, text: str, timestamp: int) -> str:
        """Return the signature line over a checkpoint's text."""
        signature = self._private.sign(_signed(text, timestamp))
        data = self.verifier.id + timestamp.to_bytes(8) + signature
        return f"{_PREFIX}{self.verifier.name} {_encode(data)}\n"


def _signed(text: str, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
