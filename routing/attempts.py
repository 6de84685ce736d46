"""The one door to models: reserve and start, call, settle. No other file opens a provider.

INVARIANT: `attempt.started` is committed before anything goes upstream, and an attempt is settled exactly once: alone
while the call goes on, or by `execution` in the commit that ends the call.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping
from datetime import datetime
from typing import Any, assert_never

from psycopg import InterfaceError, OperationalError
from psycopg_pool import PoolTimeout

from controlplane.kernel.tracing import traced
from policies.engine import pricing
from policies.engine.decision import Candidate, Plan
from routing.calls import answers, commands, steps
from routing.calls.attempts import StartAnswer
from routing.calls.steps import Reservation
from routing.case import Case, Dropped, Replanned, elapsed_ms, on_from
from routing.dialects.redacted import CODE as NOT_REDACTABLE
from routing.dialects.redacted import NotRedactable, told
from routing.dialects.uninvited import Uninvited, watch
from routing.exchange import CallRequest, Usage
from routing.flow import Flow
from routing.ledger.balances import reservation_for
from routing.ledger.headroom import model_label
from routing.providers.base import Answered, ProviderError, Target, Timeouts
from routing.providers.errors import unreadable
from routing.running import Cut, Watched
from routing.tried import Repair, Tried, parts_of, tier_of, tokens_of

STALE_TRIES = 20
NO_HEADROOM = "no_headroom"
DEADLINE_SLACK_SECONDS = 0.05
_UNINVITED = "its answer asks for a tool that it was not offered"


class Ended(Exception):
    """The call is to end without another attempt; the message is its code: `cancelled`, `deadline_exceeded`, `stopped`."""


def _told(_door: "Door", tried: Tried) -> dict[str, str | int | bool]:
    """What a span says of an attempt."""
    return {"model": tried.candidate.model, "status": tried.status, "error": tried.error_class}


class Door:
    """One call's way to its models. `last` is the newest outcome; it is settled before the next attempt begins.

    `unstarted` is why the newest attempt never began: its provider has no room, or no money is left.
    """

    def __init__(self, case: Case, watched: Watched) -> None:
        self._case = case
        self._watched = watched
        self.flow = Flow(case.sender)
        self.last: Tried | None = None
        self.unstarted = ""
        self.tokens = 0
        self._begun = Counter(tried.label for tried in case.row.made)
        self._tried: set[str] = set()

    @property
    def _checked(self) -> bool:
        """Whether what a model answers is checked before the caller sees it, under the decision at hand."""
        return self._case.checks is not None

    def begun(self, candidate: Candidate) -> int:
        """How many attempts at its model this call has made, lost ones included."""
        return self._begun[model_label(candidate)]

    def pause(self, seconds: float) -> Awaitable[object]:
        """Let seconds pass between two attempts, by the clock that the worker lives by."""
        return self._case.worker.pause(seconds)

    def fresh(self, plan: Plan) -> frozenset[str]:
        """The models of a checked plan that may be asked: from where a lost worker stopped, none of an older plan's."""
        labels = [model_label(candidate) for candidate in plan.steps]
        made = self._case.row.made
        if not self._tried and made and made[-1].label in labels:
            labels = labels[labels.index(made[-1].label) :]
        return frozenset(labels) - self._tried

    def left(self, plan: Plan) -> tuple[Candidate, ...]:
        """What of a plan is still to be tried: it goes on where a lost worker stopped.

        A new plan does not go back to a model at which this worker has started an attempt.
        """
        steps_left = plan.steps if self._tried else on_from(plan, self._case.row.made)
        return tuple(
            candidate
            for candidate in steps_left
            if model_label(candidate) not in self._tried
            and self.begun(candidate) < plan.retry.attempts
        )

    async def attempt(self, candidate: Candidate, repair: Repair | None = None) -> Tried:
        """One try at one model; a repair asks it something else. Raises Ended, Dropped, Denied, Replanned."""
        await self._settle_last()
        self._asked = repair.request if repair else await self._to_send()
        self._more = (repair.more_tokens if repair else 0) + self._case.grown
        worker, provider = self._case.worker, _provider_key(candidate)
        limit = self._settings(candidate)["maxConcurrency"]
        lease = await worker.concurrency.acquire(provider, limit)
        if lease is None:
            return self._unstarted(candidate, "overloaded", 503)
        try:
            started = await self._start(pricing.enlarged(candidate, self._more))
            if started is None:
                return self._unstarted(candidate, NO_HEADROOM, 429)
            self.last = started
            self._tried.add(model_label(started.candidate))
            self._begun[model_label(started.candidate)] += 1
            await self._call(started)
        finally:
            await worker.concurrency.release(lease)
        if not (started.late or started.slept):
            await worker.breakers.record(model_label(candidate), ok=not started.counts_against())
        return started

    async def _to_send(self) -> CallRequest:
        """What the model is asked. Raises Ended where nobody can take out of it what must be taken out."""
        try:
            return await self._case.to_send()
        except NotRedactable:
            raise Ended(NOT_REDACTABLE) from None

    def _unstarted(self, candidate: Candidate, why: str, status: int) -> Tried:
        self.unstarted = why
        return Tried(candidate, 0, self._case.worker.clock(), error_class=why, status=status)

    @traced("start", lambda self, *_: self._case.row.call)
    async def _start(self, candidate: Candidate) -> Tried | None:
        """Commit the start; None where no money is left. Decides again as often as the policy moves meanwhile."""
        case = self._case
        moment = case.row.reserved_at or case.worker.clock()
        for _ in range(STALE_TRIES):
            no = case.reserved or case.attempts + 1
            at = case.worker.clock()
            step = await self._step(candidate, no, moment)
            answer = await self._commit(step)
            match answer:
                case answers.Started():
                    case.started(no)
                    return Tried(candidate, no, at)
                case answers.Stale():
                    checks, owed = case.checks, case.decision.obligations
                    case.decide_again(await case.worker.snapshots.reload())
                    # INVARIANT: who walks unchecked never starts what must be checked, and nothing is sent under
                    # obligations that have changed since it was made ready
                    if (case.checks, case.decision.obligations) != (checks, owed):
                        raise Replanned
                    candidate = pricing.enlarged(case.the_same(candidate), self._more)
                case answers.WindowMoved():
                    case.worker.windows.forget()
                    moment = answer.now
                case answers.DayEnded():
                    case.not_before = answer.now
                case answers.NoHeadroom():
                    return None
                case _:
                    raise _no_start(answer)
        raise Dropped

    async def _commit(self, step: steps.Start) -> StartAnswer:
        """Ask again with the same entry until the deadline while PostgreSQL is away.

        A start that was left in doubt could be in: a call that a living worker has and nobody carries.
        """
        while True:
            try:
                async with self._case.worker.shares.of(self._case.row.tenant):
                    return await commands.start_attempt(self._case.worker.db, step)
            except (OperationalError, InterfaceError, PoolTimeout):
                if self._left() <= 0:
                    raise

    def _left(self) -> float:
        """Seconds until the call's deadline."""
        return self._case.deadline - asyncio.get_running_loop().time()

    async def _step(self, candidate: Candidate, no: int, moment: datetime) -> steps.Start:
        case = self._case
        data: dict[str, object] = {
            "no": no,
            "model": candidate.model,
            "provider": candidate.provider,
            "reserved": str(candidate.amount_nano),
            **told(case.redacted.counts),
        }
        return steps.Start(
            call=case.row.call,
            worker=case.worker.lease.worker,
            no=no,
            revision=case.revision,
            stop_epoch=case.epoch,
            entry=case.entry("attempt.started", data),
            reservation=await self._reservation(candidate, no, moment),
            decision=case.decided,
            relays=case.row.stream and not self._checked,
        )

    async def _reservation(
        self, candidate: Candidate, no: int, moment: datetime
    ) -> Reservation | None:
        """None for the attempt that admission reserved as it stands; else what is to be held."""
        case = self._case
        held = next((tried for tried in case.row.tried if tried.no == no), None)
        if held is not None and case.decided is None:
            reserved = (held.model_tenant, held.model, held.reserved_nano)
            if reserved == (candidate.model_tenant, candidate.model, candidate.amount_nano):
                return None
        candidate, ends_at = case.as_of(case.now(), candidate)
        return await reservation_for(case.worker.windows, candidate, moment, ends_at)

    @traced("provider", lambda self, _tried: self._case.row.call, _told)
    async def _call(self, tried: Tried) -> None:
        """Call the model; what happened is written into `tried`. Raises Ended when cut."""
        case, watched, candidate = self._case, self._watched, tried.candidate
        watched.model = (candidate.model_tenant, candidate.model)
        watched.provider = (candidate.provider_tenant, candidate.provider)
        began = asyncio.get_running_loop().time()
        try:
            await watched.run(self._stream(tried) if case.row.stream else self._answer(tried))
        except ProviderError as error:
            tried.error_class, tried.status = error.error_class, error.status
            tried.late = error.error_class == "timeout" and self._out_of_time()
            tried.slept = case.worker.wakefulness.slept_since(began)
            tried.retry_after_seconds = error.retry_after_seconds
            tried.maybe_processed = error.maybe_processed
            tried.body = error.body or b""
            self._count(tried)
        except Cut as cut:
            tried.error_class, tried.maybe_processed = cut.reason, True
            self._count(tried)
            raise Ended(cut.reason) from None
        finally:
            self.tokens += sum(tokens_of(tried.usage).values())
            tried.relayed = self.flow.sent > 0
            tried.latency_ms = elapsed_ms(tried.at, case.worker.clock())

    def _out_of_time(self) -> bool:
        return asyncio.get_running_loop().time() >= self._case.deadline - DEADLINE_SLACK_SECONDS

    def _count(self, tried: Tried) -> None:
        """A stream cut before its usage came: the input bound, and every byte of output a token."""
        if self._case.row.stream and self.flow.output_bytes:
            bound = tried.candidate.input_tokens_max
            tried.broke_off(Usage(input=bound, output=self.flow.output_bytes, source="counted"))

    async def _answer(self, tried: Tried) -> None:
        target = self._target(tried)
        provider, uninvited = self._case.worker.providers.provider(target), self._uninvited()
        answered: Answered = await provider.answer(self._asked, target)
        tried.logprobs = answered.logprobs
        tried.body, tried.usage, tried.finish = (
            answered.body,
            answered.usage,
            answered.finish_reason,
        )
        tried.upstream_model = answered.upstream_model
        if uninvited is not None and uninvited.in_body(answered.body):
            raise unreadable(target.provider, _UNINVITED)

    async def _stream(self, tried: Tried) -> None:
        target = self._target(tried)
        provider, uninvited = self._case.worker.providers.provider(target), self._uninvited()
        pieces = provider.stream(self._asked, target)
        self.flow.holds = self._checked
        if self._checked:
            self.flow.restart()
        try:
            async for piece in pieces:
                tried.logprobs += piece.logprobs
                tried.usage = piece.usage or tried.usage
                tried.finish = piece.finish or tried.finish
                if uninvited is not None and uninvited.in_piece(piece.data):
                    self.flow.output_bytes += piece.output_bytes
                    raise unreadable(target.provider, _UNINVITED)
                await self.flow.take(piece)
        finally:
            await pieces.aclose()
        if self._checked:
            tried.body = bytes(self.flow.transcript)

    def _uninvited(self) -> Uninvited | None:
        """What to look for in what the model answers."""
        scope = self._case.bundle.scope(self._case.row.tenant)
        return watch(scope, self._case.decision.obligations, self._asked.outline)

    def _target(self, tried: Tried) -> Target:
        case, candidate = self._case, tried.candidate
        settings = self._settings(candidate)
        timeouts = settings["timeouts"]
        return Target(
            provider=candidate.provider,
            provider_type=candidate.provider_type,
            base_url=settings["baseUrl"] or "",
            credential=settings["credential"] or "",
            upstream_name=candidate.upstream_name,
            call=case.row.call,
            attempt_no=tried.no,
            public_model=case.row.route,
            deadline=case.deadline,
            max_output_tokens=candidate.max_output_tokens,
            timeouts=Timeouts(
                connect=float(timeouts["connectSeconds"]),
                first_token=float(timeouts["firstTokenSeconds"]),
                stall=float(timeouts["stallSeconds"]),
                total=float(timeouts["totalSeconds"]),
            ),
            rules=case.bundle.models[candidate.model_tenant, candidate.model].rules,
            logprobs=self._measures(candidate),
        )

    def _measures(self, candidate: Candidate) -> bool:
        """Whether we want to know how sure the model was of each token, and it can tell."""
        checks, key = self._case.checks, (candidate.model_tenant, candidate.model)
        if checks is None or checks.method != "logprob":
            return False
        return "logprobs" in self._case.bundle.models[key].capabilities

    def _settings(self, candidate: Candidate) -> Mapping[str, Any]:
        """The spec of the candidate's Provider."""
        found = self._case.bundle.documents[
            "Provider", candidate.provider_tenant, candidate.provider
        ]
        return found.spec

    @traced("settle", lambda self: self._case.row.call)
    async def _settle_last(self) -> None:
        """Settle the attempt before this one, alone."""
        if self.last is None:
            return
        tried, self.last = self.last, None
        db, settlement = self._case.worker.db, self.settlement(tried)
        async with self._case.worker.shares.of(self._case.row.tenant):
            patience = max(2.0, self._left())
            settled = await commands.settle_attempt(db, settlement, patience_seconds=patience)
        if isinstance(settled, answers.Moved):
            raise Dropped

    def settlement(self, tried: Tried) -> steps.Settlement:
        """How the attempt ends, with its entry."""
        case, becomes, used = self._case, tried.becomes(), tried.usage
        amount = 0 if becomes == "unknown" else tried.amount_nano()
        tokens = None if used is None else steps.Tokens(*tokens_of(used).values())
        data: dict[str, object] = {
            "no": tried.no,
            "model": tried.candidate.model,
            "upstream_model": tried.upstream_model,
            "provider": tried.candidate.provider,
            "error_class": tried.error_class,
            "status": tried.status,
            "finish": tried.finish or "",
            "latency_ms": tried.latency_ms,
            "amount": str(amount),
            "basis": tried.basis(),
            "tokens": tokens_of(used) | parts_of(used),
            **tier_of(used),
        }
        return steps.Settlement(
            call=case.row.call,
            no=tried.no,
            was="started",
            becomes=becomes,
            entry=case.entry(f"attempt.{becomes}", data),
            amount_nano=amount,
            basis="none" if becomes == "unknown" else tried.basis(),
            error_class=tried.error_class,
            tokens=tokens,
            service_tier="" if used is None else used.service_tier,
            worker=case.worker.lease.worker,
        )


def _no_start(
    answer: answers.Cancelled | answers.Late | answers.Moved | answers.Lost | answers.LeaseLost,
) -> Exception:
    """Why the call may not go on here."""
    match answer:
        case answers.Cancelled():
            return Ended("cancelled")
        case answers.Late():
            return Ended("deadline_exceeded")
        case answers.Moved() | answers.Lost() | answers.LeaseLost():
            return Dropped()
        case _:
            assert_never(answer)


def _provider_key(candidate: Candidate) -> str:
    tenant = candidate.provider_tenant
    return f"{tenant}/{candidate.provider}" if tenant else candidate.provider
