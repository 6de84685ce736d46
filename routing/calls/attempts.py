"""The worker's steps between models: look at a call, start an attempt, settle one while the call goes on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from routing.calls import answers, questions
from routing.calls.admitting import grant, no_headroom
from routing.calls.pool import PATIENCE_SECONDS, Database, ask
from routing.calls.steps import Sealed, Settlement, Start, Weighing

StartAnswer = (
    answers.Started
    | answers.Stale
    | answers.Moved
    | answers.Lost
    | answers.Cancelled
    | answers.Late
    | answers.LeaseLost
    | answers.NoHeadroom
    | answers.WindowMoved
    | answers.DayEnded
)


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt so far."""

    no: int
    state: str
    model: str
    model_tenant: str
    provider: str
    reserved_nano: int
    error_class: str

    @property
    def label(self) -> str:
        """How facts name its model: `name`, or `tenant/name`."""
        return f"{self.model_tenant}/{self.model}" if self.model_tenant else self.model


@dataclass(frozen=True, slots=True, kw_only=True)
class Peeked:
    """A call as it stands. `decision` is the newest of stage `request`, `decision_no` the highest of any stage.

    `now` is PostgreSQL's clock. `request` may be None. `released`: a person let it go on after a hold before any model;
    that hold does not count again.
    """

    call: UUID
    state: str
    code: str
    tenant: str
    team: str
    key: str
    route: str
    dialect: str
    run: str | None
    user_ref: str
    stream: bool
    relayed: bool
    released: bool
    worker: UUID | None
    reply_to: UUID | None
    revision: int
    stop_epoch: int
    admitted_at: datetime
    deadline_at: datetime
    reserved_at: datetime | None
    cancel_at: datetime | None
    now: datetime
    attempts: int
    lost_retries: int
    tried: tuple[Tried, ...]
    decision_no: int
    decision_revision: int
    decision_digest: bytes
    facts: bytes
    request: Sealed | None

    @property
    def made(self) -> tuple[Tried, ...]:
        """The attempts that began, under whichever worker."""
        return tuple(one for one in self.tried if one.state not in {"reserved", "voided"})


_PLAIN = tuple("now" if name == "moment" else name for name in questions.PEEKED)


async def peek(db: Database, call: UUID) -> Peeked | None:
    """All a worker needs to carry a call on, without a lock and without a claim; None when there is no such call."""
    row = await ask(db, questions.PEEK, (call,))
    if row[0] is None:
        return None
    tried = zip(*(column or () for column in row[23:29]), strict=True)
    return Peeked(
        call=call,
        **dict(zip(_PLAIN, row[:23], strict=True)),
        tried=tuple(Tried(no, *fields) for no, fields in enumerate(tried, 1)),
        decision_no=row[29],
        decision_revision=row[30],
        decision_digest=row[31],
        facts=row[32],
        request=None if row[33] is None else Sealed("request", row[33], row[34], row[35], row[36]),
    )


async def start_attempt(db: Database, start: Start) -> StartAnswer:
    """Claim the call where nobody has it, reserve or re-price where asked, and append `attempt.started`: one commit.

    Only after `Started` may the model be called. `WindowMoved.now` is the moment of the call's first reservation,
    `DayEnded.now` is now.
    """
    reservation = start.reservation
    params = (
        start.call,
        start.worker,
        start.revision,
        start.stop_epoch,
        start.no,
        start.relays,
        *(questions.NO_RESERVATION if reservation is None else reservation.row()),
        *(questions.NO_DECISION if start.decision is None else start.decision.row()),
        start.entry.id,
        start.entry.body,
    )
    row = await grant(db, questions.START, params)
    if row is None:
        return no_headroom(reservation, None)
    answer, revision, stop_epoch, moment, left, state, attempt_state = row
    answered: dict[str, StartAnswer] = {
        "stale": answers.Stale(revision, stop_epoch),
        "window_moved": answers.WindowMoved(moment),
        "day_ended": answers.DayEnded(moment),
        "moved": answers.Moved(state or "", attempt_state or ""),
    }
    if answer == "no_headroom":
        return no_headroom(reservation, left)
    return answered.get(answer) or _BARE_ANSWERS[answer]


_BARE_ANSWERS: Final[dict[str, StartAnswer]] = {
    "started": answers.Started(),
    "lost": answers.Lost(),
    "cancelled": answers.Cancelled(),
    "late": answers.Late(),
    "lease_lost": answers.LeaseLost(),
}


async def settle_attempt(
    db: Database, settlement: Settlement, *, patience_seconds: float = PATIENCE_SECONDS
) -> answers.Settled | answers.Moved:
    """End one attempt while its call goes on, or reconcile an unknown one; the posting is made exactly once."""
    params = (
        settlement.call,
        settlement.worker,
        *settlement.row(),
        settlement.entry.id,
        settlement.entry.body,
    )
    answer, state = await ask(db, questions.SETTLE, params, patience_seconds=patience_seconds)
    return answers.Settled() if answer == "settled" else answers.Moved(attempt=state or "")


async def record_weighing(
    db: Database, weighing: Weighing, *, patience_seconds: float = PATIENCE_SECONDS
) -> answers.Settled | answers.Moved:
    """Record how an answer was weighed, with its text sealed, before anything is done about it."""
    params = (
        weighing.call,
        weighing.worker,
        weighing.revision,
        *weighing.decision.row(),
        *(questions.NO_SEALED if weighing.said is None else weighing.said.row()),
    )
    (answer,) = await ask(db, questions.WEIGH, params, patience_seconds=patience_seconds)
    return answers.Settled() if answer == "weighed" else answers.Moved()


async def claim(
    db: Database, call: UUID, worker: UUID
) -> answers.Started | answers.Lost | answers.LeaseLost:
    """Take a call whose plan begins with no attempt."""
    (answer,) = await ask(db, questions.CLAIM, (call, worker))
    match answer:
        case "claimed":
            return answers.Started()
        case "lease_lost":
            return answers.LeaseLost()
    return answers.Lost()
