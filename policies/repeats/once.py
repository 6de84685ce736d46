"""Answer a request with a key once: the same again gets the same answer, for a day."""

import json
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.db import IntegrityError, transaction

from controlplane.kernel.errors import Conflict, InvalidRequest
from policies.order.lock import mandate_now
from policies.repeats.models import Repeat

DAY = timedelta(hours=24)
UNFINISHED = timedelta(minutes=10)
MAX_KEY = 200
Answer = tuple[int, Any]


def once(actor: str, key: str, request: object, work: Callable[[], Answer]) -> Answer:
    """What `work` answered (status, JSON), now or the first time. `request` is all that makes two requests the same.

    Raises Conflict where the key came with another request, or where its first request is still being answered; InvalidRequest
    for a key that cannot be one. What `work` raises is not kept: the same key may be tried again.
    """
    if not key.isascii() or not key.isprintable() or not 0 < len(key) <= MAX_KEY:
        raise InvalidRequest(f"an Idempotency-Key has 1 to {MAX_KEY} printable ASCII characters")
    told = sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    row = _begin(actor, key, told)
    if row.status is not None:
        return row.status, row.answer
    done = False
    try:
        row.status, row.answer = work()
        done = True
    finally:
        if not done:
            row.delete()
    row.save(update_fields=["status", "answer"])
    return row.status, row.answer


def _begin(actor: str, key: str, request: str) -> Repeat:
    """A row of our own, or the finished one of the same request."""
    now = mandate_now()
    own = Repeat.objects.filter(actor=actor)
    own.filter(created_at__lt=now - DAY).delete()
    # a process that died leaves its row: after a while the key may be used again
    own.filter(status=None, created_at__lt=now - UNFINISHED).delete()
    try:
        with transaction.atomic():
            return Repeat.objects.create(actor=actor, key=key, request=request, created_at=now)
    except IntegrityError:
        found = own.get(key=key)
    if found.request != request:
        raise Conflict("this Idempotency-Key came with another request")
    if found.status is None:
        raise Conflict("the first request with this Idempotency-Key is still being answered")
    return found
