"""What arrived at the sandbox upstream: counted, listed, and checked against the committed log."""

import base64
import hashlib
import time
from collections import Counter, OrderedDict, deque
from typing import Any, Protocol

import msgspec

from routing.upstream.script import BadBody

LISTED = 2_000
BODIES = 64
LARGEST_KEPT_BODY = 1024 * 1024
TRIES_KEPT = 50_000
NOTED_HEADERS = (b"anthropic-beta", b"anthropic-version", b"user-agent")


class Arrival(msgspec.Struct, kw_only=True):
    """One request. `ended`: open, answered, failed, cut, or gone (the client left first).

    `committed`: whether `attempt.started` was committed when it arrived; None when not checked.
    `at` is seconds since the epoch. `body` is the received body in base64, for the latest only.
    """

    no: int
    at: float
    path: str
    attempt: str = ""
    model: str = ""
    stream: bool = False
    ended: str = "open"
    status: int = 0
    committed: bool | None = None
    sha256: str = ""
    headers: dict[str, str] = {}
    body: str | None = None


class StartedCheck(Protocol):
    """Says whether an attempt's `started` entry is committed."""

    async def committed(self, attempt: str) -> bool:
        """`attempt` is `<call hex>/<no>`."""
        ...


class Arrivals:
    """The upstream's memory: bounded lists, unbounded counters."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._latest: deque[Arrival] = deque(maxlen=LISTED)
        self._bodies: deque[Arrival] = deque()
        self._tries: OrderedDict[str, int] = OrderedDict()
        self._violations: list[str] = []
        self._counts: Counter[str] = Counter()
        self._attempts: Counter[str] = Counter()

    def note(self, path: str, headers: dict[bytes, bytes], body: bytes) -> Arrival:
        """Record a request as it comes in."""
        self._counts["arrivals"] += 1
        arrival = Arrival(
            no=self._counts["arrivals"],
            at=time.time(),
            path=path,
            attempt=headers.get(b"x-mandate-attempt", b"").decode("latin-1"),
            sha256=hashlib.sha256(body).hexdigest(),
            headers={
                name.decode(): headers[name].decode("latin-1")
                for name in NOTED_HEADERS
                if name in headers
            },
        )
        if len(body) <= LARGEST_KEPT_BODY:
            arrival.body = base64.b64encode(body).decode()
            self._bodies.append(arrival)
            if len(self._bodies) > BODIES:
                self._bodies.popleft().body = None
        if arrival.attempt:
            self._attempts[arrival.attempt] += 1
        self._latest.append(arrival)
        return arrival

    def tries(self, arrival: Arrival, body: bytes) -> int:
        """How often this call (or, without the header, this very body) came to this model before."""
        call = arrival.attempt.partition("/")[0] or hashlib.sha256(body).hexdigest()
        key = f"{call} {arrival.model}"
        before = self._tries.pop(key, 0)
        self._tries[key] = before + 1
        if len(self._tries) > TRIES_KEPT:
            self._tries.popitem(last=False)
        return before

    def end(self, arrival: Arrival, how: str) -> None:
        """Record how the request ended."""
        arrival.ended = how
        self._counts[how] += 1

    def checked(self, arrival: Arrival, *, committed: bool) -> None:
        """Record what the log said; not committed is a violation of invariant 1."""
        arrival.committed = committed
        self._counts["checked"] += 1
        if not committed:
            self._violations.append(
                arrival.attempt or f"arrival {arrival.no} has no attempt header"
            )

    def report(self) -> bytes:
        """`{counts, violations, repeated, arrivals}` as JSON; the oldest of the listed first."""
        report: dict[str, Any] = {
            "counts": dict(self._counts),
            "violations": self._violations,
            "repeated": sorted(name for name, count in self._attempts.items() if count > 1),
            "arrivals": list(self._latest),
        }
        return msgspec.json.encode(report)


def decode(body: bytes) -> dict[str, Any]:
    """The body as an object. Raises BadBody."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBody("we could not parse the JSON body of your request") from error
    if not isinstance(value, dict):
        raise BadBody("the body of a request is a JSON object")
    return value
