"""Admission: gather facts, decide, and let the call in or turn it away, in one commit.

1. gather the facts: content-free, at most 16 KiB
2. decide: a pure function of bundle and facts
3. deny: one commit, and an error that names the rules and their owner
4. or admit: call, decision, sealed request, reservation and entry in one commit
5. moved meanwhile, or no headroom: decide again with what was learned
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from msgspec.structs import replace

from audit.log.entry import Entry, build
from audit.vault.keys import CallKeys, commit_user, month_of, subject_of_team, subject_of_user
from audit.vault.store import KeyStore
from controlplane.kernel import clock as clocks
from controlplane.kernel.clock import Clock
from controlplane.kernel.errors import (
    BudgetExhausted,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    MandateError,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from policies.bundles.snapshot import Snapshot, Snapshots
from policies.engine import facts as fact
from policies.engine.decide import decide
from policies.engine.decision import Candidate, Decision
from policies.identity.authentication import Caller
from routing import exchange
from routing.calls import answers, commands, runs, steps
from routing.calls.admitting import AdmitAnswer, DenyAnswer
from routing.calls.pool import Database
from routing.exchange import CallRequest
from routing.ledger import headroom
from routing.ledger.balances import Windows
from routing.limits.breakers import Breakers

STALE_TRIES = 20
HEADROOM_TRIES = 4
THREAD_FROM = 256 * 1024


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller says in headers."""

    data_classes: tuple[str, ...] = ()
    deadline_seconds: float = 600.0
    run: str = ""
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks for what, and how."""

    caller: Caller
    request: CallRequest
    options: Options


@dataclass(slots=True)
class Desk:
    """What admission works with, for the life of the process. `web` names the process's reply stream."""

    db: Database
    snapshots: Snapshots
    key_store: KeyStore
    windows: Windows
    breakers: Breakers
    new_id: Callable[[], UUID]
    clock: Clock
    web: UUID


@dataclass(frozen=True, slots=True)
class Ticket:
    """An admitted call as the waiting request needs it. `duplicate`: it came before; only wait for it."""

    call: UUID
    frames_key: bytes = field(repr=False)
    deadline: datetime
    stream: bool
    keeps_running: bool
    tenant: str
    key: str
    duplicate: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


async def admit(desk: Desk, ask: Ask) -> Ticket:
    """Let the call in. Raises Forbidden, BudgetExhausted, Conflict, NotFound, Unauthenticated, Unavailable."""
    snapshot = await desk.snapshots.current()
    case = _Case(desk, ask, snapshot, await _draft(desk, ask, snapshot))
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
                case.snapshot = await desk.snapshots.reload()
            case answers.WindowMoved():
                desk.windows.forget()
                case.moment = answer.now
            case _:
                raise _turned_away(answer)
    raise Unavailable(
        "policies move faster than this call can be decided; try again", retry_after=1
    )


def _turned_away(answer: answers.Conflict | answers.Unauthenticated) -> MandateError:
    match answer:
        case answers.Conflict(call):
            message = "this Idempotency-Key came before with another body; use a new key"
            return Conflict(message, call=call)
        case answers.Unauthenticated():
            return Unauthenticated("this API key is unknown, expired or revoked")
        case _:
            assert_never(answer)


@dataclass(frozen=True, slots=True)
class _Draft:
    """What stays the same however often the call is decided: ids, keys, sealed content, facts that do not age."""

    call: UUID
    entry: UUID
    at: datetime
    keys: CallKeys
    facts: fact.Facts
    sealed: steps.Sealed
    idempotency: steps.IdempotencyKey | None


async def _draft(desk: Desk, ask: Ask, snapshot: Snapshot) -> _Draft:
    caller, request, user = ask.caller, ask.request, ask.request.outline.user
    _route_exists(snapshot, caller, request.route)
    call, now = desk.new_id(), desk.clock()
    ref = commit_user(desk.key_store, caller.tenant, user) if user else ""
    subject = (
        subject_of_user(caller.tenant, ref) if ref else subject_of_team(caller.tenant, caller.team)
    )
    keys = CallKeys.derive(desk.key_store, caller.tenant, month_of(call), subject, call)
    return _Draft(
        call=call,
        entry=desk.new_id(),
        at=now,
        keys=keys,
        facts=fact.Facts(
            now=clocks.to_text(now),
            call=call.hex,
            draw=fact.draw_of(hashlib.sha256(call.bytes).digest()),
            tenant=caller.tenant,
            team=caller.team,
            key=fact.KeyFacts(id=caller.key_id, labels=dict(caller.labels)),
            user=fact.UserFacts(known=bool(user), ref=ref),
            route=request.route,
            request=_request_facts(ask),
            run=await runs.so_far(desk.db, caller.tenant, ask.options.run),
        ),
        sealed=await _seal(keys, request),
        idempotency=_idempotency(ask),
    )


def routes_of(snapshot: Snapshot, caller: Caller) -> list[str]:
    """The routes this key may name, sorted."""
    names = (route.name for route in snapshot.bundle.routes_for(caller.tenant))
    return [name for name in names if not caller.scopes or name in caller.scopes]


def _route_exists(snapshot: Snapshot, caller: Caller, route: str) -> None:
    allowed = routes_of(snapshot, caller)
    if route not in allowed:
        listed = ", ".join(allowed) or "none yet"
        raise NotFound(f'there is no route "{route[:80]}"; this key may call: {listed}')


def _request_facts(ask: Ask) -> fact.RequestFacts:
    request, outline = ask.request, ask.request.outline
    return fact.RequestFacts(
        dialect=request.dialect,
        data_classes=ask.options.data_classes,
        tools=outline.tools,
        needs=outline.needs,
        input_tokens_max=outline.input_tokens_max,
        input_tokens_estimate=outline.input_tokens_estimate,
        output_tokens_asked=outline.output_tokens_asked or 0,
        stream=request.stream,
        n=outline.n,
        labels=outline.labels,
    )


async def _seal(keys: CallKeys, request: CallRequest) -> steps.Sealed:
    """The request for the vault; a large one is sealed in a thread."""

    def work() -> steps.Sealed:
        sealed = keys.seal("request", exchange.encode_request(request))
        names = sealed.tenant_key, sealed.subject_key
        return steps.Sealed("request", *names, sealed.nonce, sealed.ciphertext)

    return await asyncio.to_thread(work) if len(request.raw) > THREAD_FROM else work()


def _idempotency(ask: Ask) -> steps.IdempotencyKey | None:
    key = ask.options.idempotency_key
    if not key:
        return None
    digest = hashlib.sha256(ask.request.dialect.encode() + b"\0" + ask.request.raw).digest()
    return steps.IdempotencyKey(hashlib.sha256(key.encode()).digest(), digest)


def _shares(windows: Windows, facts: fact.Facts) -> tuple[fact.BudgetFacts, ...]:
    """The last read of the budgets that may concern this call."""
    tenants = {"", facts.tenant}
    subjects = {"", facts.team, facts.key.id, facts.user.ref, facts.run.id}
    return tuple(
        fact.BudgetFacts(
            name=name,
            tenant=tenant,
            subject=subject,
            share_used_permille=share.used_permille,
            age_seconds=share.age_seconds,
        )
        for (tenant, name, subject), share in sorted(windows.shares().items())
        if tenant in tenants and subject in subjects
    )


@dataclass(slots=True)
class _Case:
    """One call on its way in. `facts` grow by what was learned: stops, a clamp, models that cost too much."""

    desk: Desk
    ask: Ask
    snapshot: Snapshot
    draft: _Draft
    clamp: int = 0
    exclude: tuple[str, ...] = ()
    tries: int = 0
    exhausted: tuple[str, ...] = ()
    moment: datetime | None = None
    facts: fact.Facts = field(init=False)
    decision: Decision = field(init=False)

    async def step(self) -> AdmitAnswer | DenyAnswer:
        """Decide under the snapshot at hand and ask PostgreSQL to admit or to deny."""
        tenant = self.ask.caller.tenant
        self.facts = replace(
            self.draft.facts,
            stops=tuple(stop for stop in self.snapshot.stops if stop.tenant in {"", tenant}),
            budgets=_shares(self.desk.windows, self.draft.facts),
            breakers_open=self.desk.breakers.known_open(),
            clamp=self.clamp,
            exclude=self.exclude,
        )
        self.decision = decide(self.snapshot.bundle, self.facts)
        if self.decision.plan is None or self.exhausted:
            return await self._deny()
        retry = self.decision.plan.retry
        lost = retry.attempts - 1 if "worker_lost" in retry.on else 0
        return await self._admit(self.decision.plan.steps[0], lost)

    async def _admit(self, first: Candidate, lost_retries: int) -> AdmitAnswer:
        data = {"model": first.model, "reserved": str(first.amount_nano)}
        moment = self.moment or self.draft.at
        admission = steps.Admission(
            asked=self._asked(lost_retries),
            decision=self._decided(),
            entry=self._entry("call.admitted", data),
            request=self.draft.sealed,
            reservation=await reservation_for(self.desk.windows, first, moment),
        )
        return await commands.admit(self.desk.db, admission)

    async def _deny(self) -> DenyAnswer:
        denial = self.decision.denial
        code = "budget_exhausted" if self.exhausted or denial is None else denial.code
        rules = self.exhausted or (denial.rules if denial else ())
        entry = self._entry("call.denied", {"code": code, "rules": list(rules)})
        asked, decided = self._asked(0), self._decided()
        step = steps.Denial(asked=asked, decision=decided, entry=entry, code=code)
        return await commands.deny(self.desk.db, step)

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
            run=options.run or None,
            reply_to=self.desk.web,
            lost_retries=lost_retries,
            idempotency=self.draft.idempotency,
        )

    def _decided(self) -> steps.Decided:
        facts = fact.encode(self.facts)
        return steps.Decided(1, self.decision.effect, self.decision.digest, facts)

    def _entry(self, kind: str, data: Mapping[str, object]) -> Entry:
        caller = self.ask.caller
        common = {
            "revision": self.snapshot.revision,
            "epoch": self.snapshot.epoch,
            "decision": self.decision.digest.hex(),
            "team": caller.team,
        }
        return build(
            kind,
            id=self.draft.entry,
            at=self.draft.at,
            actor=f"key:{caller.key_id}",
            tenant=caller.tenant,
            call=self.draft.call,
            subject=self.ask.request.route,
            data=common | data,
        )

    def save_money(self, short: answers.NoHeadroom) -> None:
        """No headroom: take the next cheaper way that the binding budgets allow, or give up."""
        self.tries += 1
        plan = self.decision.plan
        choices = self.ask.request.outline.n
        poor = plan is None or self.tries >= HEADROOM_TRIES
        way = None if poor else headroom.cheaper(plan.steps, choices, short)
        if way is None:
            self.exhausted = tuple(sorted({left.window.budget for left in short.binding}))
        else:
            self.clamp = way.clamp or self.clamp
            self.exclude = tuple(sorted({*self.exclude, *way.exclude}))

    def refusal(self) -> MandateError:
        """The error for the caller: which rule, in words, and who owns it."""
        call, denial = self.draft.call, self.decision.denial
        if self.exhausted:
            names = ", ".join(self.exhausted)
            message = f"no money is left for this call in: {names}; it was not sent to a model"
            return BudgetExhausted(
                message, call=call, rules=self.exhausted, headers=self._headers()
            )
        if denial is None:
            return Unavailable("this call was not decided; try again", call=call)
        message = f"{denial.message} (rule {', '.join(denial.rules)}; ask {denial.owner})"
        details = {"rules": denial.rules, "owner": denial.owner, "headers": self._headers()}
        return Forbidden(message, call=call, **details)

    def ticket(self, admitted: answers.Admitted) -> Ticket:
        """What the waiting request needs."""
        return Ticket(
            call=self.draft.call,
            frames_key=self.draft.keys.frames,
            deadline=admitted.deadline_at,
            stream=self.ask.request.stream,
            keeps_running=self.draft.idempotency is not None,
            tenant=self.ask.caller.tenant,
            key=self.ask.caller.key_id,
            headers=self._headers(),
        )

    def _headers(self) -> dict[str, str]:
        return answer_headers(self.draft.call) | {
            "x-mandate-decision": self.decision.digest.hex(),
            "x-mandate-revision": str(self.snapshot.revision),
            "x-mandate-receipt": self.draft.entry.hex,
        }


def answer_headers(call: UUID) -> dict[str, str]:
    """The ids that every answer carries: ours, and the ones the SDKs read."""
    name = f"call_{call.hex}"
    return {"x-mandate-call-id": name, "x-request-id": name, "request-id": name}


async def reservation_for(
    windows: Windows, candidate: Candidate, at: datetime
) -> steps.Reservation:
    """What an attempt at the candidate holds, in the windows that `at` lies in."""
    return steps.Reservation(
        model=candidate.model,
        model_tenant=candidate.model_tenant,
        provider=candidate.provider,
        amount_nano=candidate.amount_nano,
        windows=await windows.claims_to_windows(candidate.budgets, at),
    )


async def _came_before(case: _Case, call: UUID) -> Ticket:
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
