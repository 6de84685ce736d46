"""Admission and denial: one statement each, committed when the answer is `Admitted` or `Denied`."""

from uuid import UUID

from psycopg.rows import TupleRow

from routing.calls import answers, questions
from routing.calls.pool import Database, LostRace, ask, seconds
from routing.calls.steps import Admission, Asked, Denial, Reservation

_LOST_RACES = 4

AdmitAnswer = (
    answers.Admitted
    | answers.Stale
    | answers.Duplicate
    | answers.Conflict
    | answers.NoHeadroom
    | answers.WindowMoved
    | answers.DayEnded
    | answers.Unauthenticated
)
DenyAnswer = (
    answers.Denied | answers.Stale | answers.Duplicate | answers.Conflict | answers.Unauthenticated
)


def asked_row(asked: Asked, code: str) -> tuple[object, ...]:
    """The fields of SQL's routing_ask."""
    again = asked.idempotency
    return (
        asked.call,
        asked.reply_to,
        asked.revision,
        asked.stop_epoch,
        seconds(asked.deadline_seconds),
        asked.lost_retries,
        asked.stream,
        asked.key_hash,
        None if again is None else again.hash,
        None if again is None else again.digest,
        asked.tenant,
        asked.team,
        asked.key,
        asked.route,
        asked.dialect,
        asked.run,
        asked.user_ref,
        code,
    )


def admission_row(admission: Admission) -> tuple[object, ...]:
    """All fields of an admission, in the order in which the statements take them."""
    reservation = admission.reservation
    return (
        *asked_row(admission.asked, ""),
        *(questions.NO_RESERVATION if reservation is None else reservation.row()),
        *admission.decision.row(),
        *(questions.NO_SEALED if admission.request is None else admission.request.row()),
        admission.entry.id,
        admission.entry.body,
    )


async def admit(db: Database, admission: Admission) -> AdmitAnswer:
    """Write the call, its decision, its content, attempt 1 with its reservation, and `call.admitted`: all or nothing.

    Raises psycopg's OperationalError or PoolTimeout when PostgreSQL is away: the call may be in (the sweep ends it).
    """
    reservation = admission.reservation
    row = await grant(db, questions.ADMIT, admission_row(admission))
    if row is None:
        return no_headroom(reservation, None)
    answer, revision, stop_epoch, call, moment, left = row
    match answer:
        case "admitted":
            return answers.Admitted(
                call, moment, moment + seconds(admission.asked.deadline_seconds)
            )
        case "no_headroom":
            return no_headroom(reservation, left)
        case "window_moved":
            return answers.WindowMoved(moment)
        case "day_ended":
            return answers.DayEnded(moment)
    return refused(answer, revision, stop_epoch, call)


async def deny(db: Database, denial: Denial) -> DenyAnswer:
    """Write the denied call, its decision and `call.denied`. A key that was admitted before still means that call."""
    params = (
        *asked_row(denial.asked, denial.code),
        *denial.decision.row(),
        denial.entry.id,
        denial.entry.body,
    )
    answer, revision, stop_epoch, call = await ask(db, questions.DENY, params)
    if answer == "denied":
        return answers.Denied(call)
    return refused(answer, revision, stop_epoch, call)


def refused(
    answer: str, revision: int, stop_epoch: int, call: UUID
) -> answers.Stale | answers.Duplicate | answers.Conflict | answers.Unauthenticated:
    """Why a call was not let in."""
    match answer:
        case "stale":
            return answers.Stale(revision, stop_epoch)
        case "duplicate":
            return answers.Duplicate(call)
        case "conflict":
            return answers.Conflict(call)
        case "unauthenticated":
            return answers.Unauthenticated()
    raise AssertionError(f'PostgreSQL answered "{answer}"')


async def grant(db: Database, query: str, params: tuple[object, ...]) -> TupleRow | None:
    """Ask for money. A lost race is asked again: the look then says what is left. None when every race was lost."""
    for _ in range(_LOST_RACES):
        try:
            return await ask(db, query, params)
        except LostRace:
            continue
    return None


def no_headroom(reservation: Reservation | None, left: list[int] | None) -> answers.NoHeadroom:
    """The answer, with what each window has left; nothing where it could not be read in time."""
    assert reservation is not None, "only a reservation can lack headroom"  # noqa: S101 - narrows for mypy
    amounts = [0] * len(reservation.windows) if left is None else left
    pairs = zip(reservation.windows, amounts, strict=True)
    return answers.NoHeadroom(
        tuple(answers.Left(w, nano) for w, nano in pairs), reservation.amount_nano
    )
