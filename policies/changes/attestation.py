"""A review in Git, signed by the pipeline that saw it: who approved which commit, over which base, for exactly which content.

Operators list the pipelines' public keys in MANDATE_KEYS_DIR/attestation_keys, a line each: an id, the Ed25519 key in base64, and
the repository that it speaks for. Whether those people may approve is asked afterwards, as of everybody.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from audit.merkle import canonical
from controlplane.kernel.errors import Forbidden, InvalidRequest

KEYS_FILE: Final = "attestation_keys"
FRESH: Final = timedelta(hours=24)
_AHEAD: Final = timedelta(minutes=5)
_CONTEXT: Final = b"mandate/attestation/1\n"
_LARGEST: Final = 64 * 1024


class AttestationRefused(Forbidden):
    """The root of why a review in Git does not count."""

    code = "attestation_refused"


class UnknownKey(AttestationRefused):
    """No operator listed the key that it names, or listed it for another repository."""

    code = "attestation_unknown_key"


class Forged(AttestationRefused):
    """The signature is not of these words."""

    code = "attestation_forged"


class OtherContent(AttestationRefused):
    """It is about another content than what would be published."""

    code = "attestation_other_content"


class OtherBase(AttestationRefused):
    """It was made over another revision than the one in force."""

    code = "attestation_other_base"


class NotFresh(AttestationRefused):
    """It is older than a day, or from the future."""

    code = "attestation_not_fresh"


class Used(AttestationRefused):
    """It has counted once already."""

    code = "attestation_used"


class ByAuthor(AttestationRefused):
    """Who wrote the commit is among those who approved it."""

    code = "attestation_by_author"


class Attestation(
    msgspec.Struct, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True
):
    """What is attested. `content` is the digest of a plan, `at` when it was signed."""

    repository: str
    commit: str
    content: str
    base: int
    author: str
    approvers: tuple[str, ...]
    at: datetime


class _Signed(
    msgspec.Struct, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True
):
    attestation: Attestation
    key: str
    signature: str


@dataclass(frozen=True, slots=True)
class Key:
    """One listed key: the repository that it speaks for."""

    public: bytes
    repository: str


@dataclass(frozen=True, slots=True)
class Checked:
    """One whose signature was found right; `digest` tells it from every other."""

    attestation: Attestation
    digest: str


def signed(attestation: Attestation, key_id: str, pem: bytes) -> str:
    """The attestation with its signature, as one line. Raises InvalidRequest where the key is none."""
    signature = _private(pem).sign(_words(attestation))
    found = _Signed(
        attestation=attestation, key=key_id, signature=base64.b64encode(signature).decode()
    )
    return msgspec.json.encode(found).decode()


def key_line(key_id: str, pem: bytes, repository: str) -> str:
    """What operators list for a private key."""
    public = _private(pem).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"{key_id} {base64.b64encode(public).decode()} {repository}"


def listed_keys(folder: Path) -> Mapping[str, Key]:
    """The keys that operators listed; a line that cannot be read lists none."""
    try:
        lines = (folder / KEYS_FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    parts = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return {p[0]: Key(_bytes(p[1]), p[2]) for p in parts if len(p) == 3}


def checked(text: str, keys: Mapping[str, Key], now: datetime) -> Checked:
    """What it says, once its signature, its key and its age are right. Raises InvalidRequest, AttestationRefused."""
    if len(text) > _LARGEST:
        raise InvalidRequest("an attestation has at most 64 KiB")
    try:
        found = msgspec.json.decode(text, type=_Signed)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidRequest(f"this is no attestation: {error}") from error
    said, key = found.attestation, keys.get(found.key)
    if key is None or key.repository != said.repository:
        raise UnknownKey(f'no key "{found.key[:60]}" is listed for {said.repository[:200]}')
    # INVARIANT: nobody approves by a paper that nobody signed
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(_bytes(found.signature), _words(said))
    except (InvalidSignature, ValueError) as error:
        raise Forged("the signature of this attestation is not of what it says") from error
    if said.at.tzinfo is None or not -_AHEAD <= now - said.at <= FRESH:
        raise NotFresh("this attestation is older than a day, or from the future: sign it again")
    if said.author.lower() in {email.lower() for email in said.approvers}:
        raise ByAuthor(f"{said.author} wrote this commit and does not approve it")
    return Checked(said, sha256(_words(said)).hexdigest())


def require_of(found: Checked, content: str, base: int) -> None:
    """Raises OtherBase, OtherContent unless it is about exactly this."""
    if found.attestation.base != base:
        raise OtherBase(
            f"this attestation is over revision {found.attestation.base}, and {base} is in force"
        )
    if found.attestation.content != content:
        raise OtherContent("this attestation is of another content than what would be published")


def _words(attestation: Attestation) -> bytes:
    return _CONTEXT + canonical.dumps(msgspec.to_builtins(attestation))


def _private(pem: bytes) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise InvalidRequest("this is no private key in PEM without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidRequest("the key of an attestation is an Ed25519 key")
    return key


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
