"""The state machines and the money of calls once more, as simple as they can be said: what PostgreSQL is compared with.

No locks, no ids of entries, no in-doubt: one step after another, each answering the name of the class that the command answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from routing.calls.states import (
    ATTEMPT_STEPS,
    CALL_STEPS,
    PENDING,
    TERMINAL,
    AttemptState,
    CallState,
)
from tests.routing.calls.review_reference import Review, Reviews


@dataclass
class Window:
    """Counters as the ledger's row has them; `limit` and `hard` are those in force."""

    limit: int
    hard: bool
    posted: int = 0
    pending: int = 0
    overrun: int = 0

    @property
    def left(self) -> int:
        return self.limit - self.posted - self.pending - self.overrun


@dataclass
class Attempt:
    """One try; `held` is its reservation."""

    state: str
    held: int
    windows: tuple[int, ...]
    posted: int = 0
    overrun: int = 0


@dataclass
class Call:
    """One call; `late` calls were born after their deadline."""

    state: str
    late: bool
    lost_retries: int
    worker: UUID | None = None
    cancelled: bool = False
    relayed: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)

    @property
    def cost(self) -> int:
        return sum(a.posted + a.overrun for a in self.attempts)

    def open(self) -> list[int]:
        """Numbers of attempts that are reserved or started."""
        return [no for no, a in enumerate(self.attempts, 1) if a.state in {"reserved", "started"}]

    def go(self, state: str, kind: str = "") -> None:
        if state != self.state:
            assert CallState(state) in CALL_STEPS[CallState(self.state)], (self.state, state)
        self.state = state
        if kind:
            self.kinds.append(kind)


@dataclass
class Money:
    """A reservation as a step brings it."""

    amount: int
    windows: tuple[int, ...]


@dataclass
class Settle:
    """An attempt's end as a step brings it."""

    no: int
    becomes: str
    bill: int

    @property
    def was(self) -> str:
        return {"voided": "reserved", "reconciled": "unknown"}.get(self.becomes, "started")


@dataclass
class Reference(Reviews):
    """The whole world."""

    revision: int
    epoch: int
    windows: dict[int, Window]
    calls: dict[UUID, Call] = field(default_factory=dict)
    buried: set[UUID] = field(default_factory=set)
    keys: dict[bytes, tuple[UUID, bytes]] = field(default_factory=dict)
    key_stands: bool = True

    def fits(self, money: Money, old: Attempt | None = None) -> bool:
        back = dict.fromkeys(old.windows, old.held) if old else {}
        return all(
            not self.windows[w].hard or self.windows[w].left + back.get(w, 0) >= money.amount
            for w in money.windows
        )

    def _hold(self, attempt: Attempt, sign: int) -> None:
        for w in attempt.windows:
            self.windows[w].pending += sign * attempt.held

    def _twin(self, key: tuple[bytes, bytes] | None) -> str:
        if key is None or key[0] not in self.keys:
            return ""
        return "Duplicate" if self.keys[key[0]][1] == key[1] else "Conflict"

    def admit(
        self,
        call: UUID,
        at: tuple[int, int],
        money: Money | None,
        key: tuple[bytes, bytes] | None,
        born: Call,
    ) -> str:
        refusal = self._refusal(at, key)
        if refusal:
            return refusal
        if money and not self.fits(money):
            return "NoHeadroom"
        if key:
            self.keys[key[0]] = (call, key[1])
        self.calls[call] = born
        born.kinds.append("call.admitted")
        if money:
            attempt = Attempt("reserved", money.amount, money.windows)
            born.attempts.append(attempt)
            self._hold(attempt, 1)
        return "Admitted"

    def admit_held(
        self,
        call: UUID,
        at: tuple[int, int],
        key: tuple[bytes, bytes] | None,
        born: Call,
        review: Review,
    ) -> str:
        answer = self.admit(call, at, None, key, born)
        if answer == "Admitted":
            born.go("held", "call.held")
            born.reviews.append(review)
        return answer

    def deny(self, call: UUID, at: tuple[int, int], key: tuple[bytes, bytes] | None) -> str:
        refusal = self._refusal(at, key)
        if not refusal:
            self.calls[call] = Call("denied", late=False, lost_retries=0, kinds=["call.denied"])
        return refusal or "Denied"

    def _refusal(self, at: tuple[int, int], key: tuple[bytes, bytes] | None) -> str:
        if not self.key_stands:
            return "Unauthenticated"
        twin = self._twin(key)
        if twin:
            return twin
        return "" if at == (self.revision, self.epoch) else "Stale"

    def start(
        self,
        call: UUID,
        no: int,
        worker: UUID,
        at: tuple[int, int],
        money: Money | None,
        *,
        relays: bool,
    ) -> str:
        c = self.calls[call]
        if at != (self.revision, self.epoch):
            return "Stale"
        attempt = c.attempts[no - 1] if no <= len(c.attempts) else None
        refusal = self._no_start(c, worker, attempt)
        if refusal:
            return refusal
        if attempt is None and (money is None or no != len(c.attempts) + 1):
            return "Moved"
        if money and not self.fits(money, attempt):
            return "NoHeadroom"
        if attempt is None:
            assert money is not None
            attempt = Attempt("started", money.amount, money.windows)
            c.attempts.append(attempt)
            self._hold(attempt, 1)
        elif money:
            self._hold(attempt, -1)
            attempt.held, attempt.windows = money.amount, money.windows
            self._hold(attempt, 1)
        attempt.state = "started"
        c.worker, c.relayed = worker, c.relayed or relays
        c.go("running", "attempt.started")
        return "Started"

    def _no_start(self, c: Call, worker: UUID, attempt: Attempt | None) -> str:
        if c.state not in {"admitted", "running"}:
            return "Moved"
        if c.worker is not None and c.worker != worker:
            return "Lost"
        if c.cancelled:
            return "Cancelled"
        if c.late:
            return "Late"
        if worker in self.buried:
            return "LeaseLost"
        return "Moved" if attempt and attempt.state != "reserved" else ""

    def settle(self, call: UUID, worker: UUID | None, end: Settle) -> str:
        c = self.calls[call]
        if end.was != "unknown" and (worker is None or c.worker != worker):
            return "Moved"
        return "Settled" if self._end(c, end) else "Moved"

    def _end(self, c: Call, end: Settle) -> bool:
        if not 0 < end.no <= len(c.attempts) or c.attempts[end.no - 1].state != end.was:
            return False
        attempt = c.attempts[end.no - 1]
        assert AttemptState(end.becomes) in ATTEMPT_STEPS[AttemptState(attempt.state)]
        attempt.state = end.becomes
        c.kinds.append(f"attempt.{end.becomes}")
        if end.becomes == "unknown":
            return True
        self._hold(attempt, -1)
        if end.becomes != "voided":
            attempt.posted = min(end.bill, attempt.held)
            attempt.overrun = max(end.bill - attempt.held, 0)
            for w in attempt.windows:
                self.windows[w].posted += attempt.posted
                self.windows[w].overrun += attempt.overrun
        return True

    def finish(
        self,
        call: UUID,
        worker: UUID | None,
        state: str,
        end: Settle | None,
        at: tuple[int, int] | None = None,
    ) -> str:
        """`at`: what the decision that ends it was made under."""
        c = self.calls[call]
        if at is not None and at != (self.revision, self.epoch):
            return "Stale"
        refusal = self._no_finish(c, worker, state)
        if refusal:
            return refusal
        if [no for no in c.open() if end is None or no != end.no]:
            return "OpenAttempt"
        if end and not self._end(c, end):
            return "Moved"
        c.go(state, f"call.{state}")
        return "Finished"

    def hold(self, call: UUID, worker: UUID | None, end: Settle | None, review: Review) -> str:
        answer = self.finish(call, worker, "held", end)
        if answer == "Finished":
            self.calls[call].worker = None
            self.calls[call].reviews.append(review)
        return answer

    @staticmethod
    def _no_finish(c: Call, worker: UUID | None, state: str) -> str:
        if c.state in {"admitted", "running"}:
            mine = c.worker is None or c.worker == worker
            return "" if mine and (c.worker is not None or state != "completed") else "Lost"
        return "Moved"

    def cancel(self, call: UUID, *, ask: bool) -> str:
        c = self.calls[call]
        if CallState(c.state) in TERMINAL:
            return "over"
        if c.state == "held" and not ask:
            return "running"
        if c.worker is not None:
            c.cancelled = c.cancelled or ask
            return "asked" if ask else "running"
        if c.state == "held":
            c.reviews[-1].close("cancelled")
        for no in c.open():
            assert self._end(c, Settle(no, "voided", 0))
        c.go("cancelled", "call.cancelled")
        return "cancelled"

    def sweep(self, call: UUID, worker: UUID | None, verdict: str, nos: Sequence[int]) -> bool:
        c = self.calls[call]
        if c.state not in {"admitted", "running"} or c.worker != worker or list(nos) != c.open():
            return False
        lost = c.worker in self.buried
        allowed = {
            "again": lost
            and not (c.late or c.relayed or c.cancelled)
            and (c.lost_retries > 0 or not nos),
            "failed": lost or c.late,
            "cancelled": c.cancelled and (lost or c.late or c.worker is None),
        }[verdict]
        if not allowed:
            return False
        for no in nos:
            becomes = "voided" if c.attempts[no - 1].state == "reserved" else "unknown"
            assert self._end(c, Settle(no, becomes, 0))
        if verdict == "again":
            c.worker = None
            c.lost_retries -= bool(nos)
        else:
            c.go(verdict, f"call.{verdict}")
        return True

    def pending_is_owed(self) -> bool:
        """Counters against a scan of this world's attempts."""
        return all(
            w.pending
            == sum(
                a.held
                for c in self.calls.values()
                for a in c.attempts
                if number in a.windows and AttemptState(a.state) in PENDING
            )
            for number, w in self.windows.items()
        )
