"""PURE: how API keys and personal tokens look, and what is kept of them.

`mdt_<8 id>_<43 secret>` is an API key, `mdp_…` a personal token, `mdi_…` an invitation. The id finds the row; what is kept is
HMAC-SHA256 of the whole
under a pepper that is not in the database, so that a stolen table opens nothing.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path

KEY_PREFIX = "mdt"
INVITATION_PREFIX = "mdi"
TOKEN_PREFIX = "mdp"  # noqa: S105 - how every token begins, no secret
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_LENGTH = 3 + 1 + 8 + 1 + 43


@dataclass(frozen=True, slots=True)
class Credential:
    """One secret as it is shown, once. `id` is public."""

    id: str
    shown: str = field(repr=False)


def new_credential(prefix: str) -> Credential:
    """A fresh key or token with 256 bits of secret."""
    public = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    return Credential(public, f"{prefix}_{public}_{secrets.token_urlsafe(32)}")


def public_id(shown: str, prefix: str) -> str | None:
    """The id inside what somebody presents, or None when it cannot be one of ours."""
    if len(shown) != _LENGTH or not shown.isascii():
        return None
    if not shown.startswith(f"{prefix}_") or shown[12] != "_":
        return None
    return shown[4:12]


def digest(pepper: bytes, shown: str) -> bytes:
    """What is kept: 32 bytes."""
    return hmac.digest(pepper, shown.encode(), hashlib.sha256)


def matches(pepper: bytes, shown: str, kept: bytes) -> bool:
    """Whether `shown` is the credential, compared in constant time."""
    return hmac.compare_digest(digest(pepper, shown), kept)


def read_pepper(keys_dir: Path) -> bytes:
    """The pepper of this installation. Raises FileNotFoundError before `init` has made it."""
    return bytes.fromhex((keys_dir / "pepper").read_text(encoding="ascii").strip())
