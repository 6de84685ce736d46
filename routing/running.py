"""The calls that a worker process has at a model right now, and how one is cut: by a stop, by a cancellation."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from policies.bundles.snapshot import Snapshots
from policies.engine.facts import StopFact
from routing.calls import commands
from routing.calls.pool import Database

T = TypeVar("T")

BEAT_SECONDS = 0.25
SLEPT_SECONDS = 2.0


@dataclass(slots=True)
class Watched:
    """One call at one model. `reason` is why it was cut: `stopped`, `cancelled`, `worker_lost`; empty while it runs.

    A stop cuts streams; a plain call that has started runs to its end. A cancellation cuts both.
    """

    call: UUID
    tenant: str
    key: str
    route: str
    stream: bool
    model: tuple[str, str] = ("", "")
    provider: tuple[str, str] = ("", "")
    reason: str = ""
    _task: asyncio.Task[Any] | None = None

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work so that `cut` can end it. Raises Cut."""
        if self.reason:
            work.close()
            raise Cut(self.reason)
        task = asyncio.ensure_future(work)
        self._task = task
        try:
            return await task
        except asyncio.CancelledError:
            if self.reason:
                raise Cut(self.reason) from None
            raise
        finally:
            self._task = None

    def cut(self, reason: str) -> None:
        """End the work, now or as soon as it begins."""
        self.reason = self.reason or reason
        if self._task is not None:
            self._task.cancel()

    def stopped_by(self, stop: StopFact) -> bool:
        """Whether the stop's scope covers what runs here."""
        covered = {
            "everything": True,
            "tenant": stop.name == self.tenant,
            "key": stop.name == self.key,
            "route": stop.name == self.route and stop.tenant in {"", self.tenant},
            "model": (stop.tenant, stop.name) == self.model,
            "provider": (stop.tenant, stop.name) == self.provider,
        }
        return covered.get(stop.kind, False)


class Cut(Exception):
    """What ran at a model was ended from outside; the message is the reason."""

    @property
    def reason(self) -> str:
        """`stopped`, `cancelled` or `worker_lost`."""
        return str(self)


class Wakefulness:
    """Whether this process itself slept: stopped, swapped out, starved. Its timers then ran out while nobody worked.

    Times are those of the loop's clock.
    """

    def __init__(self) -> None:
        self._beat_at: float | None = None
        self._woke_at = 0.0

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self.beat(asyncio.get_running_loop().time())
            await asyncio.sleep(BEAT_SECONDS)

    def beat(self, now: float) -> None:
        """The loop came round."""
        if self._beat_at is not None and now - self._beat_at > SLEPT_SECONDS:
            self._woke_at = now
        self._beat_at = now

    def slept_since(self, began: float) -> bool:
        """Whether it slept after that moment, also where it woke just now and nothing has beaten yet."""
        if self._beat_at is None:
            return False
        asleep = asyncio.get_running_loop().time() - self._beat_at > SLEPT_SECONDS
        return asleep or self._woke_at > began


class Running:
    """Every call of this process, and the epoch it last looked at."""

    def __init__(self) -> None:
        self._calls: dict[UUID, Watched] = {}
        self._epoch = -1

    def __len__(self) -> int:
        return len(self._calls)

    @contextmanager
    def watch(self, watched: Watched) -> Iterator[Watched]:
        """Have the call looked at while it runs."""
        self._calls[watched.call] = watched
        try:
            yield watched
        finally:
            self._calls.pop(watched.call, None)

    def forsake(self) -> None:
        """This worker was declared lost: nobody hears its streams any more. A plain call runs on, so that its cost is known."""
        for watched in self._calls.values():
            if watched.stream:
                watched.cut("worker_lost")

    async def look(self, db: Database, worker: UUID, snapshots: Snapshots) -> None:
        """One query for all calls of this process: which are to be cancelled, and whether a stop was set."""
        seen = await commands.running_calls(db, worker)
        for call in seen.cancelled:
            if (watched := self._calls.get(call)) is not None:
                watched.cut("cancelled")
        if seen.stop_epoch != self._epoch:
            snapshot = await snapshots.reload()
            self._epoch = snapshot.epoch
            for watched in self._calls.values():
                if watched.stream and any(watched.stopped_by(stop) for stop in snapshot.stops):
                    watched.cut("stopped")
