"""The calls worker's asyncio loop: its lease, its cap, its watch over running calls, its drain.

Celery's task only rings (`submit`); the loop owns the call until it ends or the lease is lost.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any
from uuid import UUID

import structlog
import uvloop
from prometheus_client import Gauge
from psycopg import Error
from psycopg_pool import PoolTimeout

from routing.calls import commands
from routing.case import Worker
from routing.execution import run_call
from routing.running import Running
from routing.sweep import LEASE_SECONDS, Sweeper

log = structlog.get_logger(__name__)

MOST_CALLS = 1_500
RENEW_SECONDS = 1.5
SWEEP_SECONDS = 1.0
WATCH_SECONDS = 0.4
AWAY = (Error, PoolTimeout, OSError)

in_flight = Gauge("mandate_worker_calls", "Calls this worker process has in flight")
loop_lag = Gauge("mandate_worker_loop_lag_seconds", "How late the worker's loop woke last")


class CallLoop:
    """One per process. `start` returns when the loop is ready; every other method may be called from any thread."""

    def __init__(
        self, build: Callable[[], Awaitable[Worker]], retire: Callable[[Worker], Awaitable[None]]
    ) -> None:
        self._build = build
        self._retire = retire
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name="calls", daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._worker: Worker
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._draining = False
        self._renewed_at = 0.0

    def start(self) -> None:
        """Start the loop's thread and wait until it has its lease. Raises SystemExit where it did not come up."""
        self._thread.start()
        while not self._ready.wait(1.0):
            if not self._thread.is_alive():
                # Celery would swallow any other exception here and run without a loop
                raise SystemExit("the calls loop did not start")

    def submit(self, call: UUID) -> None:
        """Ring for a call. A full or draining loop leaves it: the next sweep, here or elsewhere, finds it."""
        self._loop.call_soon_threadsafe(self._take, call)

    def drain(self, seconds: float) -> None:
        """Take nothing new, finish what runs within `seconds`, then give the lease up and stop."""
        asyncio.run_coroutine_threadsafe(self._drain(seconds), self._loop).result(seconds + 5)
        self._thread.join(5)

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._live())

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._worker = await self._build()
        self._stopped = asyncio.Event()
        self._sweeper = Sweeper(self._worker.db, self._worker.new_id, self._worker.clock)
        await self._renew()
        self._ready.set()
        keepers = [
            asyncio.create_task(self._worker.wakefulness.run()),
            asyncio.create_task(self._every(RENEW_SECONDS, self._renew)),
            asyncio.create_task(self._every(SWEEP_SECONDS, self._sweep)),
            asyncio.create_task(self._every(WATCH_SECONDS, self._watch)),
        ]
        await self._stopped.wait()
        for keeper in keepers:
            keeper.cancel()
        await self._retire(self._worker)

    async def _every(self, seconds: float, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a step again and again; PostgreSQL or Redis being away is logged and tried again."""
        while True:
            due = self._loop.time() + seconds
            try:
                await step()
            except AWAY as error:
                log.warning("worker.away", step=step.__name__, error=type(error).__name__)
            await asyncio.sleep(max(0.05, due - self._loop.time()))
            loop_lag.set(max(0.0, self._loop.time() - due))

    def _take(self, call: UUID) -> None:
        if self._draining or call in self._tasks or len(self._tasks) >= MOST_CALLS:
            return
        task = asyncio.create_task(run_call(self._worker, call), name=call.hex)
        self._tasks[call] = task
        in_flight.set(len(self._tasks))
        task.add_done_callback(lambda done: self._forget(call, done))

    def _forget(self, call: UUID, task: asyncio.Task[None]) -> None:
        self._tasks.pop(call, None)
        in_flight.set(len(self._tasks))
        if not task.cancelled() and (error := task.exception()) is not None:
            # the call stays as it is: its lease or its deadline brings the sweep, which ends it
            log.error("worker.call_broke", call=call.hex, exc_info=error)

    async def _renew(self) -> None:
        worker = self._worker
        if not await commands.renew(worker.db, worker.lease, ttl_seconds=LEASE_SECONDS):
            # what is at a model goes on: its answer comes too late for the caller, but tells what it cost
            log.error("worker.buried", worker=worker.lease.worker.hex, calls=len(self._tasks))
            worker.running.forsake()
            worker.lease = replace(worker.lease, worker=worker.new_id())
            await commands.renew(worker.db, worker.lease, ttl_seconds=LEASE_SECONDS)
        self._renewed_at = self._loop.time()

    async def _sweep(self) -> None:
        if self._loop.time() - self._renewed_at > LEASE_SECONDS:
            return  # it overslept: it would bury itself before it could renew
        for call in await self._sweeper.once():
            self._take(call)

    async def _watch(self) -> None:
        running: Running = self._worker.running
        if running:
            await running.look(self._worker.db, self._worker.lease.worker, self._worker.snapshots)

    async def _drain(self, seconds: float) -> None:
        self._draining = True
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)
        for task in self._tasks.values():
            task.cancel()
        await commands.give_up(self._worker.db, self._worker.lease.worker)
        self._stopped.set()
