"""Hand a call to a person: at admission, before any model, or from its worker, with the answer as a draft."""

from audit.log.entry import Entry
from routing.calls import answers
from routing.calls.admitting import AdmitAnswer, asked_row, refused
from routing.calls.endings import FinishAnswer, finish_row, finished
from routing.calls.pool import PATIENCE_SECONDS, Database, ask, seconds
from routing.calls.questions import NO_SEALED
from routing.calls.steps import Admission, Finish, expect
from routing.reviews import questions
from routing.reviews.steps import Opening


async def hold_call(
    db: Database, hold: Finish, opening: Opening, *, patience_seconds: float = PATIENCE_SECONDS
) -> FinishAnswer:
    """End a worker's walk with a hold: the last attempt settled, the draft sealed, the case open, in one commit.

    `hold` is a `Finish` with state `held` (entry `call.held`); its `answer` is the vault's field `draft`, which no caller reads.
    """
    if hold.state != "held" or opening.call != hold.call:
        raise ValueError(f'"{hold.state}" is no hold of the call that the case is for')
    params = (*finish_row(hold), *opening.row())
    return finished(await ask(db, questions.HOLD, params, patience_seconds=patience_seconds))


async def admit_held(
    db: Database, admission: Admission, held: Entry, opening: Opening
) -> AdmitAnswer:
    """Admit the call and hold it before any model: call, decision, content, both entries and the case, or nothing.

    `held` is the entry `call.held`. No money is reserved: that belongs to the windows of the release.
    """
    expect(held, "call.held", admission.asked.call)
    if admission.reservation is not None or opening.call != admission.asked.call:
        raise ValueError("a call that is held before any model reserves nothing")
    params = (
        *asked_row(admission.asked, ""),
        *admission.decision.row(),
        *(NO_SEALED if admission.request is None else admission.request.row()),
        admission.entry.id,
        admission.entry.body,
        held.id,
        held.body,
        *opening.row(),
    )
    answer, revision, stop_epoch, call, moment = await ask(db, questions.ADMIT_HELD, params)
    if answer == "admitted":
        return answers.Admitted(call, moment, moment + seconds(admission.asked.deadline_seconds))
    return refused(answer, revision, stop_epoch, call)
