"""How calls end and are cancelled. What a person decides about a held one is `routing.reviews`'."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from psycopg.rows import TupleRow

from routing.calls import answers, questions
from routing.calls.pool import PATIENCE_SECONDS, Database, ask, ask_all
from routing.calls.steps import Cancel, Finish, Sealed

FinishAnswer = answers.Finished | answers.Lost | answers.Moved | answers.OpenAttempt | answers.Stale


async def finish_call(
    db: Database, finish: Finish, *, patience_seconds: float = PATIENCE_SECONDS
) -> FinishAnswer:
    """End the call and its last attempt in one commit: the posting, the answer in the vault, both entries.

    A worker that holds an answer may pass a long `patience_seconds`: it asks again with the same entries. `Stale` only
    where a decision is to be recorded with it.
    """
    row = await ask(db, questions.FINISH, finish_row(finish), patience_seconds=patience_seconds)
    return finished(row)


def finish_row(finish: Finish) -> tuple[object, ...]:
    """What SQL's finish_call takes."""
    attempt, answer = finish.attempt, finish.answer
    return (
        finish.call,
        finish.worker,
        finish.revision,
        finish.stop_epoch,
        finish.state,
        finish.code,
        *(questions.NO_SETTLEMENT if attempt is None else attempt.row()),
        *(questions.NO_ENTRY if attempt is None else (attempt.entry.id, attempt.entry.body)),
        *(questions.NO_SEALED if answer is None else answer.row()),
        finish.entry.id,
        finish.entry.body,
        *(questions.NO_DECISION if finish.decision is None else finish.decision.row()),
    )


def finished(row: TupleRow) -> FinishAnswer:
    """What SQL's finish_call answered."""
    word, state, cost_nano, left_nano, revision, stop_epoch = row
    match word:
        case "finished":
            return answers.Finished(cost_nano, left_nano)
        case "lost":
            return answers.Lost()
        case "open_attempt":
            return answers.OpenAttempt()
        case "stale":
            return answers.Stale(revision, stop_epoch)
    return answers.Moved(state or "")


async def cancel_call(db: Database, cancel: Cancel) -> str:
    """`cancelled`; `asked` or `running` (a worker has it, and was asked or not); `over` (it had ended before)."""
    params = (
        cancel.call,
        cancel.code,
        cancel.ask,
        cancel.void_entry.id,
        cancel.void_entry.body,
        cancel.entry.id,
        cancel.entry.body,
    )
    word, _state = await ask(db, questions.CANCEL, params)
    return str(word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A call as its caller may see it; `answer` once it has one, `model` of its last attempt."""

    call: UUID
    state: str
    code: str
    cost_nano: int
    tenant: str
    team: str
    key: str
    dialect: str
    stream: bool
    user_ref: str
    ended: bool
    deadline_at: object
    model: str
    answer: Sealed | None


async def outcome(db: Database, call: UUID) -> Outcome | None:
    """Where the call stands, with its sealed answer; None when there is no such call."""
    rows = await ask_all(db, questions.OUTCOME, (call,))
    if not rows:
        return None
    row = rows[0]
    names = (
        "state",
        "code",
        "cost_nano",
        "tenant",
        "team",
        "key",
        "dialect",
        "stream",
        "user_ref",
        "ended",
        "deadline_at",
        "model",
    )
    sealed = None if row[12] is None else Sealed("answer", row[12], row[13], row[14], row[15])
    return Outcome(call=call, **dict(zip(names, row[:12], strict=True)), answer=sealed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A call as the one who made it may come back to it; `request` unless it was denied."""

    call: UUID
    state: str
    code: str
    tenant: str
    team: str
    key: str
    dialect: str
    route: str
    run: str
    stream: bool
    user_ref: str
    deadline_at: datetime
    ended: bool
    request: Sealed | None


async def kept(db: Database, call: UUID) -> Kept | None:
    """Where the call stands, with its sealed request; None when there is no such call."""
    rows = await ask_all(db, questions.KEPT, (call,))
    if not rows:
        return None
    *values, tenant_key, subject_key, nonce, ciphertext = rows[0]
    names = [field.name for field in fields(Kept)][1:-1]
    sealed = None
    if tenant_key is not None:
        sealed = Sealed("request", tenant_key, subject_key, nonce, ciphertext)
    return Kept(call=call, **dict(zip(names, values, strict=True)), request=sealed)


async def ended(db: Database, calls: Sequence[UUID]) -> list[UUID]:
    """Which of these calls have ended or are held: one query for all that a web process waits for."""
    return [row[0] for row in await ask_all(db, questions.ENDED, (list(calls),))]
