"""The first step of admission: everything a decision may look at, content-free, and the request sealed for the vault."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from msgspec import UNSET

from audit.vault.keys import (
    CallKeys,
    commit_run,
    commit_user,
    month_of,
    subject_of_team,
    subject_of_user,
)
from audit.vault.keys import Sealed as VaultRow
from audit.vault.store import KeyStore
from controlplane.kernel import clock as clocks
from controlplane.kernel.clock import Clock
from controlplane.kernel.errors import InvalidRequest, NotFound
from controlplane.kernel.ids import call_name
from policies.bundles.snapshot import Snapshot, Snapshots
from policies.engine import facts as fact
from policies.engine.reads import project
from policies.engine.required import completed
from policies.identity.authentication import Caller
from routing import exchange
from routing.calls import runs, steps
from routing.calls.pool import Database
from routing.calls.together import Admissions
from routing.exchange import CallRequest
from routing.ledger.balances import Windows
from routing.limits.breakers import Breakers
from routing.limits.rates import RateLimits

THREAD_FROM = 256 * 1024


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller says in headers; `run_ref` is the commitment to a run that a request goes on from."""

    data_classes: tuple[str, ...] = ()
    deadline_seconds: float = 600.0
    run: str = ""
    run_ref: str = ""
    idempotency_key: str = ""
    user_ref: str = ""
    """The user of the call that it goes on from, as the commitment: who names none goes on for the same."""


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
    rates: RateLimits
    new_id: Callable[[], UUID]
    clock: Clock
    web: UUID
    admissions: Admissions = field(init=False)

    def __post_init__(self) -> None:
        self.admissions = Admissions(self.db)


@dataclass(frozen=True, slots=True)
class Draft:
    """What stays the same however often the call is decided: ids, keys, sealed content, facts that do not age.

    `facts` still have every label and tool: they stay in memory, and `projected` leaves what the bundle at hand reads.
    """

    call: UUID
    entry: UUID
    at: datetime
    keys: CallKeys
    facts: fact.Facts
    sealed: steps.Sealed
    idempotency: steps.IdempotencyKey | None


async def gather(desk: Desk, ask: Ask, snapshot: Snapshot) -> Draft:
    """Gather it for a new call. Raises NotFound for an unknown route, InvalidRequest for a field that no policy covers."""
    caller, request, user = ask.caller, ask.request, ask.request.outline.user
    check_route(snapshot, caller, request.route)
    _check_special(request)
    _check_classes(snapshot, ask.options.data_classes)
    call, now = desk.new_id(), desk.clock()
    ref = commit_user(desk.key_store, caller.tenant, user) if user else ask.options.user_ref
    subject = (
        subject_of_user(caller.tenant, ref) if ref else subject_of_team(caller.tenant, caller.team)
    )
    keys = CallKeys.derive(desk.key_store, caller.tenant, month_of(call), subject, call)
    run = await _run(desk, ask, call)
    return Draft(
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
            user=fact.UserFacts(known=bool(ref), ref=ref),
            route=request.route,
            request=_request_facts(ask),
            run=run,
        ),
        sealed=await _seal(keys, request),
        idempotency=_idempotency(ask),
    )


async def _run(desk: Desk, ask: Ask, call: UUID) -> fact.RunFacts:
    """What the calls that belong together came to, under the tenant's commitment to the name of their run.

    A response that others may go on from begins a run of its own.
    """
    tenant, named, request = ask.caller.tenant, ask.options.run, ask.request
    ref = commit_run(desk.key_store, tenant, named) if named else ask.options.run_ref
    if not ref and request.dialect == "openai.responses" and request.kept:
        return fact.RunFacts(id=commit_run(desk.key_store, tenant, call_name(call, "resp_")))
    return await runs.so_far(desk.db, tenant, ref)


def routes_of(snapshot: Snapshot, caller: Caller) -> list[str]:
    """The routes this key may name, sorted."""
    names = (route.name for route in snapshot.bundle.routes_for(caller.tenant))
    return [name for name in names if not caller.scopes or name in caller.scopes]


def check_route(snapshot: Snapshot, caller: Caller, route: str) -> None:
    """Raises NotFound, naming those there are, unless this key may call the route."""
    allowed = routes_of(snapshot, caller)
    if route not in allowed:
        listed = ", ".join(allowed) or "none yet"
        raise NotFound(f'there is no route "{route[:80]}"; this key may call: {listed}')


def _check_special(request: CallRequest) -> None:
    """A field that changes price or place beyond what the models' documents say would walk past budgets and residency."""
    if request.outline.special:
        named = ", ".join(request.outline.special)
        raise InvalidRequest(
            f"{named}: this changes price or place beyond what the models' documents say; leave it out"
        )


def _check_classes(snapshot: Snapshot, declared: Sequence[str]) -> None:
    """What a caller writes freely does not get into facts: a class is one of the organisation's."""
    known = snapshot.bundle.organisation.spec["dataClasses"]
    unknown = [name for name in declared if name not in known]
    if unknown:
        listed = ", ".join(known)
        raise InvalidRequest(f'there is no data class "{unknown[0][:40]}"; there are: {listed}')


def projected(draft: Draft, snapshot: Snapshot) -> fact.RequestFacts:
    """The request as this snapshot's rules may see it, and as it is recorded."""
    scope = snapshot.bundle.scope(draft.facts.tenant)
    required = snapshot.bundle.required_of(draft.facts.tenant, draft.facts.route)
    asked = completed(draft.facts.request, draft.facts.key, required)
    return project(asked, scope.reads, draft.keys.commit)


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
        input_unbounded=outline.unbounded or UNSET,
        service_tier="flex" if outline.service_tier == "flex" else UNSET,
    )


async def _seal(keys: CallKeys, request: CallRequest) -> steps.Sealed:
    """The request for the vault; a large one is sealed in a thread."""

    def work() -> steps.Sealed:
        sealed = keys.seal("request", exchange.encode_request(request))
        names = sealed.tenant_key, sealed.subject_key
        return steps.Sealed("request", *names, sealed.nonce, sealed.ciphertext)

    return await asyncio.to_thread(work) if len(request.raw) > THREAD_FROM else work()


async def unsealed(keys: CallKeys, sealed: steps.Sealed) -> CallRequest:
    """The request of a call, out of the vault; a large one is opened in a thread. Raises audit.vault's Tampered."""
    names = keys.tenant_key, keys.subject_key
    row = VaultRow(keys.call, sealed.field, sealed.no, *names, sealed.nonce, sealed.ciphertext)

    def work() -> CallRequest:
        return exchange.decode_request(keys.unseal(row))

    return await asyncio.to_thread(work) if len(sealed.ciphertext) > THREAD_FROM else work()


def _idempotency(ask: Ask) -> steps.IdempotencyKey | None:
    key = ask.options.idempotency_key
    if not key:
        return None
    digest = hashlib.sha256(ask.request.dialect.encode() + b"\0" + ask.request.raw).digest()
    return steps.IdempotencyKey(hashlib.sha256(key.encode()).digest(), digest)


def shares(windows: Windows, facts: fact.Facts) -> tuple[fact.BudgetFacts, ...]:
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
