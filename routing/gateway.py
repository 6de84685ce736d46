"""The web half of a call.

1. admit: facts, decision, reservation, one commit        (admission.py)
2. ring a worker, after the commit                          (dispatch.py)
3. relay what it sends, keep the connection alive           (relay.py)
4. end: the answer, or an error in the caller's dialect
5. where the route asks models beside: begin shadow runs, for which nobody waits    (shadow_runs.py); later where
   the call has not ended yet

A call outlives this process: whatever is lost here is read from PostgreSQL and the vault.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import structlog
from psycopg import InterfaceError, OperationalError
from psycopg_pool import PoolTimeout

from audit.log.entry import build
from controlplane.kernel.clock import Clock
from controlplane.kernel.errors import DeadlineExceeded, MandateError, Unavailable
from controlplane.kernel.ids import call_name
from controlplane.kernel.tracing import traced
from policies.identity.authentication import USED_SECONDS, Keys
from routing import admission, answers, responses
from routing.calls import commands
from routing.calls.leases import workers_live
from routing.calls.pool import Database
from routing.dialects.base import Dialect
from routing.dialects.registry import dialect
from routing.dispatch import Dispatcher
from routing.gathering import Ask, Desk
from routing.relay import Frame, Mailbox, Outcome, Replies, unpack_outcome
from routing.shadow_runs import ShadowRuns
from routing.sweep import Sweeper
from routing.ticket import Ticket

log = structlog.get_logger(__name__)

FIRST_KEEP_ALIVE_SECONDS = 1.0
KEEP_ALIVE_SECONDS = 10.0
WATCH_SECONDS = 1.0
REFRESH_SECONDS = 5.0
FOLLOW_SECONDS = 0.5
SWEEP_SECONDS = 2.0
LATER_SECONDS = 3.0
GRACE_SECONDS = 8.0
"""How long after the deadline the sweep may take to end a call before the caller is told so anyway."""


class Client(Protocol):
    """The caller's connection, as the web server holds it."""

    started: bool

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status line and headers."""

    async def write(self, data: bytes) -> None:
        """Send bytes of the body."""

    async def finish(self, data: bytes = b"") -> None:
        """Send the last bytes of the body."""

    def when_gone(self, mailbox: Mailbox) -> None:
        """Put a `gone` frame into the mailbox when the caller closes the connection."""


@dataclass(slots=True)
class Web:
    """What the web process holds for the whole of its life."""

    db: Database
    desk: Desk
    keys: Keys
    dispatcher: Dispatcher
    replies: Replies
    clock: Clock
    parsing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(4))
    draining: bool = False
    shadow_runs: ShadowRuns = field(init=False)

    def __post_init__(self) -> None:
        self.shadow_runs = ShadowRuns(self.desk, self.dispatcher)


@dataclass(slots=True)
class _Line:
    """One waiting request: its ticket, its mailbox, and how many bytes of the stream the caller has."""

    ticket: Ticket
    box: Mailbox
    client: Client
    dialect: Dialect
    sent: int = 0
    torn: bool = False


async def serve(web: Web, ask: Ask, client: Client) -> None:
    """Carry one call from its request to the last byte of its answer. Raises MandateError where there is no answer."""
    try:
        ticket = await _admit(web, ask)
        try:
            await _answer(web, ask, ticket, client)
        finally:
            # whatever this caller got: the call may be answered later
            if ticket.beside:
                web.shadow_runs.begin(ask, ticket.call, ticket.beside)
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        log.warning("gateway.database", error=type(error).__name__)
        raise Unavailable("the database is away; try again", retry_after_seconds=2) from error


async def _admit(web: Web, ask: Ask) -> Ticket:
    """Raises DeadlineExceeded too: who waits for a row that somebody holds waits no longer than for an answer.

    Then the call may be in: the sweep ends it.
    """
    try:
        async with asyncio.timeout(ask.options.deadline_seconds):
            return await admission.admit(web.desk, ask)
    except TimeoutError as error:
        raise DeadlineExceeded("the call's deadline passed before it was let in") from error


async def _answer(web: Web, ask: Ask, ticket: Ticket, client: Client) -> None:
    if ask.request.background and not ask.request.stream:
        await _begin(web, ask, ticket, client)
        return
    if ticket.held:
        raise _held(ticket)
    with web.replies.expect(ticket.call, ticket.frames_key) as box:
        client.when_gone(box)
        if not ticket.duplicate:
            await web.dispatcher.ring(ticket.call)
        await _relay(web, _Line(ticket, box, client, dialect(ask.request.dialect)))


async def _begin(web: Web, ask: Ask, ticket: Ticket, client: Client) -> None:
    """A call in the background: rung for, and told as it stands; its caller asks again."""
    if not ticket.duplicate and not ticket.held:
        await web.dispatcher.ring(ticket.call)
    told = await responses.read(web.desk, ask.caller, call_name(ticket.call, "resp_"))
    headers = {"content-type": told.content_type, "content-length": str(len(told.body))}
    await client.start(told.status, {**headers, **ticket.headers, **told.headers})
    await client.finish(told.body)


async def follow(web: Web, ticket: Ticket, client: Client) -> None:
    """The stream of a call that was made before, from its first byte to its last. Raises MandateError."""
    with web.replies.expect(ticket.call, ticket.frames_key) as box:
        client.when_gone(box)
        box.tell(Frame("stored", 0, b""))
        await _relay(web, _Line(ticket, box, client, dialect(responses.DIALECT)))


def _held(ticket: Ticket) -> MandateError:
    """What a caller who waits gets at once: where to ask again."""
    error = answers.failure("held", "", ticket.call)
    error.details["headers"] = ticket.headers
    return error


@traced("relay", lambda _web, line: line.ticket.call)
async def _relay(web: Web, line: _Line) -> None:
    """Raises MandateError, with the headers that every answer carries."""
    try:
        await _listen(web, line)
    except MandateError as error:
        error.details.setdefault("headers", line.ticket.headers)
        raise


async def _listen(web: Web, line: _Line) -> None:
    silence = FIRST_KEEP_ALIVE_SECONDS
    while True:
        frame = await line.box.next(min(silence, _left(web, line.ticket)))
        if frame is None:
            if _left(web, line.ticket) <= 0:
                raise DeadlineExceeded(
                    "the call's deadline passed before an answer came", call=line.ticket.call
                )
            await _keep_alive(line)
            silence = KEEP_ALIVE_SECONDS
        elif frame.kind == "chunk":
            await _pass_on(line, frame)
        elif await _last(web, line, frame):
            return


def _left(web: Web, ticket: Ticket) -> float:
    return (ticket.deadline + timedelta(seconds=GRACE_SECONDS) - web.clock()).total_seconds()


async def _keep_alive(line: _Line) -> None:
    if line.ticket.stream:
        await _open_stream(line)
        await line.client.write(line.dialect.keep_alive())


async def _open_stream(line: _Line) -> None:
    if not line.client.started:
        headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
        await line.client.start(200, {**headers, **line.ticket.headers})


async def _pass_on(line: _Line, frame: Frame) -> None:
    if frame.offset != line.sent:
        line.torn = True  # something was lost on the way: the rest comes from the vault when the call has ended
    if not line.torn:
        await _open_stream(line)
        await line.client.write(frame.data)
        line.sent += len(frame.data)


async def _last(web: Web, line: _Line, frame: Frame) -> bool:
    """Handle a frame that is not a chunk; whether the line is over."""
    match frame.kind:
        case "gone":
            return await _caller_gone(web, line.ticket)
        case "drain":
            raise Unavailable("this process is shutting down; try again", retry_after_seconds=1)
        case "end" if not line.torn and frame.offset == line.sent:
            await _finish(line, unpack_outcome(frame.data))
            return True
    outcome = await _stored(web, line.ticket)
    if outcome is None:
        return False
    await _finish(line, _rest(outcome, line.sent))
    return True


async def _stored(web: Web, ticket: Ticket) -> Outcome | None:
    """How the call ended, from the vault; None while it runs. Whoever ended it, its slots of rate limits are free."""
    snapshot = await web.desk.snapshots.current()
    currency = snapshot.bundle.organisation.spec["currency"]
    try:
        outcome = await answers.stored(web.db, web.desk.key_store, ticket.call, currency)
    except MandateError:
        await web.desk.rates.give_back(ticket.call, ticket.limits, None)
        raise
    if outcome is not None:
        await web.desk.rates.give_back(ticket.call, ticket.limits, None)
    return outcome


def _rest(outcome: Outcome, sent: int) -> Outcome:
    return Outcome(
        outcome.status, outcome.content_type, outcome.headers, outcome.body[sent:], outcome.event
    )


async def _finish(line: _Line, outcome: Outcome) -> None:
    if line.client.started:
        await line.client.finish(outcome.body if outcome.status == 200 else outcome.event)
        return
    headers = {"content-type": outcome.content_type, **line.ticket.headers, **outcome.headers}
    if not line.ticket.stream:
        headers["content-length"] = str(len(outcome.body))
    await line.client.start(outcome.status, headers)
    await line.client.finish(outcome.body)


async def _caller_gone(web: Web, ticket: Ticket) -> bool:
    """With an Idempotency-Key the call runs on. Else: not yet started, it is cancelled; a stream is cut upstream."""
    if not ticket.keeps_running:
        await _cancel(web, ticket)
    log.info("call.caller_gone", call=ticket.call.hex, runs_on=ticket.keeps_running)
    return True


async def _cancel(web: Web, ticket: Ticket) -> None:
    """A call that no worker has is cancelled; of a worker only a stream is cut."""
    entries = (
        build(
            kind,
            id=web.desk.new_id(),
            at=web.clock(),
            actor=f"key:{ticket.key}",
            tenant=ticket.tenant,
            call=ticket.call,
            data={"reason": "caller_gone", **more},
        )
        for kind, more in (("attempt.voided", {"no": 1}), ("call.cancelled", {}))
    )
    void_entry, entry = entries
    word = await commands.cancel_call(
        web.db,
        commands.Cancel(call=ticket.call, void_entry=void_entry, entry=entry, ask=ticket.stream),
    )
    if word == "cancelled":
        await web.desk.rates.give_back(ticket.call, ticket.limits, 0)


async def keep(web: Web) -> None:
    """What runs beside the requests for the life of the process."""
    sweeper = Sweeper(web.db, web.desk.new_id, web.clock)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(web.replies.run())
        tasks.create_task(_every(WATCH_SECONDS, lambda: _watch(web)))
        tasks.create_task(_every(FOLLOW_SECONDS, web.desk.snapshots.follow))
        tasks.create_task(_every(REFRESH_SECONDS, web.desk.windows.refresh))
        tasks.create_task(_every(SWEEP_SECONDS, lambda: _sweep(web, sweeper)))
        tasks.create_task(_every(USED_SECONDS, web.keys.note_used))
        tasks.create_task(_every(LATER_SECONDS, lambda: web.shadow_runs.take_up(web.keys)))


async def _every(seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await step()
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            log.warning("gateway.away", error=type(error).__name__)


async def _watch(web: Web) -> None:
    """One query tells which waiting calls have ended while no frame came: Redis was lost, or another process has the call."""
    waiting = web.replies.waiting()
    for call in await commands.ended(web.db, waiting) if waiting else ():
        web.replies.tell(call, Frame("stored", 0, b""))


async def _sweep(web: Web, sweeper: Sweeper) -> None:
    """While no worker lives nobody else ends what is over; what waits is rung for, for the worker that comes."""
    if not await workers_live(web.db):
        for call in await sweeper.once():
            await web.dispatcher.ring(call)
