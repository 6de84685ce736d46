"""Calls for pages to show: decided by the engine, recorded and settled by the functions of the hot path, no model needed."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings

from audit.log.entry import Entry, build
from audit.vault.keys import CallKeys, month_of, subject_of_team
from audit.vault.store import KeyStore
from controlplane.kernel.clock import system_clock, to_text
from controlplane.kernel.ids import IdSource
from policies.bundles.snapshot import Snapshot, published
from policies.engine.decide import decide
from policies.engine.decision import Candidate, Decision
from policies.engine.facts import Facts, KeyFacts, RequestFacts, draw_of, encode
from policies.engine.pricing import UsageCounts, cost
from policies.identity.models import ApiKey
from routing.calls import answers, commands, leases, steps
from routing.calls.pool import Database, open_pool
from routing.ledger.balances import Windows

TOKENS = steps.Tokens(input=900, output=140)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One call: `failures` are the error classes of the attempts before the one that answers; `ends` is how it ends."""

    key: str
    route: str
    data_classes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    ends: str = "completed"
    stream: bool = False
    needs: tuple[str, ...] = ()
    input_tokens: int = 1200
    prompt: str = "Sort this claim: a bicycle was stolen."
    answer: str = "label: theft"
    run: str | None = None
    service_tier: str = ""


@dataclass
class Office:
    """Makes calls under what is published now."""

    db: Database
    snapshot: Snapshot
    store: KeyStore
    windows: Windows
    ids: IdSource = field(default_factory=IdSource)
    worker: UUID = field(default_factory=uuid4)

    async def make(self, wanted: Wanted, key: ApiKey) -> UUID:
        """Decide, admit or deny, run and end one call."""
        call, now = self.ids.new(), system_clock()
        facts = _facts(wanted, key, call, now)
        decision = decide(self.snapshot.bundle, facts)
        decided = steps.Decided(1, decision.effect, decision.digest, encode(facts))
        common: dict[str, object] = {
            "revision": self.snapshot.revision,
            "epoch": self.snapshot.epoch,
            "decision": decision.digest.hex(),
            "team": key.team,
        }
        asked = self._asked(wanted, key, call)
        if decision.effect != "permit" or decision.plan is None:
            code = decision.denial.code if decision.denial else "denied"
            entry = self._entry("call.denied", key, call, common | {"code": code})
            denial = steps.Denial(asked=asked, decision=decided, entry=entry, code=code)
            assert isinstance(await commands.deny(self.db, denial), answers.Denied)
            return call
        reservation = await self._reservation(decision.plan.steps[0], now)
        admission = steps.Admission(
            asked=asked,
            decision=decided,
            entry=self._entry("call.admitted", key, call, common),
            request=self._sealed(call, key, "request", wanted.prompt),
            reservation=reservation,
        )
        answer = await commands.admit(self.db, admission)
        assert isinstance(answer, answers.Admitted), answer
        await self._run(wanted, key, call, decision)
        return call

    async def _run(self, wanted: Wanted, key: ApiKey, call: UUID, decision: Decision) -> None:
        if wanted.ends == "admitted":
            return
        assert decision.plan is not None
        plan = decision.plan.steps
        lost = wanted.ends == "unknown"
        tries = [*wanted.failures, "worker_lost" if lost else ""]
        for no, failure in enumerate(tries, 1):
            candidate = plan[min(no - 1, len(plan) - 1)]
            if wanted.ends == "failed" and not failure:
                break
            await self._start(key, call, no, candidate)
            if wanted.ends == "running" and not failure:
                return
            last = no == len(tries) or (wanted.ends == "failed" and no == len(tries) - 1)
            await self._end(_Ended(wanted, key, call, no, candidate, failure, last))

    async def _start(self, key: ApiKey, call: UUID, no: int, candidate: Candidate) -> None:
        data = {"no": no, "model": candidate.model, "provider": candidate.provider}
        start = steps.Start(
            call=call,
            worker=self.worker,
            no=no,
            revision=self.snapshot.revision,
            stop_epoch=self.snapshot.epoch,
            entry=self._entry("attempt.started", key, call, data, worker=True),
            reservation=await self._reservation(candidate, system_clock()) if no > 1 else None,
        )
        answer = await commands.start_attempt(self.db, start)
        assert isinstance(answer, answers.Started), answer
        await asyncio.sleep(0.012)

    async def _end(self, ended: "_Ended") -> None:
        wanted, call, no = ended.wanted, ended.call, ended.no
        lost = wanted.ends == "unknown"
        becomes = "unknown" if lost else "failed" if ended.failure else "succeeded"
        amount = 0 if ended.failure else cost(ended.candidate.price, _usage())
        settlement = steps.Settlement(
            call=call,
            no=no,
            was="started",
            becomes=becomes,
            entry=self._entry(
                f"attempt.{becomes}",
                ended.key,
                call,
                {"no": no, "error": ended.failure},
                worker=True,
            ),
            amount_nano=amount,
            basis="none" if ended.failure else "reported",
            error_class=ended.failure,
            tokens=None if ended.failure else TOKENS,
            worker=self.worker,
            service_tier=wanted.service_tier,
        )
        if not ended.last:
            assert isinstance(await commands.settle_attempt(self.db, settlement), answers.Settled)
            return
        state = "failed" if lost else wanted.ends
        finish = steps.Finish(
            call=call,
            worker=self.worker,
            state=state,
            code="" if state == "completed" else "upstream_failed",
            attempt=settlement,
            answer=None
            if ended.failure
            else self._sealed(call, ended.key, "answer", wanted.answer),
            entry=self._entry(f"call.{state}", ended.key, call, {"attempts": no}, worker=True),
        )
        answer = await commands.finish_call(self.db, finish)
        assert isinstance(answer, answers.Finished), answer

    async def _reservation(self, candidate: Candidate, now: datetime) -> steps.Reservation:
        windows = await self.windows.claims_to_windows(candidate.budgets, now)
        return steps.Reservation(
            model=candidate.model,
            model_tenant=candidate.model_tenant,
            provider=candidate.provider,
            amount_nano=candidate.amount_nano,
            windows=windows,
        )

    def _asked(self, wanted: Wanted, key: ApiKey, call: UUID) -> steps.Asked:
        return steps.Asked(
            call=call,
            tenant=key.tenant,
            team=key.team,
            key=key.id,
            key_hash=bytes(key.hash),
            route=wanted.route,
            dialect="openai.chat",
            stream=wanted.stream,
            revision=self.snapshot.revision,
            stop_epoch=self.snapshot.epoch,
            deadline_seconds=600.0,
            user_ref=subject_of_team(key.tenant, key.team),
            run=wanted.run,
        )

    def _entry(
        self, kind: str, key: ApiKey, call: UUID, data: dict[str, object], *, worker: bool = False
    ) -> Entry:
        return build(
            kind,
            id=self.ids.new(),
            at=system_clock(),
            actor=f"worker:{self.worker.hex[:8]}" if worker else f"key:{key.id}",
            tenant=key.tenant,
            call=call,
            data=data,
        )

    def _sealed(self, call: UUID, key: ApiKey, name: str, text: str) -> steps.Sealed:
        subject = subject_of_team(key.tenant, key.team)
        keys = CallKeys.derive(self.store, key.tenant, month_of(call), subject, call)
        sealed = keys.seal(name, json.dumps({"content": text}).encode())
        return steps.Sealed(
            name, sealed.tenant_key, sealed.subject_key, sealed.nonce, sealed.ciphertext
        )


@dataclass(frozen=True, slots=True)
class _Ended:
    wanted: Wanted
    key: ApiKey
    call: UUID
    no: int
    candidate: Candidate
    failure: str
    last: bool


def _usage() -> UsageCounts:
    return UsageCounts(input=TOKENS.input, cached_input=0, cache_write=0, output=TOKENS.output)


def _facts(wanted: Wanted, key: ApiKey, call: UUID, now: datetime) -> Facts:
    return Facts(
        now=to_text(now),
        call=call.hex,
        draw=draw_of(hashlib.sha256(call.bytes).digest()),
        tenant=key.tenant,
        team=key.team,
        key=KeyFacts(id=key.id, labels=dict(key.labels)),
        route=wanted.route,
        request=RequestFacts(
            dialect="openai.chat",
            data_classes=wanted.data_classes,
            needs=wanted.needs,
            input_tokens_max=wanted.input_tokens,
            input_tokens_estimate=wanted.input_tokens * 3 // 4,
            output_tokens_asked=400,
            stream=wanted.stream,
        ),
    )


def make_calls(wanted: Sequence[Wanted]) -> list[UUID]:
    """Make the calls in order; from synchronous tests."""
    keys = {key.id: key for key in ApiKey.objects.all()}
    snapshot = published()

    async def work(office: Office) -> list[UUID]:
        return [await office.make(one, keys[one.key]) for one in wanted]

    return asyncio.run(_in_office(snapshot, work))


async def _in_office(
    snapshot: Snapshot, work: Callable[[Office], Coroutine[Any, Any, list[UUID]]]
) -> list[UUID]:
    pool = await open_pool(settings.DATABASE_URL, 2)
    try:
        office = Office(
            pool, snapshot, KeyStore(settings.MANDATE_KEYS_DIR / "store"), Windows(pool)
        )
        assert await leases.renew(pool, leases.Lease(office.worker, "test", 1))
        return await work(office)
    finally:
        await pool.close()
