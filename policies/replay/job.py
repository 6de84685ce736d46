"""The job: claim a replay, read its window batch by batch, have each batch decided twice, write how far it is, and the end.

Killed anywhere it is claimed again once its lease is over, and goes on after the last batch whose sums were written.
"""

import contextlib
import math
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import msgspec
import structlog

from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import MandateError
from policies.bundles.snapshot import stored_at
from policies.replay import commands
from policies.replay.answers import Spoken
from policies.replay.core import Two
from policies.replay.models import DRILL, Replay
from policies.replay.pool import Done, Pool, Work, here
from policies.replay.records import Reader, Window, World
from policies.replay.results import Result, result_of
from policies.replay.values import Batch, Looked, Setup, Stored, Tally
from policies.replay.words import Asked

log = structlog.get_logger(__name__)
PROGRESS_SECONDS: Final = 1.0
WORDS: Final = 200
"""Calls whose requests are asked for at once."""


def run_next(world: World) -> UUID | None:
    """Work at the next replay to its end; None when there is none to work at."""
    row = commands.claim()
    if row is None:
        return None
    try:
        work(row, world)
    except MandateError as error:
        log.warning("replay_broke", replay=row.id.hex, code=error.code)
        commands.broke(row, error.message)
    return row.id


def work(row: Replay, world: World) -> None:
    """Work at a replay that this process has claimed, to its end, or until it is another's. Raises Unavailable, InvalidBundle."""
    _Run(row, world).run()


@dataclass(slots=True)
class _Run:
    """One worker's turn at one replay."""

    row: Replay
    world: World
    tally: Tally = field(default_factory=Tally)
    said_at: float = -math.inf

    def run(self) -> None:
        row = self.row
        if row.partial is not None:
            self.tally = msgspec.msgpack.decode(bytes(row.partial), type=Tally)
        setup = setup_of(row)
        two = Two.of(setup)
        reader = Reader(Window(row.tenant, row.since, row.until), self.world)
        work = reader.batches(row.cursor)
        with contextlib.closing(decided(setup, two, work, reader.rows)) as found:
            for batch, last, looked in found:
                self.tally.add(self._closed(two, batch, looked))
                if not self._say(last):
                    return
        commands.finish(row, result_for(row, two, self.tally), self.tally)

    def _closed(self, two: Two, batch: Batch, looked: Looked) -> Tally:
        """Decide the calls that hang on what their answers said; answers are read one by one and kept nowhere."""
        found = looked.tally
        words: Mapping[UUID, Asked] = {}
        for at, place in enumerate(looked.open):
            if at % WORDS == 0:
                words = self._words(two, batch, looked.open[at : at + WORDS])
            given = batch.calls[place]
            call = UUID(bytes=given.call)

            def said(no: int, call: UUID = call) -> Spoken | None:
                return self.world.said(call, no)

            then = batch.reads[given.reads].reads if given.reads >= 0 else None
            one = two.look(given, then, said, words.get(call))
            found.keep(two.count(found.of(given.tenant), given, one))
        return found

    def _words(self, two: Two, batch: Batch, places: Sequence[int]) -> Mapping[UUID, Asked]:
        """What the callers named where that alone is missing: opened a few at a time, and kept nowhere."""
        given = [batch.calls[place] for place in places]
        reads = [batch.reads[one.reads].reads if one.reads >= 0 else None for one in given]
        wanted = [
            UUID(bytes=one.call)
            for one, then in zip(given, reads, strict=True)
            if two.wants_words(one, then)
        ]
        return self.world.asked(wanted) if wanted else {}

    def _say(self, last: UUID) -> bool:
        if time.monotonic() - self.said_at < PROGRESS_SECONDS:
            return True
        self.said_at = time.monotonic()
        return commands.progress(self.row, self.tally, last)


def decided(setup: Setup, two: Two, work: Iterator[Work], rows: int) -> Generator[Done, None, None]:
    """Every batch with what was found: in children where there is more than one batch."""
    first = next(work, None)
    if first is None:
        return
    if sum(given.records for given in first[0].calls) < rows // 2:
        yield from here(two, _chained(first, work))
        return
    pool = Pool(setup)
    try:
        yield from pool.decide(_chained(first, work))
    finally:
        pool.close()


def _chained(first: Work, rest: Iterable[Work]) -> Iterator[Work]:
    yield first
    yield from rest


def setup_of(row: Replay) -> Setup:
    """What a replay compares. Raises Unavailable, BundleRefused where the base is not what was published."""
    kept = stored_at(row.base)
    base = Stored(row.base, kept.text, kept.checked)
    if row.draft is None or row.draft_checked is None:
        return Setup(base, base, tuple(row.away.get("models", ())))
    draft = Stored(row.base + 1, bytes(row.draft), bytes(row.draft_checked))
    return Setup(base, draft)


def result_for(row: Replay, two: Two, tally: Tally) -> Result:
    """The result of a replay's tally."""
    head: dict[str, object] = {
        "what": row.what,
        "tenant": row.tenant,
        "base": {"revision": row.base, "digest": row.base_digest},
        "window": {"from": to_text(row.since), "to": to_text(row.until)},
    }
    if row.what == DRILL:
        head["away"] = dict(row.away)
    else:
        head |= {"content": row.content, "draft": two.draft.digest}
    return result_of(head, str(two.base.organisation.spec["currency"]), tally)
