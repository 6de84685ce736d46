"""The worker half of a call.

1. peek: the call as it stands, without claiming it
2. open: unseal the request, decide again from the recorded facts    (case.py)
3. walk the plan; every try goes through one door                    (strategies/, checked.py, attempts.py)
4. finish: the last attempt and the call in one commit
5. tell the waiting request                                          (relay.py)

Dying anywhere in it loses nothing but time: the sweep takes it from the lease and the rows.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from dataclasses import replace as replaced
from typing import assert_never
from uuid import UUID

import structlog
from msgspec.structs import replace

from audit.vault.keys import Erased
from audit.vault.seal import Tampered
from controlplane.kernel.errors import Forbidden, InvalidRequest, MandateError, UpstreamFailed
from controlplane.kernel.tracing import traced
from policies.engine.decision import Hold, Plan
from policies.engine.rates import rate_claims
from policies.engine.weigh import Weighed
from routing import checked
from routing.answers import NOT_ACCEPTED, Money, complete, failure
from routing.attempts import Door, Ended
from routing.calls import answers, commands, steps
from routing.calls.attempts import Peeked
from routing.calls.endings import FinishAnswer
from routing.case import Case, Denied, Dropped, Held, Replanned, Worker, entry_of, open_case
from routing.dialects.redacted import CODE as NOT_REDACTABLE
from routing.dialects.redacted import told
from routing.dialects.registry import changes, dialect
from routing.dialects.stripped import taken_from
from routing.relay import Outcome, pack_outcome
from routing.reviews.holding import hold_call
from routing.reviews.opening import opening
from routing.running import Watched
from routing.strategies import ordered
from routing.tried import Tried, tier_of

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 30.0
MOST_PLANS = 20
CUT = frozenset({"stopped", "cancelled"})
JSON = "application/json"
EVENTS = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True)
class End:
    """How a call ends: its state, the code of its row, and its last attempt where one is to be settled with it.

    `chosen` is the attempt whose answer it is about, the last one where the plan checks nothing; `weighed` how it was
    weighed. `hold` says which queue a held call goes to, and why.
    """

    state: str
    code: str = ""
    last: Tried | None = None
    weighed: Weighed | None = None
    chosen: Tried | None = None
    hold: Hold | None = None

    @property
    def answered(self) -> Tried | None:
        """The attempt that the caller hears of."""
        return self.chosen if self.weighed is not None else self.last


@traced("run", lambda _worker, call: call)
async def run_call(worker: Worker, call: UUID) -> None:
    """Carry a call that waits for a worker to its end. Returns without a word where it is another's."""
    row = await commands.peek(worker.db, call)
    if row is None or row.state not in {"admitted", "running"} or row.worker is not None:
        return
    try:
        case = await open_case(worker, row)
    except (Erased, Tampered) as error:
        log.error("call.unreadable", call=call.hex, error=type(error).__name__)
        await _give_up(worker, row, "content_erased")
        return
    watched = Watched(call, row.tenant, row.key, row.route, row.stream)
    door = Door(case, watched)
    try:
        with worker.running.watch(watched):
            await _carry(case, door)
    except Dropped:
        log.info("call.dropped", call=call.hex)


async def _carry(case: Case, door: Door) -> None:
    """Walk to an end and commit it; on from there where the policy moved before that end was committed."""
    for _ in range(MOST_PLANS):
        if await _finish(case, door, await _walk(case, door)):
            return
        with contextlib.suppress(Denied, Held):
            case.decide_again(await case.worker.snapshots.reload())
    log.error("call.undecided", call=case.row.call.hex)


async def _walk(case: Case, door: Door) -> End:
    """Walk the plan, and a new one where the policy moved before a start."""
    for _ in range(MOST_PLANS):
        plan = case.decision.plan
        if case.must_hold:
            return End("held", "escalated", door.last, hold=case.decision.hold)
        try:
            if plan is not None and plan.checks is not None:
                return await _walk_checked(case, door, plan)
            left = door.left(plan) if plan else ()
            if plan is None or not left:
                return _nothing_left(case, door)
            await ordered.run(replace(plan, steps=left), door.attempt, door.begun, door.pause)
            return _ended_by(door)
        except (Replanned, Held):
            continue
        except Denied:
            break
        except Ended as ended:
            code = str(ended)
            return End("cancelled" if code == "cancelled" else "failed", code, door.last)
    return End("failed", "policy_changed", door.last)


async def _walk_checked(case: Case, door: Door, plan: Plan) -> End:
    """Nothing of an answer that is not accepted reaches the caller."""
    if not door.fresh(plan):
        return _nothing_left(case, door)
    verdict = await checked.walk(case, door, plan)
    if verdict is None:
        return _ended_by(door)
    weighed, chosen, last = verdict.weighed, verdict.chosen, door.last
    # INVARIANT: what an answer must lose it has lost before it is sealed as what a caller or a person sees
    if chosen is not None and not await checked.redact(case, chosen):
        return End("failed", NOT_REDACTABLE, last, weighed, None)
    match weighed.action:
        case "accept":
            return End("completed", "", last, weighed, chosen)
        case "escalate":
            return End("held", "escalated", last, weighed, chosen, weighed.hold)
        case "next" | "repair" | "reject":
            return End("failed", NOT_ACCEPTED[weighed.stage], last, weighed, chosen)
        case _:
            assert_never(weighed.action)


def _nothing_left(case: Case, door: Door) -> End:
    """Denied again, or nothing new in the new plan; else a lost worker had tried all there was."""
    made = case.row.made
    if case.decided is None and made:
        return End("failed", made[-1].error_class)
    return End("failed", "policy_changed", door.last)


def _ended_by(door: Door) -> End:
    last = door.last
    if last is None:
        return End("failed", door.unstarted)
    if last.late:
        return End("failed", "deadline_exceeded", last)
    return End("failed", last.error_class, last) if last.error_class else End("completed", "", last)


@traced("finish", lambda case, *_: case.row.call)
async def _finish(case: Case, door: Door, end: End) -> bool:
    """One commit: the last attempt, what was decided again, the answer in the vault, the call. Then the caller hears.

    False: the policy moved since it was decided again, and nothing was written.
    """
    door.flow.close()
    outcome = _outcome(case, door, end)
    last = _settlement(case, door, end)
    model = end.answered.candidate.model if end.answered else ""
    finish = steps.Finish(
        call=case.row.call,
        worker=case.worker.lease.worker,
        state=end.state,
        code=end.code,
        attempt=last,
        entry=case.entry(f"call.{end.state}", _told(case, end)),
        answer=_sealed(case, door, end, outcome),
        decision=case.decided,
        revision=case.revision,
        stop_epoch=case.epoch,
    )
    match await _commit(case, end, finish):
        case answers.Finished(cost_nano, left_nano):
            money = Money(cost_nano, case.bundle.organisation.spec["currency"], left_nano)
            await _give_back(case, door)
            await case.sender.end(complete(outcome, model, money))
        case answers.Stale():
            return False
        case answers.Lost() | answers.Moved():
            await _book_late(case, end)
        case answers.OpenAttempt():
            log.error("call.open_attempt", call=case.row.call.hex)
    return True


async def _give_back(case: Case, door: Door) -> None:
    """The slots of its rate limits, and what it really took of their tokens."""
    claims = rate_claims(case.bundle, case.facts)
    if claims:
        await case.worker.rates.give_back(case.row.call, claims, door.tokens)


def _told(case: Case, end: End) -> dict[str, object]:
    """What the entry of the end says."""
    model = end.answered.candidate.model if end.answered else ""
    data: dict[str, object] = {"code": end.code, "model": model, "attempts": case.attempts}
    data |= {"weighed": end.weighed.digest.hex()} if end.weighed is not None else {}
    if case.decided is not None:
        data["decision"] = case.decided.digest.hex()
    if case.decision.denial is not None:
        data["rules"] = list(case.decision.denial.rules)
    if end.chosen is not None:
        data |= told(case.redacted_answer)
    if end.hold is not None:
        data |= {"queue": end.hold.queue, "rules": [rule.name for rule in end.hold.rules]}
    elif end.weighed is not None and end.code == NOT_ACCEPTED["tool"]:
        data["rules"] = [rule.name for rule in end.weighed.determining]
    return data


async def _commit(case: Case, end: End, finish: steps.Finish) -> FinishAnswer:
    """End the call, or hand it to a person with its case."""
    async with case.worker.shares.of(case.row.tenant):
        patience = max(PATIENCE_SECONDS, case.deadline - asyncio.get_running_loop().time())
        if end.hold is None:
            return await commands.finish_call(case.worker.db, finish, patience_seconds=patience)
        stage = end.weighed.stage if end.weighed is not None else "request"
        opened = opening(case.bundle, end.hold, stage, case.row, case.worker.new_id())
        return await hold_call(case.worker.db, finish, opened, patience_seconds=patience)


def _sealed(case: Case, door: Door, end: End, outcome: Outcome) -> steps.Sealed | None:
    """What the vault keeps: the answer as the caller gets it, or the draft that a person has yet to give out.

    INVARIANT: a held answer is never sealed as `answer`, which is what callers are told from.
    """
    field = "answer"
    if end.hold is not None:
        if end.weighed is None:
            return None
        as_if = "completed" if end.chosen is not None else "failed"
        field, outcome = (
            "draft",
            _outcome(case, door, replaced(end, state=as_if, code="not_accepted")),
        )
    row = case.keys.seal(field, pack_outcome(outcome))
    return steps.Sealed(field, row.tenant_key, row.subject_key, row.nonce, row.ciphertext)


def _settlement(case: Case, door: Door, end: End) -> steps.Settlement | None:
    """The open attempt's end: a start that never came is voided."""
    if end.last is not None:
        return door.settlement(end.last)
    if case.reserved is None:
        return None
    return steps.Settlement(
        call=case.row.call,
        no=case.reserved,
        was="reserved",
        becomes="voided",
        entry=case.entry("attempt.voided", {"no": case.reserved, "reason": end.code}),
    )


async def _book_late(case: Case, end: End) -> None:
    """The sweep was first and the attempt is unknown: book what it really cost, once."""
    last = end.last
    if last is None or last.usage is None:
        return
    amount = last.amount_nano()
    told = {"no": last.no, "amount": str(amount), "basis": last.basis(), "late": True}
    entry = case.entry("attempt.reconciled", told | tier_of(last.usage))
    used = last.usage
    settlement = steps.Settlement(
        call=case.row.call,
        no=last.no,
        was="unknown",
        becomes="reconciled",
        entry=entry,
        amount_nano=amount,
        basis=last.basis(),
        error_class=last.error_class,
        tokens=steps.Tokens(used.input, used.cached_input, used.cache_write, used.output),
        service_tier=used.service_tier,
    )
    await commands.settle_attempt(case.worker.db, settlement)


def _outcome(case: Case, door: Door, end: End) -> Outcome:
    """What the caller gets, without the cost, which the commit tells."""
    codec, call, last = dialect(case.row.dialect), case.row.call, end.answered
    headers = (
        {"x-mandate-model": last.candidate.model, "x-mandate-reason": _reason(case, end, last)}
        if last
        else {}
    )
    if end.state == "completed" and last is not None:
        relayed = case.row.stream and end.weighed is None
        body = bytes(door.flow.transcript) if relayed else last.body
        return Outcome(200, EVENTS if case.row.stream else JSON, headers, body)
    error = _error(case, end)
    sent = door.flow.shown
    event = codec.error_event(error, call, sent=sent)
    if sent:
        return Outcome(200, EVENTS, headers, sent + event)
    status, error_headers, body = codec.error_body(error, call)
    # INVARIANT: only a model's refusal is shown, never an answer that was not accepted
    if last is not None and last.body and last.error_class:
        status, body = last.status, last.body
    return Outcome(status, JSON, headers | error_headers, body, event)


def _error(case: Case, end: End) -> MandateError:
    last, call, denial = end.answered, case.row.call, case.decision.denial
    if denial is not None:
        message = f"the policy changed before a model started: {denial.message}"
        message += f" (rule {', '.join(denial.rules)}; ask {denial.owner})"
        told = {"code": end.code, "rules": denial.rules, "owner": denial.owner}
        return Forbidden(message, call=call, **told)
    if last is None or end.code != last.error_class or end.code in CUT:
        return failure(end.state, end.code, call, end.weighed)
    message = f"{last.candidate.model}: {end.code}; no other model of this route answered"
    # what a model refused as it stands is refused again
    made = InvalidRequest if end.code == "refused_request" else UpstreamFailed
    return made(message, call=call, error_class=end.code)


def _reason(case: Case, end: End, last: Tried) -> str:
    """Why this model, and what the request lost on its way to it."""
    candidate = last.candidate
    lost = changes(
        case.request, candidate.provider_type, max_output_tokens=candidate.max_output_tokens
    )
    why = "first-choice" if case.attempts <= 1 else "after-failure"
    whys = ["accepted" if end.weighed and end.state == "completed" else why]
    return "; ".join(
        [
            *whys,
            *_stripped(case),
            *_redacted(case),
            *_shortened(case, candidate.max_output_tokens),
            *lost,
        ]
    )


def _stripped(case: Case) -> list[str]:
    """The tools that the caller offered and the model never saw."""
    gone = taken_from(case.request, case.decision.obligations.strip_tools)
    return [f"without the tools {', '.join(gone)}, which the policy takes away"] if gone else []


def _redacted(case: Case) -> list[str]:
    """What the model never saw of the caller's words, and the caller of the model's, counted."""
    sent = case.sent.get(case.decision.obligations)
    counts = {
        "redacted before it was sent": sent.counts if sent else {},
        "redacted in the answer": case.redacted_answer,
    }
    return [
        f"{what}: {', '.join(f'{number} {name}' for name, number in sorted(found.items()))}"
        for what, found in counts.items()
        if found
    ]


def _shortened(case: Case, limit: int) -> list[str]:
    """Whether the answer may be shorter than was asked for, and what made it so."""
    asked = case.request.outline.output_tokens_asked
    if case.facts.clamp and limit <= case.facts.clamp:
        return [f"clamped to {limit} output tokens: no more money is left in a budget"]
    return [f"limited to {limit} output tokens"] if asked and limit < asked else []


async def _give_up(worker: Worker, row: Peeked, code: str) -> None:
    """End a call whose content nobody can read any more."""
    void = next((tried.no for tried in row.tried if tried.state == "reserved"), None)
    attempt = None
    if void is not None:
        entry = entry_of(worker, row, "attempt.voided", {"no": void, "reason": code})
        attempt = steps.Settlement(
            call=row.call, no=void, was="reserved", becomes="voided", entry=entry
        )
    entry = entry_of(worker, row, "call.failed", {"code": code})
    finish = steps.Finish(
        call=row.call, worker=None, state="failed", code=code, attempt=attempt, entry=entry
    )
    await commands.finish_call(worker.db, finish)
