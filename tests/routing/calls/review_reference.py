"""Review cases once more, as simple as they can be said: a part of the reference that PostgreSQL is compared with."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID


@dataclass
class Review:
    """The case of a held call. `due`: the clock may act; `version` is the draft in force; `outcome` closes it."""

    id: UUID
    stage: str
    approvals: int
    on_overdue: str
    due: bool
    version: int = 0
    round: int = 1
    claimed_by: str = ""
    claim_stands: bool = False
    outcome: str = ""
    decided: list[tuple[int, int, str, str]] = field(default_factory=list)
    """Round, version, actor, verdict."""

    def who(self) -> set[str]:
        """Who decided about the draft in force."""
        return {a for r, v, a, _ in self.decided if (r, v) == (self.round, self.version)}

    def close(self, outcome: str) -> None:
        assert not self.outcome, "a case closes once"
        self.outcome, self.claimed_by, self.claim_stands = outcome, "", False


class Reviews:
    """What people and clocks do about held calls."""

    calls: dict[UUID, Any]

    def claim(self, review: Review, actor: str, *, stands: bool) -> str:
        c = self._of(review)
        if review.outcome:
            return "closed"
        if review.claim_stands and review.claimed_by != actor:
            return "taken"
        if actor in review.who():
            return "decided"
        review.claimed_by, review.claim_stands = actor, stands
        c.kinds.append("review.claimed")
        return "claimed"

    def give_back(self, review: Review, actor: str) -> str:
        if review.outcome or review.claimed_by != actor or not review.claim_stands:
            return "moved"
        review.claimed_by, review.claim_stands = "", False
        self._of(review).kinds.append("review.returned")
        return "returned"

    def decide(self, review: Review, actor: str, verdict: str, version: int) -> str:
        c = self._of(review)
        if review.outcome or c.state != "held":
            return "over"
        if review.claimed_by != actor or not review.claim_stands:
            return "unclaimed"
        if review.version != version:
            return "version"
        if actor in review.who():
            return "decided"
        c.kinds.append(f"review.{verdict}")
        review.version += verdict in {"edited", "redacted"}
        review.decided.append((review.round, review.version, actor, verdict))
        if verdict != "rejected" and len(review.who()) < review.approvals:
            review.claimed_by, review.claim_stands = "", False
            return "counted"
        review.close(verdict if verdict != "approved" else self._made_by(review))
        self._go_on(c, review, rejected=verdict == "rejected")
        return "closed"

    @staticmethod
    def _made_by(review: Review) -> str:
        """An approved draft that somebody edited is `edited`."""
        edits = [v for _, n, _, v in review.decided if n == review.version and v != "approved"]
        return edits[0] if edits else "approved"

    def overdue(self, review: Review, verdict: str, version: int) -> str:
        c = self._of(review)
        if review.outcome or c.state != "held" or review.version != version or not review.due:
            return "moved"
        if verdict not in {review.on_overdue, *(["reject"] * (review.on_overdue == "escalate"))}:
            return "moved"
        if review.claim_stands:
            return "claimed"
        if verdict == "escalate":
            c.kinds.append("review.escalated")
            review.round, review.approvals, review.on_overdue = review.round + 1, 1, "reject"
            review.claimed_by, review.claim_stands = "", False
            return "done"
        c.kinds.append("review.overdue")
        review.close({"reject": "overdue-rejected", "release": "overdue-released"}[verdict])
        self._go_on(c, review, rejected=verdict == "reject")
        return "done"

    @staticmethod
    def _go_on(c: Any, review: Review, *, rejected: bool) -> None:
        if rejected:
            c.go("failed", "call.failed")
            return
        c.go("running", "call.released")
        c.late = False
        if review.stage != "request":
            c.go("completed", "call.completed")

    def _of(self, review: Review) -> Any:
        return next(c for c in self.calls.values() if review in c.reviews)
