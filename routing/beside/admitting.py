"""Admission and denial of a shadow run: those of any call, with its link in the same commit. Always alone, never in a batch."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import psycopg

from routing.calls import answers, questions
from routing.calls.admitting import (
    AdmitAnswer,
    DenyAnswer,
    admission_row,
    asked_row,
    grant,
    no_headroom,
    refused,
)
from routing.calls.pool import Database, ask, seconds
from routing.calls.steps import Admission, Denial, array

PAUSED: Final = "MD004"
BEFORE: Final = "MD005"
_LINK: Final = questions.composite("routing_beside_link", "uuid text bigint[]")
_COLUMNS: Final = "answer, revision, stop_epoch, call, moment"
ADMIT: Final = questions.select(
    "admit_beside",
    _COLUMNS,
    questions.ASK,
    questions.RESERVATION,
    questions.DECIDED,
    questions.SEALED,
    questions.ENTRY,
    _LINK,
)
DENY: Final = questions.select(
    "deny_beside", _COLUMNS, questions.ASK, questions.DECIDED, questions.ENTRY, _LINK
)


@dataclass(frozen=True, slots=True)
class Link:
    """What a call is a shadow run of, at which model; `ceilings` is what its windows may stand at, in their order."""

    of: UUID
    model: str
    ceilings: tuple[int, ...] = ()

    def row(self) -> tuple[object, ...]:
        """The fields of SQL's routing_beside_link."""
        return self.of, self.model, array(str(one) for one in self.ceilings)


@dataclass(frozen=True, slots=True)
class Paused:
    """A budget that it would count in has no money for shadow runs: nothing was written."""


class AskedBefore(Exception):
    """The model was asked beside the call before: nothing was written."""


async def admit_beside(db: Database, admission: Admission, link: Link) -> AdmitAnswer | Paused:
    """Let a shadow run in with its link; nothing is written where a window would then stand above its ceiling.

    Raises AskedBefore.
    """
    params = (*admission_row(admission), *link.row())
    try:
        row = await grant(db, ADMIT, params)
    except psycopg.DatabaseError as error:
        if error.sqlstate == PAUSED:
            return Paused()
        if error.sqlstate == BEFORE:
            raise AskedBefore from None
        raise
    if row is None or row[0] == "no_headroom":
        return no_headroom(admission.reservation, None)
    answer, revision, stop_epoch, call, moment = row
    match answer:
        case "admitted":
            end = moment + seconds(admission.asked.deadline_seconds)
            return answers.Admitted(call, moment, end)
        case "window_moved":
            return answers.WindowMoved(moment)
        case "day_ended":
            return answers.DayEnded(moment)
    return refused(answer, revision, stop_epoch, call)


async def deny_beside(db: Database, denial: Denial, link: Link) -> DenyAnswer:
    """Write the denied shadow run with its link. Raises AskedBefore."""
    params = (
        *asked_row(denial.asked, denial.code),
        *denial.decision.row(),
        denial.entry.id,
        denial.entry.body,
        *link.row(),
    )
    try:
        answer, revision, stop_epoch, call, _ = await ask(db, DENY, params)
    except psycopg.DatabaseError as error:
        if error.sqlstate == BEFORE:
            raise AskedBefore from None
        raise
    if answer == "denied":
        return answers.Denied(call)
    return refused(answer, revision, stop_epoch, call)
