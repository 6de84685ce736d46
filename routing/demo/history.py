"""The demo's past: calls that walk the whole way, one after the other, under a clock that is set for each.

Only in an installation that was created as a demo. The sandbox answers in process; Celery's workers have no part in it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog
from django.db import connection

from controlplane.kernel.errors import MandateError
from policies.identity.authentication import Keys
from routing import admission
from routing.calls.pool import Database
from routing.case import Worker
from routing.demo.clock import SET, Simulated
from routing.demo.plan import Asked
from routing.dialects.registry import dialect
from routing.execution import run_call
from routing.gathering import Ask, Desk, Options
from routing.limits.breakers import Breakers
from routing.shadow_runs import ShadowRuns

log = structlog.get_logger(__name__)

DIALECT = "openai.chat"
ALONE = "SELECT pg_try_advisory_lock(7001, 4)"


class Calm(Breakers):
    """Two weeks in a minute would open every breaker: a history records nothing."""

    async def record(self, model: str, *, ok: bool) -> None:
        """Forget it."""


@dataclass(frozen=True, slots=True)
class Past:
    """What a history is made with: both halves of the walk, its clock, and the keys by team."""

    clock: Simulated
    desk: Desk
    worker: Worker
    keys: Keys
    secrets: Mapping[str, str]


class _Bell:
    """Remembers what a worker would be rung for."""

    def __init__(self) -> None:
        self.rung: list[UUID] = []

    async def ring(self, call: UUID) -> bool:
        """Nobody is woken."""
        self.rung.append(call)
        return True


@dataclass(frozen=True, slots=True)
class Event:
    """Something that people did at a moment; told in one line, or not at all."""

    at: datetime
    what: str
    do: Callable[[], None] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """How it is told, and whether somebody asked to stop."""

    say: Callable[[str], None]
    stopped: Callable[[], bool]


@asynccontextmanager
async def undisturbed(db: Database) -> AsyncIterator[bool]:
    """Whether nobody else makes a history; while it lasts no sweep judges calls that live in another time."""
    async with db.connection() as link:
        row = await (await link.execute(ALONE)).fetchone()
        try:
            yield bool(row and row[0])
        finally:
            await link.execute("SELECT pg_advisory_unlock(7001, 4)")


async def call(past: Past, asked: Asked) -> None:
    """One call, from its admission to its end, and what is asked beside it; a refusal is part of the story."""
    past.clock.jump(asked.at)
    caller = await past.keys.authenticate(past.secrets[asked.team])
    request = dialect(DIALECT).parse_request(msgspec.json.encode(asked.body), {}, "")
    classes = asked.headers.get("x-mandate-data-classes", "")
    options = Options(data_classes=tuple(classes.split(",")) if classes else ())
    ask = Ask(caller, request, options)
    try:
        ticket = await admission.admit(past.desk, ask)
    except MandateError as refused:
        log.debug("demo.refused", code=refused.code)
        return
    await run_call(past.worker, ticket.call)
    if ticket.beside:
        bell = _Bell()
        runs = ShadowRuns(past.desk, bell)
        runs.begin(ask, ticket.call, ticket.beside)
        await runs.settled()
        for run in bell.rung:
            await run_call(past.worker, run)


async def live(past: Past, asked: Sequence[Asked], events: Sequence[Event], told: Progress) -> int:
    """Make it all in the order of time; how many calls. Ends early where `told.stop` says so."""
    todo: list[Any] = sorted([*asked, *events], key=lambda one: one.at)
    made = 0
    for one in todo:
        if told.stopped():
            break
        if isinstance(one, Event):
            past.clock.jump(one.at)
            if one.what:
                told.say(f"{one.at:%a %d %b, %H:%M}: {one.what}")
            await asyncio.to_thread(_then, past.clock, one.do)
            await past.desk.snapshots.reload()
            await past.worker.snapshots.reload()
            continue
        await call(past, one)
        made += 1
        if made % 100 == 0:
            told.say(f"{made} of {len(asked)} calls, up to {one.at:%a %d %b}")
    return made


def waiting(clock: Simulated) -> Callable[[float], None]:
    """Let seconds pass while somebody does something: for the clock, and for Django's connection of this thread."""

    def wait(seconds: float) -> None:
        clock.jump(clock.now() + timedelta(seconds=seconds))
        _tell(clock)

    return wait


def _then(clock: Simulated, do: Callable[[], None]) -> None:
    """Django's connection of this thread lives in that time too."""
    _tell(clock)
    do()


def _tell(clock: Simulated) -> None:
    with connection.cursor() as cursor:
        cursor.execute(SET, [clock.offset])
