"""Answer a request with a key once: the same again gets the same answer, for a day. A secret is kept sealed."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.db import IntegrityError, transaction

from audit.vault.seal import NONCE_BYTES, seal, unseal
from controlplane.kernel.errors import Conflict, InvalidRequest
from policies.order.lock import mandate_now
from policies.repeats.models import Repeat

DAY = timedelta(hours=24)
UNFINISHED = timedelta(minutes=10)
MAX_KEY = 200
LEAST_KEY = 16
"""Characters of a key that opens a secret: a UUID has more, a counter fewer."""
Answer = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class Sealing:
    """The member of an answer that is a secret, and the pepper without which nobody opens what is kept of it."""

    member: str
    pepper: bytes = field(repr=False)


def once(
    actor: str,
    key: str,
    request: object,
    work: Callable[[], Answer],
    sealing: Sealing | None = None,
) -> Answer:
    """What `work` answered (status, JSON), now or the first time. `request` is all that makes two requests the same.

    Raises Conflict where the key came with another request, or where its first request is still being answered; InvalidRequest
    for a key that cannot be one. What `work` raises is not kept: the same key may be tried again.
    """
    least = LEAST_KEY if sealing else 1
    if not key.isascii() or not key.isprintable() or not least <= len(key) <= MAX_KEY:
        raise InvalidRequest(
            f"an Idempotency-Key here has {least} to {MAX_KEY} printable ASCII characters"
        )
    told = sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    row = _begin(
        Repeat(
            actor=actor,
            key=sha256(key.encode()).hexdigest(),
            request=told,
            secret=sealing.member if sealing else "",
        )
    )
    if row.status is not None:
        return row.status, _opened(row, key, sealing)
    done = False
    try:
        status, answer = work()
        done = True
    finally:
        if not done:
            row.delete()
    _keep(row, (status, answer), key, sealing)
    return status, answer


def forget() -> int:
    """Forget what was answered more than a day ago, with what was sealed; how many."""
    return Repeat.objects.filter(created_at__lt=mandate_now() - DAY).delete()[0]


def _begin(wanted: Repeat) -> Repeat:
    """A row of our own, or the finished one of the same request."""
    now = mandate_now()
    own = Repeat.objects.filter(actor=wanted.actor)
    own.filter(created_at__lt=now - DAY).delete()
    # a process that died leaves its row: after a while the key may be used again, but never to make a second secret
    own.filter(status=None, secret="", created_at__lt=now - UNFINISHED).delete()
    wanted.created_at = now
    try:
        with transaction.atomic():
            wanted.save(force_insert=True)
            return wanted
    except IntegrityError:
        found = own.get(key=wanted.key)
    if found.request != wanted.request:
        raise Conflict("this Idempotency-Key came with another request")
    if found.status is None:
        raise Conflict(
            "the first request with this Idempotency-Key is still being answered, or broke off: see what exists before you "
            "take another key"
        )
    return found


def _keep(row: Repeat, said: Answer, key: str, sealing: Sealing | None) -> None:
    """INVARIANT: a secret is kept sealed, under a key that is not in the database."""
    row.status, row.answer = said
    if sealing is not None:
        row.answer = {name: value for name, value in said[1].items() if name != sealing.member}
        nonce, text = seal(_key(row, key, sealing), _place(row), said[1][sealing.member].encode())
        row.sealed = nonce + text
    row.save(update_fields=["status", "answer", "sealed"])


def _opened(row: Repeat, key: str, sealing: Sealing | None) -> Any:  # noqa: ANN401 - JSON
    if sealing is None or row.sealed is None:
        return row.answer
    kept = bytes(row.sealed)
    opened = unseal(_key(row, key, sealing), _place(row), kept[:NONCE_BYTES], kept[NONCE_BYTES:])
    return {**(row.answer or {}), sealing.member: opened.decode()}


def _key(row: Repeat, key: str, sealing: Sealing) -> bytes:
    info = b"mandate/repeat/1\0" + row.actor.encode() + b"\0" + key.encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(sealing.pepper)


def _place(row: Repeat) -> bytes:
    return b"mandate/repeat/1\0" + row.request.encode() + row.secret.encode()
