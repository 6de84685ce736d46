"""Starts shadow runs: once a call is answered, its request is put to the models that its route asks beside.

1. the call completed, with an answer by another model; while it has not ended, it is remembered and taken up later
2. gather and decide, as for any call of the same caller; the fact `shadow` leaves one model in the plan
3. no money beyond the first alert of any budget, or no slot: not started, and nothing is written
4. admit or deny, with the link to the call, in one commit; then ring a worker

Nobody waits for any of it. It lies in this process's memory alone: what is over the bounds below, or in a process that
dies, is a sample less and nothing else. Of a call that ends later (in the background, held, left by its caller) a row is
kept until then, and any web process takes it up, with the request out of the vault.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field, replace
from typing import Final, Protocol
from uuid import UUID

import structlog
from msgspec.structs import replace as with_changes
from prometheus_client import Counter
from psycopg import InterfaceError, OperationalError
from psycopg_pool import PoolTimeout

from audit.log.entry import Entry
from audit.vault.keys import CallKeys, Erased
from audit.vault.seal import Tampered
from controlplane.kernel.errors import MandateError
from policies.engine import facts as fact
from policies.engine.beside import RULE
from policies.engine.bundle import key_of
from policies.engine.decision import Candidate
from policies.engine.facts import ShadowFacts
from policies.identity.authentication import Keys
from routing.admission import Incoming, let_in
from routing.beside import due
from routing.beside.admitting import AskedBefore, Link, Paused, admit_beside, deny_beside
from routing.beside.pausing import ceilings, paused
from routing.calls import answers, commands, steps
from routing.calls.admitting import AdmitAnswer, DenyAnswer
from routing.gathering import Ask, Desk, Options, gather, unsealed

log = structlog.get_logger(__name__)

MOST: Final = 32
"""Calls whose shadow runs are being started in one process."""
MOST_BYTES: Final = 32 * 1024 * 1024
"""What their requests may come to."""
AT_ONCE: Final = 2
"""Admissions of shadow runs at once: callers' own need the connections."""

outcomes = Counter(
    "mandate_shadow_runs_total", "Shadow runs by what became of their start", ["outcome"]
)


class NotStarted(Exception):
    """Nothing was written; the argument says why, in one word."""


class Bell(Protocol):
    """Wakes a worker for a call."""

    async def ring(self, call: UUID) -> bool:
        """Whether somebody may have heard it."""


class ShadowRuns:
    """One per process."""

    def __init__(self, desk: Desk, bell: Bell) -> None:
        self._desk, self._bell = desk, bell
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._running: dict[asyncio.Task[None], int] = {}

    def begin(self, ask: Ask, of: UUID, models: Sequence[str]) -> None:
        """Ask the models beside a call that has been answered. Neither waits nor raises."""
        size, waiting = len(ask.request.raw), sum(self._running.values())
        if len(self._running) >= MOST or waiting + size > MOST_BYTES:
            outcomes.labels("dropped").inc(len(models))
            return
        self._carry(self._ask_beside(ask, of, models), size)

    async def take_up(self, keys: Keys) -> None:
        """Begin those whose calls have ended since. Raises psycopg's errors where PostgreSQL is away."""
        room = MOST - len(self._running)
        if room > 0:
            for call, models in (await due.take(self._desk.db, room)).items():
                self._carry(self._ask_later(keys, call, models), 0)

    def _carry(self, work: Coroutine[None, None, None], size: int) -> None:
        # nobody's call alone: no span is around it
        task = asyncio.create_task(work, context=Context())
        self._running[task] = size
        task.add_done_callback(self._over)

    async def _asked(self, keys: Keys, call: UUID) -> Ask | None:
        """What the call asked, as its caller would now; None where its key stands no more, or its content is gone."""
        row = await commands.peek(self._desk.db, call)
        if row is None or row.request is None or row.state != "completed":
            return None
        caller = await keys.standing(row.key)
        if caller is None:
            return None
        names = row.request.tenant_key, row.request.subject_key
        try:
            own = CallKeys.recall(self._desk.key_store, call, *names)
            request = await unsealed(own, row.request)
        except (Erased, Tampered):
            return None
        facts = fact.decode(row.facts)
        options = Options(
            data_classes=facts.request.data_classes, run_ref=row.run or "", user_ref=facts.user.ref
        )
        return Ask(caller, request, options)

    async def settled(self) -> None:
        """Wait until those that were begun are over."""
        while self._running:
            await asyncio.wait(list(self._running))

    def _over(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("shadow_run.failed", error=type(error).__name__)

    async def _ask_beside(self, ask: Ask, of: UUID, models: Sequence[str]) -> None:
        for model in models:
            async with self._turn:
                outcomes.labels(await self._outcome(ask, of, model)).inc()

    async def _ask_later(self, keys: Keys, of: UUID, models: Sequence[str]) -> None:
        async with self._turn:
            # so few requests are open at once, whatever is due
            ask = await self._asked(keys, of)
            for model in models:
                outcomes.labels(await self._outcome(ask, of, model) if ask else "gone").inc()

    async def _outcome(self, ask: Ask, of: UUID, model: str) -> str:
        try:
            await self._start(ask, of, model)
        except NotStarted as why:
            return str(why)
        except AskedBefore:
            return "before"
        except MandateError as error:
            log.info("shadow_run.refused", call=of.hex, code=error.code)
            return "refused"
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            log.warning("shadow_run.database", error=type(error).__name__)
            return "database"
        return "started"

    async def _start(self, ask: Ask, of: UUID, model: str) -> None:
        """Raises NotStarted, MandateError, and psycopg's errors where PostgreSQL is away."""
        if ask.request.outline.n > 1:
            raise NotStarted("choices")
        answered = await commands.outcome(self._desk.db, of)
        if answered is not None and not answered.ended:
            await due.remember(self._desk.db, of, model)
            raise NotStarted("later")
        if answered is None or answered.state != "completed":
            raise NotStarted("unanswered")
        if answered.model == key_of(model)[1]:
            raise NotStarted("same_model")
        await self._bell.ring(await self._admit(ask, Link(of, model)))

    async def _admit(self, ask: Ask, link: Link) -> UUID:
        """The id of the shadow run, which is in."""
        # it is nobody's to repeat, to come back to or to go on from
        sent = with_changes(ask.request, background=False, kept=False)
        own = replace(ask, request=sent, options=replace(ask.options, idempotency_key=""))
        desk = self._desk
        snapshot = await desk.snapshots.current()
        draft = await gather(desk, own, snapshot)
        shadow = ShadowFacts(of=link.of.hex, model=link.model)
        draft = replace(draft, facts=with_changes(draft.facts, shadow=shadow))
        case, admitted = Beside(desk, own, snapshot, draft, link=link), False
        try:
            await let_in(case)
            admitted = True
        finally:
            if not admitted:
                # INVARIANT: what was not let in counts against no rate limit
                await desk.rates.undo(draft.call, case.limits)
        return draft.call


@dataclass(slots=True)
class Beside(Incoming):
    """A shadow run on its way in: as any call, but that it never waits, never asks for less and is no part of a run.

    Its facts have the run of the call that it is asked beside, so that rules and budgets say the same; its row has
    none, so that later calls of that run are not told of it.
    """

    link: Link = field(kw_only=True)

    async def step(self) -> AdmitAnswer | DenyAnswer:
        """Decide and ask PostgreSQL, once. Raises NotStarted."""
        await self._decide()
        plan, denial = self.decision.plan, self.decision.denial
        if denial is not None and RULE in denial.rules:
            # what a person would look at, or whose answer must be redacted, is no refusal of anything
            raise NotStarted("not_beside")
        if plan is None:
            return await self._deny()
        first = plan.steps[0]
        if paused(self.snapshot.bundle, first.budgets, self.desk.windows.shares()):
            raise NotStarted("paused")
        if await self._slowed(first):
            raise NotStarted("rate_limited")
        return await self._admit(first, 0)

    async def _admit(self, first: Candidate, lost_retries: int) -> AdmitAnswer:
        admission = await self._admission(first, lost_retries)
        windows = admission.reservation.windows if admission.reservation else ()
        most = tuple(ceilings(self.snapshot.bundle, windows))
        answer = await admit_beside(self.desk.db, admission, replace(self.link, ceilings=most))
        if isinstance(answer, Paused):
            raise NotStarted("paused")
        return answer

    async def _write(self, denial: steps.Denial) -> DenyAnswer:
        return await deny_beside(self.desk.db, denial, self.link)

    def save_money(self, _short: answers.NoHeadroom) -> None:
        """Neither clamped nor downgraded: it is not started."""
        raise NotStarted("paused")

    def _asked(self, lost_retries: int) -> steps.Asked:
        asked = Incoming._asked(self, lost_retries)  # noqa: SLF001  # a class with slots has no bare super()
        return replace(asked, run=None, reply_to=None)

    def _entry(self, kind: str, data: Mapping[str, object], entry: UUID | None = None) -> Entry:
        told = {"shadow": {"of": self.link.of.hex, "model": self.link.model}}
        return Incoming._entry(self, kind, {**data, **told}, entry)  # noqa: SLF001  # as above
