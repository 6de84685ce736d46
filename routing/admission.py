"""Admission: gather facts, decide, and let the call in or turn it away, in one commit.

1. gather the facts: content-free, at most 16 KiB
2. decide: a pure function of bundle and facts
3. deny: one commit, and an error that names the rules and their owner
4. or admit: call, decision, sealed request, reservation and entry in one commit
5. moved meanwhile, or no headroom: decide again with what was learned
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from msgspec import UNSET
from msgspec.structs import replace

from audit.log.entry import Entry, build
from audit.vault.keys import CallKeys, month_of
from controlplane.kernel import tracing
from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import (
    BudgetExhausted,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    MandateError,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from controlplane.kernel.tracing import traced
from policies.bundles.snapshot import Snapshot
from policies.engine import facts as fact
from policies.engine.beside import beside_call
from policies.engine.calendar import day_ends_at
from policies.engine.decide import decide
from policies.engine.decision import Candidate, Decision, Hold
from policies.engine.rates import RateClaim, rate_claims
from routing.calls import answers, commands, steps
from routing.calls.admitting import AdmitAnswer, DenyAnswer
from routing.dialects.registry import obstacles
from routing.exchange import CallRequest
from routing.gathering import THREAD_FROM, Ask, Desk, Draft, gather, projected, routes_of, shares
from routing.ledger import headroom
from routing.ledger.balances import reservation_for
from routing.ledger.headroom import model_label
from routing.limits.rates import Refused
from routing.reviews.holding import admit_held
from routing.reviews.opening import opening
from routing.ticket import Ticket, answer_headers

STALE_TRIES = 20
HEADROOM_TRIES = 4


async def admit(desk: Desk, ask: Ask) -> Ticket:
    """Let the call in. Raises Forbidden, BudgetExhausted, RateLimited, Conflict, NotFound, Unauthenticated, Unavailable."""
    snapshot = await _in_force(desk, ask)
    case = Incoming(desk, ask, snapshot, await gather(desk, ask, snapshot))
    tracing.named(case.draft.call)
    ticket = None
    try:
        ticket = await let_in(case)
        return ticket
    finally:
        if ticket is None or ticket.duplicate:
            # INVARIANT: what was not let in counts against no rate limit
            await desk.rates.undo(case.draft.call, case.limits)
        elif ticket.held:
            # a person may take days: its slots are free meanwhile, and it used no tokens yet
            await desk.rates.give_back(ticket.call, ticket.limits, 0)


async def let_in(case: "Incoming") -> Ticket:
    """Decide and ask until it is in. Raises what `admit` raises."""
    for _ in range(STALE_TRIES):
        answer = await case.step()
        match answer:
            case answers.Admitted():
                return case.ticket(answer)
            case answers.Denied():
                raise case.refusal()
            case answers.Duplicate():
                return await _came_before(case, answer.call)
            case answers.NoHeadroom():
                case.save_money(answer)
            case answers.Stale():
                case.snapshot = await case.desk.snapshots.reload()
            case answers.WindowMoved() | answers.DayEnded():
                case.desk.windows.forget()
                case.moment = answer.now
            case _:
                raise _turned_away(answer)
    raise Unavailable(
        "policies move faster than this call can be decided; try again", retry_after_seconds=1
    )


async def _in_force(desk: Desk, ask: Ask) -> Snapshot:
    """The last snapshot; read anew for a route it does not know, which may be younger."""
    snapshot = await desk.snapshots.current()
    known = ask.request.route in routes_of(snapshot, ask.caller)
    return snapshot if known else await desk.snapshots.reload()


def _turned_away(answer: answers.Conflict | answers.Unauthenticated) -> MandateError:
    match answer:
        case answers.Conflict(call):
            message = "this Idempotency-Key came before with another body; use a new key"
            return Conflict(message, call=call)
        case answers.Unauthenticated():
            return Unauthenticated("this API key is unknown, expired or revoked")
        case _:
            assert_never(answer)


@dataclass(slots=True)
class Incoming:
    """One call on its way in. `facts` grow by what was learned: stops, a clamp, models that cost too much.

    `moment` is PostgreSQL's, where it is not in the day or the period that this process took it for. `short` are the budgets
    that want a person to look, `exhausted` those that nothing helps with.
    """

    desk: Desk
    ask: Ask
    snapshot: Snapshot
    draft: Draft
    clamp: int = 0
    exclude: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    tries: int = 0
    exhausted: tuple[str, ...] = ()
    obstacles: dict[str, list[str]] = field(default_factory=dict)
    moment: datetime | None = None
    limits: tuple[RateClaim, ...] = ()
    slowed: Refused | None = None
    facts: fact.Facts = field(init=False)
    decision: Decision = field(init=False)

    async def step(self) -> AdmitAnswer | DenyAnswer:
        """Decide under the snapshot at hand and ask PostgreSQL to admit or to deny."""
        await self._decide()
        if self.decision.plan is None or self.exhausted:
            return await self._deny()
        self.slowed = await self._slowed(self.decision.plan.steps[0])
        if self.slowed:
            return await self._deny()
        if self.decision.hold is not None:
            return await self._hold(self.decision.hold)
        retry = self.decision.plan.retry
        lost = retry.attempts - 1 if "worker_lost" in retry.on else 0
        return await self._admit(self.decision.plan.steps[0], lost)

    async def _slowed(self, first: Candidate) -> Refused | None:
        """Count the call against every rate limit it lies in; asked again for the same call it counts once."""
        self.limits = rate_claims(self.snapshot.bundle, self.facts)
        tokens = self.facts.request.input_tokens_estimate + first.max_output_tokens
        seconds = self.ask.options.deadline_seconds
        return await self.desk.rates.take(self.draft.call, self.limits, tokens, seconds)

    @traced("decide", lambda self: self.draft.call)
    async def _decide(self) -> None:
        """Decide, and once more without the models that have no place for something in this request."""
        self._decide_once()
        unfit = await self._unfit()
        if unfit:
            self.exclude = tuple(sorted({*self.exclude, *unfit}))
            self._decide_once()

    async def _unfit(self) -> list[str]:
        candidates = self.decision.plan.steps if self.decision.plan else ()
        for provider_type in {c.provider_type for c in candidates} - self.obstacles.keys():
            found = await _obstacles(self.ask.request, provider_type)
            self.obstacles[provider_type] = found
        return [model_label(c) for c in candidates if self.obstacles[c.provider_type]]

    def _decide_once(self) -> None:
        tenant = self.ask.caller.tenant
        self.facts = replace(
            self.draft.facts,
            request=projected(self.draft, self.snapshot),
            stops=tuple(stop for stop in self.snapshot.stops if stop.tenant in {"", tenant}),
            budgets=shares(self.desk.windows, self.draft.facts),
            breakers_open=self.desk.breakers.known_open(),
            clamp=self.clamp,
            exclude=self.exclude,
            exhausted=self.short or UNSET,
            now=to_text(self.moment) if self.moment else self.draft.facts.now,
        )
        self.decision = decide(self.snapshot.bundle, self.facts)

    @traced("admit", lambda self, *_: self.draft.call)
    async def _admit(self, first: Candidate, lost_retries: int) -> AdmitAnswer:
        return await self.desk.admissions.admit(await self._admission(first, lost_retries))

    async def _admission(self, first: Candidate, lost_retries: int) -> steps.Admission:
        data = {"model": first.model, "reserved": str(first.amount_nano)}
        scope = self.snapshot.bundle.scope(self.ask.caller.tenant)
        return steps.Admission(
            asked=self._asked(lost_retries),
            decision=self._decided(),
            entry=self._entry("call.admitted", data),
            request=self.draft.sealed,
            reservation=await reservation_for(
                self.desk.windows,
                first,
                self.moment or self.draft.at,
                day_ends_at(self.facts.now, scope.time_zone),
            ),
        )

    @traced("admit", lambda self, *_: self.draft.call)
    async def _hold(self, hold: Hold) -> AdmitAnswer:
        """Admitted, and held before any model; its case opens in the same commit."""
        asked = self._asked(0)
        rules = [f"{rule.tenant}/{rule.name}".lstrip("/") for rule in hold.rules]
        admission = steps.Admission(
            asked=asked,
            decision=self._decided(),
            entry=self._entry("call.admitted", {"held": True}),
            request=self.draft.sealed,
        )
        # INVARIANT: entries of one commit are ordered by id
        held = self._entry("call.held", {"queue": hold.queue, "rules": rules}, self.desk.new_id())
        case = opening(self.snapshot.bundle, hold, "request", asked, self.desk.new_id())
        return await admit_held(self.desk.db, admission, held, case)

    @traced("deny", lambda self: self.draft.call)
    async def _deny(self) -> DenyAnswer:
        denial = self.decision.denial
        code, rules = "budget_exhausted", self.exhausted
        if not self.exhausted and denial is not None:
            code, rules = denial.code, denial.rules
        elif self.slowed:
            code, rules = RateLimited.code, (self.slowed.limit,)
        entry = self._entry("call.denied", {"code": code, "rules": list(rules)})
        asked, decided = self._asked(0), self._decided()
        return await self._write(
            steps.Denial(asked=asked, decision=decided, entry=entry, code=code)
        )

    async def _write(self, denial: steps.Denial) -> DenyAnswer:
        return await commands.deny(self.desk.db, denial)

    def _asked(self, lost_retries: int) -> steps.Asked:
        caller, request, options = self.ask.caller, self.ask.request, self.ask.options
        return steps.Asked(
            call=self.draft.call,
            tenant=caller.tenant,
            team=caller.team,
            key=caller.key_id,
            key_hash=caller.key_hash,
            route=request.route,
            dialect=request.dialect,
            stream=request.stream,
            revision=self.snapshot.revision,
            stop_epoch=self.snapshot.epoch,
            deadline_seconds=options.deadline_seconds,
            user_ref=self.draft.keys.subject_key,
            run=self.draft.facts.run.id or None,
            reply_to=self.desk.web,
            lost_retries=lost_retries,
            idempotency=self.draft.idempotency,
        )

    def _decided(self) -> steps.Decided:
        facts = fact.encode(self.facts)
        return steps.Decided(1, self.decision.effect, self.decision.digest, facts)

    def _entry(self, kind: str, data: Mapping[str, object], entry: UUID | None = None) -> Entry:
        caller = self.ask.caller
        common = {
            "revision": self.snapshot.revision,
            "epoch": self.snapshot.epoch,
            "decision": self.decision.digest.hex(),
            "team": caller.team,
        }
        return build(
            kind,
            id=entry or self.draft.entry,
            at=self.draft.at,
            actor=f"key:{caller.key_id}",
            tenant=caller.tenant,
            call=self.draft.call,
            subject=self.ask.request.route,
            data={**common, **data},
        )

    def save_money(self, short: answers.NoHeadroom) -> None:
        """No headroom: take the next cheaper way that the binding budgets allow, or give up."""
        self.tries += 1
        plan = self.decision.plan
        way = None
        if plan is not None and self.tries < HEADROOM_TRIES:
            way = headroom.cheaper(plan.steps, self.ask.request.outline.n, short)
        if way is None:
            self.exhausted = tuple(sorted({left.window.budget for left in short.binding}))
        else:
            self.clamp = way.clamp or self.clamp
            self.exclude = tuple(sorted({*self.exclude, *way.exclude}))
            self.short = way.exhausted or self.short

    def refusal(self) -> MandateError:
        """The error for the caller: which rule, in words, and who owns it."""
        call, denial = self.draft.call, self.decision.denial
        if self.exhausted:
            names = ", ".join(self.exhausted)
            message = f"no money is left for this call in: {names}; it was not sent to a model"
            return BudgetExhausted(
                message, call=call, rules=self.exhausted, headers=self._headers()
            )
        if self.decision.hold:
            return Forbidden(self.decision.hold.message, call=call, headers=self._headers())
        if self.slowed:
            kind = Unavailable if self.slowed.down else RateLimited
            after = self.slowed.retry_after_seconds
            told = {"rules": (self.slowed.limit,), "headers": self._headers()}
            return kind(self.slowed.words, call=call, retry_after_seconds=after, **told)
        if denial is None:
            return Unavailable("this call was not decided; try again", call=call)
        lost = sorted({what for found in self.obstacles.values() for what in found})
        why = f"no model of this route can take: {', '.join(lost)}; " if lost else ""
        message = f"{why}{denial.message} (rule {', '.join(denial.rules)}; ask {denial.owner})"
        if denial.code == "breaker":
            return Unavailable(message, call=call, headers=self._headers(), retry_after_seconds=5)
        details = {"rules": denial.rules, "owner": denial.owner, "headers": self._headers()}
        return Forbidden(message, call=call, **details)

    def ticket(self, admitted: answers.Admitted) -> Ticket:
        """What the waiting request needs."""
        return Ticket(
            call=self.draft.call,
            frames_key=self.draft.keys.frames,
            deadline=admitted.deadline_at,
            stream=self.ask.request.stream,
            keeps_running=self.draft.idempotency is not None or self.ask.request.background,
            tenant=self.ask.caller.tenant,
            key=self.ask.caller.key_id,
            limits=self.limits,
            held=self.decision.hold is not None,
            beside=beside_call(
                self.snapshot.bundle,
                self.ask.caller.tenant,
                self.ask.request.route,
                self.draft.call,
            ),
            headers=self._headers(),
        )

    def _headers(self) -> dict[str, str]:
        return answer_headers(self.draft.call) | {
            "x-mandate-decision": self.decision.digest.hex(),
            "x-mandate-revision": str(self.snapshot.revision),
            "x-mandate-receipt": self.draft.entry.hex,
        }


async def _obstacles(request: CallRequest, provider_type: str) -> list[str]:
    """What keeps the request from a provider of that type; a large body is read in a thread."""
    if len(request.raw) > THREAD_FROM:
        return await asyncio.to_thread(obstacles, request, provider_type)
    return obstacles(request, provider_type)


async def _came_before(case: Incoming, call: UUID) -> Ticket:
    """The same Idempotency-Key and body: wait for that call, whichever process admitted it."""
    found = await commands.outcome(case.desk.db, call)
    if found is None:
        raise DeadlineExceeded("the call of this Idempotency-Key is gone", call=call)
    store, month = case.desk.key_store, month_of(call)
    keys = CallKeys.derive(store, found.tenant, month, found.user_ref, call)
    patience = timedelta(seconds=case.ask.options.deadline_seconds)
    return Ticket(
        call=call,
        frames_key=keys.frames,
        deadline=case.desk.clock() + patience,
        stream=found.stream,
        keeps_running=True,
        tenant=found.tenant,
        key=found.key,
        duplicate=True,
        headers=answer_headers(call),
    )
