"""When a model is called broken, and when it may be tried again. Pure: time comes in as seconds."""

from collections import deque

SPAN_SECONDS = 30.0
OUTCOMES = 20
LEAST_FAILURES = 5
SHARE = 0.5
COOL_SECONDS = 15.0
LONGEST_COOL_SECONDS = 120.0


class Circuit:
    """One model as one process saw it.

    It opens when, of the latest outcomes (20 at most, 30 s old at most), at least five and at least
    half failed. `until` then says from when it may be tried again; a failure after that opens it
    anew for twice as long, a success closes it.
    """

    def __init__(self) -> None:
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=OUTCOMES)
        self._cool = COOL_SECONDS
        self.until: float | None = None

    def record(self, now: float, *, ok: bool) -> bool:
        """Take an outcome in. True when it opened or closed the circuit."""
        if self.until is not None:
            return self._tried(now, ok=ok)
        self._outcomes.append((now, ok))
        recent = [good for at, good in self._outcomes if now - at <= SPAN_SECONDS]
        failed = recent.count(False)
        if ok or failed < LEAST_FAILURES or failed < SHARE * len(recent):
            return False
        self.until = now + self._cool
        return True

    def adopt(self, until: float) -> None:
        """Another process opened it: the next outcome after `until` is a trial here too."""
        self.until = max(until, self.until or 0.0)

    def _tried(self, now: float, *, ok: bool) -> bool:
        if self.until is None or now < self.until:
            # a call that was under way before it opened proves nothing
            return False
        self._outcomes.clear()
        if ok:
            self._cool, self.until = COOL_SECONDS, None
            return True
        self._cool = min(self._cool * 2, LONGEST_COOL_SECONDS)
        self.until = now + self._cool
        return True
