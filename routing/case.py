"""What a worker process holds (`Worker`), and what it knows about one call (`Case`)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import redis.asyncio
from msgspec import UNSET
from msgspec.structs import replace

from audit.log.entry import Entry, build
from audit.vault.keys import CallKeys
from audit.vault.store import KeyStore
from controlplane.kernel.clock import Clock, to_text
from controlplane.kernel.tracing import traced
from policies.bundles.snapshot import Snapshot, Snapshots
from policies.engine import facts as fact
from policies.engine.bundle import Bundle
from policies.engine.calendar import day_ends_at, today_at
from policies.engine.decide import decide
from policies.engine.decision import Candidate, Checks, Decision, Obligations, Plan
from policies.engine.lifting import on_day
from policies.engine.reads import project
from policies.engine.required import completed
from routing.calls import steps
from routing.calls.attempts import Peeked, Tried
from routing.calls.leases import Lease
from routing.calls.pool import Database
from routing.calls.shares import Shares
from routing.dialects.redacted import Redacted, of_request
from routing.dialects.stripped import without_tools
from routing.exchange import CallRequest
from routing.gathering import THREAD_FROM, unsealed
from routing.ledger.balances import Windows
from routing.ledger.headroom import model_label
from routing.limits.breakers import Breakers
from routing.limits.concurrency import Concurrency
from routing.limits.rates import RateLimits
from routing.pipe import Pipe
from routing.providers.registry import Providers
from routing.relay import Sender
from routing.running import Running, Wakefulness

REDACT_FROM = 16 * 1024


@dataclass(slots=True)
class Worker:
    """One per process. `lease` is replaced when it was buried. `pause` is how time passes between two attempts."""

    db: Database
    redis: redis.asyncio.Redis
    pipe: Pipe
    snapshots: Snapshots
    key_store: KeyStore
    windows: Windows
    providers: Providers
    breakers: Breakers
    concurrency: Concurrency
    rates: RateLimits
    new_id: Callable[[], UUID]
    clock: Clock
    lease: Lease
    running: Running = field(default_factory=Running)
    wakefulness: Wakefulness = field(default_factory=Wakefulness)
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep
    shares: Shares = field(init=False)

    def __post_init__(self) -> None:
        self.shares = Shares(self.db)


class Dropped(Exception):
    """The call is another's now: say nothing, write nothing."""


class Denied(Exception):
    """Decided again at a start, the call is denied."""


class Held(Exception):
    """Decided again at a start, a person must look first."""


class Replanned(Exception):
    """Decided again at a start, the plan is another one: begin it."""


@dataclass(slots=True)
class Case:
    """One call in this worker's hands. `deadline` is on the loop's clock; `reserved` names the attempt that waits to start."""

    worker: Worker
    row: Peeked
    request: CallRequest
    keys: CallKeys
    bundle: Bundle
    facts: fact.Facts
    decision: Decision
    revision: int
    epoch: int
    sender: Sender
    deadline: float
    attempts: int
    reserved: int | None
    decision_no: int
    decided: steps.Decided | None = None
    not_before: datetime | None = None
    sent: dict[Obligations, Redacted] = field(default_factory=dict)
    redacted_answer: Mapping[str, int] = field(default_factory=dict)

    @property
    def checks(self) -> Checks | None:
        """What an answer must pass before the caller sees it; None: it is passed on as it comes."""
        return self.decision.plan.checks if self.decision.plan else None

    @property
    def outgoing(self) -> CallRequest:
        """What a model is asked: without the tools that permissions take away, and what they redact. Raises NotRedactable."""
        return self.redacted.request

    @property
    def redacted(self) -> Redacted:
        """The same, with what was taken out of it."""
        # INVARIANT: what is decided binds what is sent: nothing goes upstream but this, or a repair of it
        owed = self.decision.obligations
        if owed not in self.sent:
            stripped = without_tools(self.request, owed.strip_tools)
            self.sent[owed] = of_request(stripped, owed.redact)
        return self.sent[owed]

    @property
    def grown(self) -> int:
        """By how many bytes it is longer than what the caller sent: a placeholder may be longer than an address."""
        return max(0, len(self.outgoing.raw) - len(self.request.raw))

    async def to_send(self) -> CallRequest:
        """What a model is asked; of a large request it is made in a thread. Raises NotRedactable."""
        owed, size = self.decision.obligations, len(self.request.raw)
        if (owed.strip_tools and size > THREAD_FROM) or (owed.redact and size > REDACT_FROM):
            return await asyncio.to_thread(lambda: self.outgoing)
        return self.outgoing

    @property
    def must_hold(self) -> bool:
        """Whether a person must look before any model runs, and none has let this call go on yet."""
        return self.decision.hold is not None and not self.row.released

    def entry(self, kind: str, data: dict[str, object]) -> Entry:
        """An entry of this call, by this worker, under the policy at hand."""
        policy: dict[str, object] = {"revision": self.revision, "epoch": self.epoch}
        return entry_of(self.worker, self.row, kind, policy | data)

    def decide_again(self, snapshot: Snapshot) -> None:
        """With the recorded facts plus the current stops, as a second record. Raises Denied, Held.

        Labels and tools come from the request itself: the record has only those that the rules of its own revision read.
        """
        stops = tuple(stop for stop in snapshot.stops if stop.tenant in {"", self.row.tenant})
        outline, scope = self.request.outline, snapshot.bundle.scope(self.row.tenant)
        asked = replace(
            self.facts.request, labels=outline.labels, labels_given=UNSET, tools=outline.tools
        )
        required = snapshot.bundle.required_of(self.row.tenant, self.facts.route)
        asked = completed(asked, self.facts.key, required)
        asked = project(asked, scope.reads, self.keys.commit)
        self.facts = replace(self.facts, stops=stops, request=asked)
        self.bundle, self.revision, self.epoch = snapshot.bundle, snapshot.revision, snapshot.epoch
        self.decision = decide(self.bundle, self.facts)
        facts = fact.encode(self.facts)
        self.decided = steps.Decided(
            self.decision_no + 1, self.decision.effect, self.decision.digest, facts
        )
        if self.decision.plan is None:
            raise Denied
        if self.must_hold:
            raise Held

    def started(self, no: int) -> None:
        """Attempt `no` is committed as started, and with it what was decided again."""
        self.attempts, self.reserved = no, None
        self.decision_no, self.decided = (
            (self.decided.no if self.decided else self.decision_no),
            None,
        )

    def now(self) -> datetime:
        """By this process's clock, and never before PostgreSQL said that a day had ended."""
        moment = self.worker.clock()
        return max(moment, self.not_before or moment)

    def as_of(self, now: datetime, candidate: Candidate) -> tuple[Candidate, datetime]:
        """The candidate with the limits of the day, for a raise may have ended since it was decided; and when that day ends."""
        lifted, scope = self.decision.lifted, self.bundle.scope(self.row.tenant)
        ends_at = day_ends_at(to_text(now), scope.time_zone)
        if not any(one.raise_nano for one in lifted):
            return candidate, ends_at
        day = today_at(to_text(now), scope.time_zone)
        # INVARIANT: no reservation is granted above the limit that is in force at its commit
        budgets = on_day(candidate.budgets, lifted, scope.exceptions, day)
        return replace(candidate, budgets=budgets), ends_at

    def the_same(self, candidate: Candidate) -> Candidate:
        """The candidate as the plan at hand has it. Raises Replanned when it is not in it."""
        for step in self.decision.plan.steps if self.decision.plan else ():
            if (step.model, step.model_tenant) == (candidate.model, candidate.model_tenant):
                return step
        raise Replanned


def entry_of(worker: Worker, row: Peeked, kind: str, data: dict[str, object]) -> Entry:
    """An entry of a call, by this worker."""
    return build(
        kind,
        id=worker.new_id(),
        at=worker.clock(),
        actor=f"worker:{worker.lease.worker.hex[:12]}",
        tenant=row.tenant,
        call=row.call,
        subject=row.route,
        data=data,
    )


@traced("open", lambda _worker, row: row.call)
async def open_case(worker: Worker, row: Peeked) -> Case:
    """Unseal the request and decide again from the recorded facts. Raises audit.vault's Erased and Tampered."""
    facts = fact.decode(row.facts)
    bundle = await worker.snapshots.at(row.decision_revision)
    decision = decide(bundle, facts)
    if decision.digest != row.decision_digest or row.request is None:
        raise Dropped  # INVARIANT: the same facts, bundle and engine give the same bytes; nothing runs on a guess
    keys = CallKeys.recall(
        worker.key_store, row.call, row.request.tenant_key, row.request.subject_key
    )
    remaining = (row.deadline_at - row.now).total_seconds()
    return Case(
        worker=worker,
        row=row,
        request=await unsealed(keys, row.request),
        keys=keys,
        bundle=bundle,
        facts=facts,
        decision=decision,
        revision=row.revision,
        epoch=row.stop_epoch,
        sender=Sender(worker.pipe, row.reply_to, row.call, keys.frames),
        deadline=asyncio.get_running_loop().time() + remaining,
        attempts=row.attempts,
        reserved=next((tried.no for tried in row.tried if tried.state == "reserved"), None),
        decision_no=row.decision_no,
    )


def on_from(plan: Plan, made: Sequence[Tried]) -> tuple[Candidate, ...]:
    """The plan from the last model tried on: that model again where its outcome may be retried, else what follows it."""
    last = made[-1] if made else None
    labels = [model_label(candidate) for candidate in plan.steps]
    if last is None or last.label not in labels:
        return plan.steps
    here = labels.index(last.label)
    begun = sum(tried.label == last.label for tried in made)
    if last.error_class in plan.retry.on and begun < plan.retry.attempts:
        return plan.steps[here:]
    return plan.steps[here + 1 :] if last.error_class in plan.fallback_on else ()


def elapsed_ms(since: datetime, now: datetime) -> int:
    """Whole milliseconds between two moments, never below zero."""
    return max(0, int((now - since).total_seconds() * 1000))
