"""A failed sign-in is an entry, up to a limit for each address and for all: nobody may fill the log by guessing.

Those beyond it are one entry of each process and window, `signin.failed-more`, that says how many; a process that is killed
meanwhile takes its count along, but for the metric. The address itself is kept nowhere but in this process's memory.
"""

import threading
import time
from collections import OrderedDict

import structlog
from django.db import DatabaseError, connection, transaction
from prometheus_client import Counter

from policies.identity.models import User
from policies.order.entries import append_entry
from policies.order.lock import mandate_now

WINDOW_SECONDS = 60.0
OF_ONE_ADDRESS = 10
OF_ALL = 60
_ADDRESSES_AT_MOST = 10_000

failed = Counter("mandate_signin_failed_total", "Failed sign-ins, those without an entry too")
_log = structlog.get_logger(__name__)
_lock = threading.Lock()
_more = 0
"""How many had no entry of their own since the last that said so."""
_recent: OrderedDict[str, tuple[float, int]] = OrderedDict()
_IN_THE_LOG = """
SELECT count(*) FROM audit_entry
WHERE call IS NULL AND id >= uuid7_floor(clock_timestamp() - make_interval(secs => %s)) AND kind = 'signin.failed'
"""


def note_failed_sign_in(address: str, typed: str) -> bool:
    """Append `signin.failed`, naming the member where `typed` is one; what else was typed is not kept. False: too many."""
    failed.inc()
    if not (_address_may(address) and _all_may()):
        _one_more()
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


def tell_more() -> int:
    """Append how many had no entry of their own; none, no entry. What cannot be said now is said with the next ones."""
    global _more
    with _lock:
        count, _more = _more, 0
    if not count:
        return 0
    try:
        with transaction.atomic():
            append_entry(
                "signin.failed-more",
                actor="anonymous:console",
                at=mandate_now(),
                data={"count": count, "withinSeconds": int(WINDOW_SECONDS)},
            )
    except DatabaseError as error:
        _log.warning("failed_sign_ins_untold", count=count, error=type(error).__name__)
        _one_more(count)
        return 0
    return count


def _one_more(count: int = 1) -> None:
    global _more
    with _lock:
        first, _more = not _more, _more + count
    if first:
        _later()


def _later() -> None:
    """Say it when the window is over, whether or not anybody tries again."""
    timer = threading.Timer(WINDOW_SECONDS, _told_apart)
    timer.daemon = True
    timer.start()


def _told_apart() -> None:
    try:
        tell_more()
    finally:
        connection.close()  # of this thread, which ends


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
