"""What people and the clocks of queues do with held calls in a drawn interleaving; each step is compared with the reference."""

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

from routing.calls import commands
from routing.calls.pool import Database, ask_all
from routing.calls.steps import IdempotencyKey
from routing.reviews import holding
from routing.reviews.steps import Decide, Opening, Overdue, Verdict
from tests.routing.calls.reference import Call, Reference
from tests.routing.calls.review_reference import Review
from tests.routing.reviews import asking
from tests.routing.reviews.asking import Taking, opening
from tests.routing.world import World, decided, sealed

DONE = {"Admitted", "Denied", "Started", "Settled", "Finished", "cancelled", True}
DONE |= {"claimed", "returned", "counted", "closed", "done"}
PEOPLE = ("member:rui", "member:cleo", "member:ada")
REVIEWS = (
    "SELECT r.id, r.call, r.outcome, r.version, r.round, r.approvals, (SELECT coalesce(array_agg("
    "d.round || ' ' || d.version || ' ' || d.actor || ' ' || d.verdict ORDER BY d.no), '{}') "
    "FROM routing_review_decision d WHERE d.review = r.id) "
    "FROM routing_review_case r WHERE r.tenant = %s::text"
)

Command = Callable[[Database, Any], Awaitable[Any]]


class Reviewing:
    """Steps of people and clocks, and how any step is done once or twice."""

    world: World
    db: Database
    model: Reference
    seen: Counter[tuple[Any, ...]]

    async def _twice(
        self,
        r: Random,
        command: Command,
        build: Callable[[], Any],
        expected: Callable[[], Any],
        *,
        says: bool = True,
    ) -> None:
        """Do it once or twice; every answer must be the reference's. `says`: it writes an entry, which a repetition finds."""
        again = r.choice(["once", "in doubt", "in doubt", "delivered twice"])
        step = build()
        first = expected()
        self._check(command, await command(self.db, step), first)
        if again == "in doubt":
            # what was done answers the same with the same entries; what was refused is asked anew
            repeated = first if first in DONE and says else expected()
            self._check(command, await command(self.db, step), repeated)
        elif again == "delivered twice":
            step = build()
            self._check(command, await command(self.db, step), expected())

    def _check(self, command: Command, answer: Any, expected: Any) -> None:
        name = answer if isinstance(answer, str | bool) else type(answer).__name__
        assert name == expected, (command.__name__, answer, expected)
        self.seen[command.__name__, name] += 1

    def _at(self, r: Random) -> tuple[int, int]:
        stale = r.random() < 0.15
        return (self.model.revision - stale, self.model.epoch)

    def _key(self, r: Random) -> tuple[bytes, bytes] | None:
        if r.random() < 0.7:
            return None
        return r.choice([b"k1", b"k2", b"k3"]), r.choice([b"body 1", b"body 2"])

    def _opening(self, r: Random, call: UUID, stage: str) -> tuple[Opening, Review]:
        due, approvals = r.random() < 0.6, r.choice([1, 2, 2])
        on_overdue = r.choice(["reject", "release", "escalate"])
        case = opening(
            self.world,
            call,
            stage=stage,
            approvals=approvals,
            on_overdue=on_overdue,
            escalate_to="risk-desk" if on_overdue == "escalate" else "",
            due=timedelta(seconds=-60 if due else 3600),
        )
        return case, Review(case.review, stage, approvals, on_overdue, due)

    async def admit_held(self, r: Random) -> None:
        call, at, key = self.world.ids.new(), self._at(r), self._key(r)
        case, review = self._opening(r, call, "request")
        asked = self.world.asked(
            call, revision=at[0], stop_epoch=at[1], deadline_seconds=600, idempotency=key_of(key)
        )
        step = commands.Admission(
            asked=asked,
            decision=decided(1),
            entry=self.world.entry("call.admitted", call),
            request=sealed("request"),
        )
        held = self.world.entry("call.held", call)
        born = Call("admitted", late=False, lost_retries=1)

        async def admit_held(db: Database, step: commands.Admission) -> Any:
            return await holding.admit_held(db, step, held, case)

        first = self.model.admit_held(call, at, key, born, review)
        self._check(admit_held, await admit_held(self.db, step), first)
        if r.random() < 0.5:
            again = first if first in DONE else self.model.admit_held(call, at, key, born, review)
            self._check(admit_held, await admit_held(self.db, step), again)

    def _review(
        self, r: Random, rare: Callable[[Review], object] = lambda _: False
    ) -> tuple[UUID, Review] | None:
        """Mostly a case that is open; half the time one that is `rare`, where there is one."""
        every = [(call, v) for call, c in self.model.calls.items() for v in c.reviews]
        still = [one for one in every if not one[1].outcome]
        if not every:
            return None
        few = [one for one in still if rare(one[1])]
        if few and r.random() < 0.7:
            return r.choice(few)
        return r.choice(still if still and r.random() < 0.85 else every)

    async def claim(self, r: Random) -> None:
        if (found := self._review(r, lambda v: v.who())) is None:
            return
        (call, review), stands = found, r.random() < 0.8
        who = r.choice(sorted(review.who()) if review.who() and r.random() < 0.4 else PEOPLE)
        ttl = timedelta(minutes=15 if stands else -1)
        await self._twice(
            r,
            asking.claim,
            lambda: Taking(review.id, call, who, self.world.entry("review.claimed", call), ttl),
            lambda: self.model.claim(review, who, stands=stands),
        )

    async def give_back(self, r: Random) -> None:
        if (found := self._review(r)) is None:
            return
        call, review = found
        who = self._reviewer(r, review)
        await self._twice(
            r,
            asking.give_back,
            lambda: Taking(review.id, call, who, self.world.entry("review.returned", call)),
            lambda: self.model.give_back(review, who),
        )

    def _reviewer(self, r: Random, review: Review) -> str:
        return review.claimed_by if review.claimed_by and r.random() < 0.9 else r.choice(PEOPLE)

    async def decide(self, r: Random) -> None:
        if (found := self._review(r, lambda v: v.claim_stands and v.version)) is None:
            return
        call, review = found
        who, version = self._reviewer(r, review), review.version + (r.random() < 0.15)
        verdicts: list[Verdict] = ["approved", "approved", "edited", "redacted", "rejected"]
        verdict: Verdict = r.choice(
            ["approved", "rejected"] if review.stage == "request" else verdicts
        )
        wanted = Decide(
            review=review.id, call=call, version=version, actor=who, verdict=verdict, reason="why"
        )
        await self._twice(
            r,
            asking.decide,
            lambda: asking.deciding(self.world, wanted),
            lambda: self.model.decide(review, who, verdict, version),
        )

    async def overdue(self, r: Random) -> None:
        """The clock comes with what it found, which people may have changed meanwhile."""
        if (found := self._review(r, lambda v: v.claim_stands and v.due)) is None:
            return
        call, review = found
        version = review.version + (r.random() < 0.1)
        verdict = review.on_overdue if r.random() < 0.8 else r.choice(["reject", "release"])
        due_at = await asking.due_at(self.db, review.id)
        late = Overdue(review=review.id, call=call, due_at=due_at, version=version, verdict=verdict)
        moved = opening(
            self.world, call, queue="risk-desk", on_overdue="reject", due=timedelta(seconds=-60)
        )
        again = verdict == "escalate"

        def expected() -> str:
            # escalated, it has another due time than the one that was found
            if again and review.round > rounds:
                return "moved"
            return self.model.overdue(review, verdict, version)

        rounds = review.round
        await self._twice(
            r, asking.overdue, lambda: asking.clock(self.world, late, moved), expected
        )

    async def _reject(self, call: UUID, review: Review) -> None:
        """Somebody who has not decided yet rejects what is still held, as soon as the claim of another lapses."""
        who = next(p for p in (*PEOPLE, "member:mia") if p not in review.who())
        if review.claim_stands and review.claimed_by != who:
            self.model.give_back(review, back := review.claimed_by)
            entry = self.world.entry("review.returned", call)
            assert (
                await asking.give_back(self.db, Taking(review.id, call, back, entry)) == "returned"
            )
        assert self.model.claim(review, who, stands=True) == "claimed"
        entry = self.world.entry("review.claimed", call)
        assert await asking.claim(self.db, Taking(review.id, call, who, entry)) == "claimed"
        wanted = Decide(
            review=review.id, call=call, version=review.version, actor=who, verdict="rejected"
        )
        assert self.model.decide(review, who, "rejected", review.version) == "closed"
        assert await asking.decide(self.db, asking.deciding(self.world, wanted)) == "closed"

    async def _compare_reviews(self) -> None:
        """INVARIANT 10: what a person decided is in the table as it was decided, whatever came after it."""
        rows = {row[0]: row[1:] for row in await ask_all(self.db, REVIEWS, (self.world.tenant,))}
        every = [(call, v) for call, c in self.model.calls.items() for v in c.reviews]
        assert rows == {
            v.id: (call, v.outcome, v.version, v.round, v.approvals, _told(v)) for call, v in every
        }
        held = {call for call, c in self.model.calls.items() if c.state == "held"}
        assert sorted(held) == sorted(call for call, v in every if not v.outcome)


def _told(review: Review) -> list[str]:
    return [" ".join(map(str, told)) for told in review.decided]


def key_of(key: tuple[bytes, bytes] | None) -> IdempotencyKey | None:
    return key and IdempotencyKey(*(hashlib.sha256(part).digest() for part in key))
