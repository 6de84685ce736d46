"""A failed sign-in is an entry, up to a limit for each address and for all: nobody may fill the log by guessing.

An entry that is not written still counts in a metric. The address itself is kept nowhere but in this process's memory.
"""

import time
from collections import OrderedDict

from django.db import connection, transaction
from prometheus_client import Counter

from policies.identity.models import User
from policies.order.entries import append_entry
from policies.order.lock import mandate_now

WINDOW_SECONDS = 60.0
OF_ONE_ADDRESS = 10
OF_ALL = 60
_ADDRESSES_AT_MOST = 10_000

failed = Counter("mandate_signin_failed_total", "Failed sign-ins, those without an entry too")
_recent: OrderedDict[str, tuple[float, int]] = OrderedDict()
_IN_THE_LOG = """
SELECT count(*) FROM audit_entry
WHERE call IS NULL AND id >= uuid7_floor(clock_timestamp() - make_interval(secs => %s)) AND kind = 'signin.failed'
"""


def note_failed_sign_in(address: str, typed: str) -> bool:
    """Append `signin.failed`, naming the member where `typed` is one; what else was typed is not kept. False: too many."""
    failed.inc()
    if not (_address_may(address) and _all_may()):
        return False
    known = User.objects.filter(email=typed).exists()
    with transaction.atomic():
        append_entry(
            "signin.failed",
            actor="anonymous:console",
            at=mandate_now(),
            subject=f"member:{typed}" if known else "",
        )
    return True


def _address_may(address: str) -> bool:
    now = time.monotonic()
    began, count = _recent.get(address, (now, 0))
    if now - began >= WINDOW_SECONDS:
        began, count = now, 0
    _recent[address] = (began, count + 1)
    _recent.move_to_end(address)
    while len(_recent) > _ADDRESSES_AT_MOST:
        _recent.popitem(last=False)
    return count < OF_ONE_ADDRESS


def _all_may() -> bool:
    """Counted in the log itself, hence over all processes."""
    with connection.cursor() as cursor:
        cursor.execute(_IN_THE_LOG, [WINDOW_SECONDS])
        (count,) = cursor.fetchone()
    return bool(count < OF_ALL)
