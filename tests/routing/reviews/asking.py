"""The room's SQL functions over the hot path's pool, for tests that have no Django: what people and clocks ask for."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from audit.log.entry import Entry
from policies.engine.decision import RuleRef
from routing.calls.pool import Database, ask
from routing.calls.questions import NO_SEALED
from routing.calls.steps import Sealed
from routing.reviews import questions
from routing.reviews.steps import CLAIM, Decide, Opening, Overdue
from tests.routing.world import World, sealed

RULE = RuleRef(kind="EscalationRule", tenant="insurance", name="large-payout", line=6)


def opening(world: World, call: UUID, **changes: Any) -> Opening:
    base = Opening(
        review=world.ids.new(),
        call=call,
        revision=world.revision,
        stage="response",
        tenant=world.tenant,
        team="claims",
        key=world.key,
        route="claims-triage",
        queue="claims-desk",
        queue_tenant=world.tenant,
        message="payout above 10,000",
        rules=[RULE],
        due=timedelta(minutes=30),
        approvals=1,
        on_overdue="reject",
    )
    return replace(base, **changes)


@dataclass(frozen=True)
class Taking:
    """A claim, or giving one back."""

    review: UUID
    call: UUID
    actor: str
    entry: Entry
    ttl: timedelta = CLAIM


@dataclass(frozen=True)
class Deciding:
    decide: Decide
    entry: Entry
    released: Entry
    end: Entry
    draft: Sealed | None = None
    answer: Sealed | None = None


@dataclass(frozen=True)
class Clock:
    overdue: Overdue
    entry: Entry
    released: Entry
    end: Entry
    moved: Opening | None = None
    answer: Sealed | None = None


def _entry(entry: Entry) -> tuple[object, object]:
    return (entry.id, entry.body)


def _sealed(row: Sealed | None) -> tuple[object, ...]:
    return NO_SEALED if row is None else row.row()


async def claim(db: Database, taking: Taking) -> str:
    row = (taking.review, taking.call, taking.actor, taking.ttl, *_entry(taking.entry))
    return str((await ask(db, questions.CLAIM, row))[0])


async def give_back(db: Database, taking: Taking) -> str:
    row = (taking.review, taking.call, taking.actor, *_entry(taking.entry))
    return str((await ask(db, questions.RETURN, row))[0])


async def decide(db: Database, step: Deciding) -> str:
    row = (
        *step.decide.row(),
        *_sealed(step.draft),
        *_sealed(step.answer),
        *_entry(step.entry),
        *_entry(step.released),
        *_entry(step.end),
    )
    return str((await ask(db, questions.DECIDE, row))[0])


async def overdue(db: Database, step: Clock) -> str:
    row = (
        *step.overdue.row(),
        *(questions.NO_REVIEW if step.moved is None else step.moved.row()),
        *_sealed(step.answer),
        *_entry(step.entry),
        *_entry(step.released),
        *_entry(step.end),
    )
    return str((await ask(db, questions.OVERDUE, row))[0])


def deciding(world: World, decided: Decide) -> Deciding:
    """With all that could be needed: the entries in the order of their ids, a draft for an edit, an answer for the end."""
    call, ends = decided.call, "failed" if decided.verdict == "rejected" else "completed"
    edits = decided.verdict in {"edited", "redacted"}
    return Deciding(
        decided,
        world.entry(f"review.{decided.verdict}", call),
        world.entry("call.released", call),
        world.entry(f"call.{ends}", call),
        draft=sealed("draft") if edits else None,
        answer=sealed("answer"),
    )


def clock(world: World, late: Overdue, moved: Opening | None = None) -> Clock:
    kind = "review.escalated" if late.verdict == "escalate" else "review.overdue"
    ends = "failed" if late.verdict == "reject" else "completed"
    entry, released, end = (
        world.entry(k, late.call) for k in (kind, "call.released", f"call.{ends}")
    )
    return Clock(late, entry, released, end, moved=moved, answer=sealed("answer"))


async def due_at(db: Database, review: UUID) -> Any:
    query = "SELECT due_at FROM routing_review_case WHERE id = %s::uuid"
    return (await ask(db, query, (review,)))[0]
