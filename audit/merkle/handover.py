"""PURE: a rotated key's word for the next one of its log, as a line: both public keys, and the old one's signature over them."""

import base64
from collections.abc import Collection

from audit.merkle.note import SignerKey, VerifierKey


def handover(old: SignerKey, new: VerifierKey) -> str:
    """The line that `old` signs while it still can."""
    signature = old.sign(_text(old.verifier, new))
    return f"{old.verifier} {new} {base64.b64encode(signature).decode('ascii')}"


def heir(line: str, known: Collection[VerifierKey]) -> VerifierKey | None:
    """The new key, where one of these keys signed for it, of the same log; None for any other line."""
    try:
        first, second, signed = line.split(" ")
        old, new = VerifierKey.parse(first), VerifierKey.parse(second)
        # INVARIANT: nobody is an heir but by the signature of a key that is known already
        if old not in known or new.name != old.name:
            return None
        old.check(_text(old, new), base64.b64decode(signed, validate=True))
    except ValueError:  # no three parts, no keys, no base64, or a signature of somebody else
        return None
    return new


def _text(old: VerifierKey, new: VerifierKey) -> bytes:
    """What no checkpoint and no seal begins with."""
    return f"mandate/key-handover/1\n{old}\n{new}\n".encode()
