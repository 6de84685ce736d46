"""UUIDv7 ids (RFC 9562 section 5.7), monotonic within a process, and the names callers see."""

import os
import threading
from datetime import UTC, datetime
from uuid import UUID

from controlplane.kernel.clock import Clock, system_clock

_RAND_BITS = 74
_PREFIXES = ("call_", "chatcmpl-", "resp_", "msg_")


class IdSource:
    """Makes UUIDv7s that only grow within this process, also when its clock steps back. Thread-safe, fork-safe."""

    def __init__(self, clock: Clock = system_clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0
        self._pid = os.getpid()

    def new(self) -> UUID:
        """The next id."""
        millis = int(self._clock().timestamp() * 1000)
        fresh = (millis << _RAND_BITS) | (int.from_bytes(os.urandom(10)) >> 6)
        with self._lock:
            if self._pid != os.getpid():
                self._pid, self._last = os.getpid(), 0
            if fresh <= self._last:
                # a step of random size keeps ids of one millisecond unguessable and in order
                fresh = self._last + 1 + int.from_bytes(os.urandom(4))
            self._last = fresh
        return _stamp(fresh)


def _stamp(value: int) -> UUID:
    millis, rand = value >> _RAND_BITS, value & ((1 << _RAND_BITS) - 1)
    rand_a, rand_b = rand >> 62, rand & ((1 << 62) - 1)
    return UUID(int=(millis << 80) | (7 << 76) | (rand_a << 64) | (0b10 << 62) | rand_b)


def uuid7_floor(moment: datetime) -> UUID:
    """The bound that separates ids made before `moment` from those made after: 48 bits of milliseconds, then zeros."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def uuid7_time(value: UUID) -> datetime:
    """When a UUIDv7 was made, to the millisecond, UTC."""
    return datetime.fromtimestamp((value.int >> 80) / 1000, tz=UTC)


def call_name(call: UUID, prefix: str = "call_") -> str:
    """What callers see: the prefix and 32 hex digits of the same call."""
    return prefix + call.hex


def parse_call_name(text: str) -> UUID:
    """The call behind `call_…`, `chatcmpl-…`, `resp_…`, `msg_…` or a bare UUID. Raises ValueError."""
    for prefix in _PREFIXES:
        if text.startswith(prefix):
            return UUID(hex=text.removeprefix(prefix))
    return UUID(text)
