"""What opens a case, and the rows that the room's SQL functions take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from policies.engine.decision import RuleRef

Stage = Literal["request", "response", "tool", "failure", "sample"]
Verdict = Literal["approved", "edited", "redacted", "rejected"]
ANSWERED: Final = frozenset({"response", "tool", "failure"})
"""Stages at which models were asked: what waits for a person is an answer."""
CLAIM = timedelta(minutes=15)
"""How long a claim stands without a decision."""
RELEASED_SECONDS = 600.0
"""The deadline of a call that a person let go on."""
REJECTED = "review_rejected"
OVERDUE = "review_overdue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A case to open. The queue's terms are those in force when the call was held, until the case moves on."""

    review: UUID
    call: UUID
    revision: int
    stage: Stage
    tenant: str
    team: str
    key: str
    route: str
    queue: str
    queue_tenant: str
    message: str
    rules: Sequence[RuleRef]
    due: timedelta
    approvals: int
    on_overdue: str
    escalate_to: str = ""

    def row(self) -> tuple[object, ...]:
        """The fields of SQL's routing_review."""
        return (
            self.review,
            self.call,
            self.revision,
            self.due,
            self.approvals,
            self.stage,
            self.on_overdue,
            self.tenant,
            self.team,
            self.key,
            self.route,
            self.queue,
            self.queue_tenant,
            self.escalate_to,
            self.message,
            msgspec.json.encode(self.rules).decode(),
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """What a ReviewQueue's specification says about its cases."""

    due: timedelta
    approvals: int
    on_overdue: str
    escalate_to: str

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> "Terms":
        """The terms of a specification with every default written out."""
        return cls(
            timedelta(minutes=int(spec["dueMinutes"])),
            int(spec["approvals"]),
            str(spec["onOverdue"]),
            str(spec.get("escalateTo") or ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """One person's verdict on one version of a case's draft."""

    review: UUID
    call: UUID
    version: int
    actor: str
    verdict: Verdict
    reason: str = ""

    def row(self) -> tuple[object, ...]:
        """The fields of SQL's routing_verdict."""
        return (
            self.review,
            self.call,
            timedelta(seconds=RELEASED_SECONDS),
            self.version,
            self.actor,
            self.verdict,
            self.reason,
            REJECTED,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """What the clock asks for: `escalate`, `reject` or `release`, if the case still stands as it was found."""

    review: UUID
    call: UUID
    due_at: datetime
    version: int
    verdict: str

    def row(self) -> tuple[object, ...]:
        """The fields of SQL's routing_overdue."""
        return (
            self.review,
            self.call,
            self.due_at,
            timedelta(seconds=RELEASED_SECONDS),
            self.version,
            self.verdict,
            OVERDUE,
        )
