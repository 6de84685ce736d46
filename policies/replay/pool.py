"""Batches decided in child processes: a jobs worker is a daemon, which may have no children by multiprocessing's rules.

Batches go out while others are decided, and come back in their order; how many are under way is bounded, so memory is too.
"""

import contextlib
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Final
from uuid import UUID

from controlplane.kernel.errors import Unavailable
from policies.replay.child import ENCODER, LOOKED, framed, frames
from policies.replay.core import Two
from policies.replay.values import Batch, Looked, Setup

MOST: Final = 2
_TRIES: Final = 2
_ROOT = Path(__file__).resolve().parents[2]
Work = tuple[Batch, UUID]
Done = tuple[Batch, UUID, Looked]


class Child:
    """One child; started again, once for a batch, when it died."""

    def __init__(self, setup: Setup) -> None:
        self._setup = framed(ENCODER.encode(setup))
        self._process: subprocess.Popen[bytes] | None = None
        self._frames: Iterator[bytes] = iter(())
        self._over = False

    @property
    def pid(self) -> int | None:
        """The child's process id while there is one."""
        return self._process.pid if self._process else None

    def ask(self, batch: Batch) -> Looked:
        """What it finds in a batch: a pure function, so asking twice is harmless. Raises Unavailable."""
        question = framed(ENCODER.encode(batch))
        for _ in range(_TRIES):
            with contextlib.suppress(OSError):
                answer = self._exchange(question)
                if answer is not None:
                    return LOOKED.decode(answer)
            self._close()
            if self._over:
                break
        raise Unavailable("the process that decides again ended twice over the same decisions")

    def _exchange(self, question: bytes) -> bytes | None:
        process = self._process or self._start()
        assert process.stdin is not None  # noqa: S101 - both are pipes, see _start
        process.stdin.write(question)
        process.stdin.flush()
        return next(self._frames, None)

    def _start(self) -> "subprocess.Popen[bytes]":
        # it needs nothing of our environment: no database, no secret
        process = self._process = subprocess.Popen(
            [sys.executable, "-m", "policies.replay.child"],
            cwd=_ROOT,
            env={"PYTHONPATH": str(_ROOT), "PATH": os.defpath},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101 - as above
        self._frames = frames(process.stdout)  # type: ignore[arg-type] # a buffered reader of bytes
        process.stdin.write(self._setup)
        return process

    def end(self) -> None:
        """End it for good; a question under way fails."""
        self._over = True
        self._close()

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


class Pool:
    """Some children, and how many batches were ever under way at once (`most_held`)."""

    def __init__(self, setup: Setup, children: int = 0) -> None:
        count = children or min(MOST, os.cpu_count() or 1)
        self._children = [Child(setup) for _ in range(count)]
        self._free: SimpleQueue[Child] = SimpleQueue()
        for child in self._children:
            self._free.put(child)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="replay")
        self._ahead = count + 1
        self.most_held = 0

    def decide(self, work: Iterable[Work]) -> Iterator[Done]:
        """Every batch with what was found in it, in order."""
        under_way: deque[tuple[Batch, UUID, Future[Looked]]] = deque()
        for batch, last in work:
            under_way.append((batch, last, self._threads.submit(self._ask, batch)))
            self.most_held = max(self.most_held, len(under_way))
            if len(under_way) >= self._ahead:
                yield _ended(under_way.popleft())
        while under_way:
            yield _ended(under_way.popleft())

    def _ask(self, batch: Batch) -> Looked:
        child = self._free.get()
        try:
            return child.ask(batch)
        finally:
            self._free.put(child)

    def close(self) -> None:
        """End the children, whatever they are at."""
        for child in self._children:
            child.end()
        self._threads.shutdown(wait=True, cancel_futures=True)


def _ended(one: tuple[Batch, UUID, Future[Looked]]) -> Done:
    batch, last, future = one
    return batch, last, future.result()


def here(two: Two, work: Iterable[Work]) -> Iterator[Done]:
    """The same in this process: for what is too little to be worth a child."""
    for batch, last in work:
        yield batch, last, two.batch(batch)
