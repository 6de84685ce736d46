"""The keys of one call, derived from two that never come into PostgreSQL. Destroying either erases.

`HKDF-SHA-256(tenant's key of the month, subject's key; info = call id, purpose)`: 6 µs for a call.
"""

import hmac
from dataclasses import dataclass, field
from typing import NamedTuple, Self
from uuid import UUID

from audit.vault.seal import content_aad, seal, unseal
from audit.vault.store import KeyStore
from controlplane.kernel.ids import uuid7_time

_SALT = b"mandate/vault/1"


class Erased(LookupError):
    """A key that the content needs was destroyed: nobody can read it again."""


class Sealed(NamedTuple):
    """One row of the vault, in the order of `vault_put`'s parameters."""

    call: UUID
    field: str
    no: int
    tenant_key: str
    subject_key: str
    nonce: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class CallKeys:
    """The four sub-keys of a call (32 bytes each) and the names of the two keys they come from."""

    call: UUID
    tenant_key: str
    subject_key: str
    request: bytes = field(repr=False)
    answer: bytes = field(repr=False)
    frames: bytes = field(repr=False)
    commitments: bytes = field(repr=False)

    @classmethod
    def derive(cls, store: KeyStore, tenant: str, month: str, subject_key: str, call: UUID) -> Self:
        """Return the keys for a new call; the two keys are made if they are not there."""
        tenant_key = f"tenant/{tenant}/{month}"
        both = store.get_or_create(tenant_key) + store.get_or_create(subject_key)
        return cls(call, tenant_key, subject_key, *_subkeys(both, call))

    @classmethod
    def recall(cls, store: KeyStore, call: UUID, tenant_key: str, subject_key: str) -> Self:
        """Return the keys of a call that was sealed under these names. Raises Erased."""
        first, second = store.get(tenant_key), store.get(subject_key)
        if first is None or second is None:
            gone = tenant_key if first is None else subject_key
            raise Erased(f'the content is erased: the key "{gone}" is destroyed')
        return cls(call, tenant_key, subject_key, *_subkeys(first + second, call))

    def seal(self, field: str, plaintext: bytes, no: int = 0) -> Sealed:
        """Seal one part: `field` is `request`, `answer`, `weighed`, or `draft` (a person has yet to give it out)."""
        nonce, ciphertext = seal(self._key(field), content_aad(self.call, field, no), plaintext)
        return Sealed(self.call, field, no, self.tenant_key, self.subject_key, nonce, ciphertext)

    def unseal(self, sealed: Sealed) -> bytes:
        """Return the plaintext of a row of this call. Raises Tampered."""
        aad = content_aad(self.call, sealed.field, sealed.no)
        return unseal(self._key(sealed.field), aad, sealed.nonce, sealed.ciphertext)

    def commit(self, domain: str, value: bytes) -> str:
        """Return a commitment (hex) that can be checked only while both keys stand."""
        return hmac.digest(self.commitments, domain.encode() + b"\0" + value, "sha256").hex()

    def _key(self, field: str) -> bytes:
        match field:
            case "request":
                return self.request
            case "answer" | "draft" | "weighed":
                return self.answer
        raise ValueError(f'"{field}" is no field of the vault; use "request", "answer" or "draft"')


def _subkeys(both: bytes, call: UUID) -> tuple[bytes, bytes, bytes, bytes]:
    """RFC 5869: extract once, then expand to one block for each purpose."""
    secret = hmac.digest(_SALT, both, "sha256")
    request, answer, frames, commitments = (
        hmac.digest(secret, call.bytes + purpose + b"\x01", "sha256")
        for purpose in (b"request", b"answer", b"frames", b"commitments")
    )
    return request, answer, frames, commitments


def month_of(call: UUID) -> str:
    """Return the month (UTC) that the call's id was made in, as `2026-11`."""
    return f"{uuid7_time(call):%Y-%m}"


def subject_of_user(tenant: str, commitment: str) -> str:
    """Return the name of the key of a committed user (see `commit_user`)."""
    return f"subject/{tenant}/user/{commitment}"


def subject_of_team(tenant: str, team: str) -> str:
    """Return the name of the key that stands in where a call names no user."""
    return f"subject/{tenant}/team/{team}"


def commit_user(store: KeyStore, tenant: str, user: str) -> str:
    """Return the tenant's commitment to a user (hex): always the same, and useless without its key."""
    return _committed(store.get_or_create(f"subjects/{tenant}"), b"user", user)


def commit_run(store: KeyStore, tenant: str, run: str) -> str:
    """Return the tenant's commitment to the name of a run (hex): its calls find each other by it."""
    return _committed(store.get_or_create(f"subjects/{tenant}"), b"run", run)


def find_run(store: KeyStore, tenant: str, run: str) -> str:
    """The same for whoever looks for a run; empty where the tenant never committed anything."""
    key = store.get(f"subjects/{tenant}")
    return _committed(key, b"run", run) if key else ""


def find_user(store: KeyStore, tenant: str, user: str) -> str:
    """The name of a user's key, for whoever looks; empty where the tenant never committed anybody."""
    key = store.get(f"subjects/{tenant}")
    return subject_of_user(tenant, _committed(key, b"user", user)) if key else ""


def _committed(key: bytes, domain: bytes, text: str) -> str:
    return hmac.digest(key, domain + b"\0" + text.encode("utf-8", "surrogatepass"), "sha256").hex()
