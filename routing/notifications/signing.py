"""PURE: a webhook's signature, as the Standard Webhooks specification has it: HMAC-SHA256 over id, timestamp and body."""

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"


def headers(secret: str, message: str, at: int, body: bytes) -> dict[str, str]:
    """`webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature`; the id stays when the same is sent again."""
    told = f"{message}.{at}.".encode() + body
    made = hmac.digest(key_of(secret), told, hashlib.sha256)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(at),
        "webhook-signature": "v1," + base64.b64encode(made).decode("ascii"),
    }


def key_of(secret: str) -> bytes:
    """The bytes of `whsec_<base64>`; any other secret is its own text."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        return secret.encode()
