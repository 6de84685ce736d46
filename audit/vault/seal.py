"""AES-256-GCM, and what a sealed piece is bound to."""

import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class Tampered(ValueError):
    """The bytes are not what was sealed under this key for this place."""


def seal(key: bytes, aad: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
    """Return a fresh random nonce and the ciphertext (16 bytes longer than the plaintext)."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce, AESGCM(key).encrypt(nonce, plaintext, aad)


def unseal(key: bytes, aad: bytes, nonce: bytes, ciphertext: bytes) -> bytes:
    """Return the plaintext. Raises Tampered for another key, place, nonce or ciphertext."""
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except (InvalidTag, ValueError) as error:
        raise Tampered(
            "the sealed content does not open: another key, or it was changed"
        ) from error


def content_aad(call: UUID, field: str, no: int) -> bytes:
    """Return what binds a piece of content to its row in the vault: nothing can be moved to another."""
    return b"mandate/vault/1\0" + call.bytes + no.to_bytes(2) + field.encode("ascii")
