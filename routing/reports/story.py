"""One call told in one sentence and a line of steps, from its row, its attempts and its entries. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from audit.log.read import Line
from audit.ui.words import lasting, money
from policies.engine.decision import Decision
from routing.calls.models import Attempt, Call

_SYMBOLS = {
    "admitted": ("check-circle", "ok"),
    "running": ("play", "ok"),
    "held": ("hand", "warn"),
    "released": ("check-circle", "ok"),
    "completed": ("check-circle", "ok"),
    "failed": ("cross-circle", "bad"),
    "cancelled": ("close", ""),
    "denied": ("cross-circle", "bad"),
}
_ERRORS = {
    "timeout": "did not answer in time",
    "rate_limited": "was limiting its rate",
    "overloaded": "was overloaded",
    "server_error": "broke",
    "worker_lost": "was lost with its worker",
    "refused_request": "refused the request",
    "refused_account": "refused our account",
}
_REASONS = {
    "policy_changed": "the policy changed while it waited, and forbids it now",
    "deadline_exceeded": "the caller's deadline passed",
    "not_redactable": "what the policy redacts could not be taken out of it",
    "tool_forbidden": "its answer asks for a tool that a rule forbids",
    "stopped": "a stop was set",
    "caller_gone": "the caller went away",
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the sentence; what matters is strong."""

    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One state the call was in."""

    name: str
    at: datetime
    note: str
    symbol: str
    tone: str


@dataclass(frozen=True, slots=True)
class Told:
    """What the story is made of. `decision` is None when it cannot be explained any more."""

    call: Call
    attempts: Sequence[Attempt]
    decision: Decision | None
    currency: str

    @property
    def answered(self) -> Attempt | None:
        """The attempt whose answer the caller got."""
        return next((a for a in reversed(self.attempts) if a.state == "succeeded"), None)


def title(call: Call) -> str:
    """`claims-triage, completed`."""
    return f"{call.route}, {call.state}"


def sentence(told: Told) -> list[Piece]:
    """The whole call in one sentence or two."""
    if told.call.state == "denied":
        return _denied(told)
    opening = [
        Piece("Permitted under "),
        Piece(f"revision {told.call.revision}", strong=True),
        Piece(". "),
    ]
    return [*opening, *_failures(told), *_ending(told)]


def _denied(told: Told) -> list[Piece]:
    pieces = [Piece("Denied under "), Piece(f"revision {told.call.revision}", strong=True)]
    denial = told.decision.denial if told.decision else None
    if denial is not None:
        pieces.append(
            Piece(
                f": {denial.message}. "
                if not denial.message.endswith(".")
                else f": {denial.message} "
            )
        )
        if denial.rules:
            pieces += [Piece("The rule is "), Piece(", ".join(denial.rules), strong=True)]
            pieces.append(Piece(f"; ask {denial.owner}. " if denial.owner else ". "))
    else:
        pieces.append(Piece(f": {told.call.code or 'no reason recorded'}. "))
    return [*pieces, Piece("Nothing was sent to any model, and it cost nothing.")]


def _failures(told: Told) -> list[Piece]:
    pieces: list[Piece] = []
    for attempt in told.attempts:
        if attempt.state in {"failed", "unknown", "reconciled"} and attempt.error_class:
            lead = "Then " if pieces else ""
            pieces += [Piece(lead), Piece(attempt.model, strong=True)]
            pieces.append(Piece(f" {_ERRORS.get(attempt.error_class, 'failed')}. "))
    return pieces


def _ending(told: Told) -> list[Piece]:
    call, answered = told.call, told.answered
    cost = Piece(money(call.cost_nano, told.currency), strong=True)
    took = lasting(call.finished_at - call.admitted_at) if call.finished_at else ""
    if call.state == "completed" and answered is not None:
        how = "streamed its answer" if call.stream else "answered"
        return [
            Piece(answered.model, strong=True),
            Piece(f" {how}; the caller had it {took} after asking, for "),
            cost,
            Piece("."),
        ]
    if call.state == "completed":
        return [Piece(f"It ended after {took}, for "), cost, Piece(".")]
    if call.state in {"failed", "cancelled"}:
        word = "It failed" if call.state == "failed" else "It was cancelled"
        reason = _REASONS.get(call.code, call.code.replace("_", " "))
        return [
            Piece(f"{word} after {took}{f': {reason}' if reason else ''}; it cost "),
            cost,
            Piece("."),
        ]
    if call.state == "held":
        return [Piece("It waits for a person. So far it cost "), cost, Piece(".")]
    running = next((a for a in reversed(told.attempts) if a.state in {"started", "reserved"}), None)
    if running is None:
        return [Piece("It waits for a worker.")]
    return [Piece(running.model, strong=True), Piece(" is working on it.")]


def steps(told: Told, entries: Sequence[Line]) -> list[Step]:
    """The states in their order, from the entries; a running step stands for all attempts that follow it."""
    found: list[Step] = []
    for line in entries:
        group, _, name = line.kind.name.partition(".")
        if line.kind.name == "attempt.started" and (not found or found[-1].name != "running"):
            found.append(_step("running", line.recorded_at, _attempts_in_words(told)))
        elif group == "call":
            found.append(_step(name, line.recorded_at, _note(name, told)))
    return found


def _step(name: str, at: datetime, note: str) -> Step:
    symbol, tone = _SYMBOLS.get(name, ("info", ""))
    return Step(name, at, note, symbol, tone)


def _note(name: str, told: Told) -> str:
    call = told.call
    if name == "admitted":
        held = sum(attempt.reserved_nano for attempt in told.attempts[:1])
        return f"{money(held, told.currency)} reserved" if held else "decided and recorded"
    if name == "completed":
        return "stream ended properly" if call.stream else "answer returned"
    if name == "denied":
        return "nothing went upstream"
    return (
        _REASONS.get(call.code, call.code.replace("_", " "))
        if name in {"failed", "cancelled"}
        else ""
    )


def _attempts_in_words(told: Told) -> str:
    started = [a for a in told.attempts if a.started_at]
    number = len(started)
    spent = sum((latency(a) or timedelta() for a in started), timedelta())
    return f"{number} attempt{'s' if number != 1 else ''}, {lasting(spent)}"


def latency(attempt: Attempt) -> timedelta | None:
    """From the start's commit to the settlement."""
    if attempt.started_at is None or attempt.settled_at is None:
        return None
    return attempt.settled_at - attempt.started_at


def failure_in_words(attempt: Attempt) -> str:
    """`overloaded`, or how the cost is known."""
    if attempt.error_class:
        return attempt.error_class.replace("_", " ")
    return {"counted": "cost counted by us", "reserve": "cost: the whole reservation"}.get(
        attempt.basis, ""
    )
