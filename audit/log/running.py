"""The sequencer as a process: connect, tick twice a second, sweep every minute, say what happens, stop when told to."""

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from threading import Event

import psycopg

from audit.log.seen import Seen
from audit.log.sequence import Connection, Outcome, Refused, Sequencer, Tick
from audit.merkle.note import SignerKey
from audit.register.base import Registered

_LOGGER = logging.getLogger(__name__)
_OPTIONS = (
    "-c enable_seqscan=off -c lock_timeout=5s -c statement_timeout=60s"
    " -c idle_in_transaction_session_timeout=10s"
)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often things are done, in seconds."""

    tick: float = 0.5
    sweep: float = 60.0
    full_sweep: float = 86_400.0
    report: float = 10.0
    sign_of_life: float = 5.0
    retry: float = 2.0


@dataclass(slots=True)
class Due:
    """When a thing is to be done next, by the monotonic clock; at once when it never was."""

    every: float
    at: float = 0.0

    def now(self) -> bool:
        """Whether it is time; if so, the next time is set."""
        moment = time.monotonic()
        if moment < self.at:
            return False
        self.at = moment + self.every
        return True


class Loop:
    """Sequences one log until `stop` is set; outlives restarts of PostgreSQL."""

    def __init__(
        self, dsn: str, key: SignerKey, say: Callable[[str], None], rhythm: Rhythm | None = None
    ) -> None:
        self._dsn = dsn
        self._key = key
        self._say = say
        self._rhythm = rhythm or Rhythm()
        self._sequenced = 0
        self._seen = Seen()
        self.register: Registered | None = None
        """Asked before anything is signed; None where an installation keeps none."""
        self.rotated: Callable[[], bool] = lambda: False
        """Whether our key was rotated out: then we end, and whoever started us begins again with the new one."""

    def run(self, stop: Event) -> None:
        """Go on until `stop` is set or the key was rotated. What fails is said and tried again."""
        while not stop.is_set() and not self.rotated():
            try:
                with connect(self._dsn) as db:
                    self._say(f"log {self._key.verifier.name}: sequencing")
                    self._keep(db, stop)
            except psycopg.Error as error:
                self._say(f"PostgreSQL: {error}".strip())
                stop.wait(self._rhythm.retry)
            except Refused as error:
                if self.rotated():
                    return  # between our look at the key and our tick: the new one signed, and we may not
                # not an exit: a supervisor would only start us again, and the alarm must stay on
                self._seen.refusals += 1
                self._tell_refusal(str(error))
                _LOGGER.critical("refusing to sign: %s", error)
                self._say(f"refusing to sign: {error}")
                stop.wait(self._rhythm.retry * 5)

    def once(self) -> int:
        """Sweep all, sequence all that can be sequenced now, and return the tree's size. Raises Refused, psycopg.Error."""
        with connect(self._dsn) as db:
            sequencer = Sequencer(db, self._key, register=self.register)
            self._note_stragglers(sequencer.sweep())
            tick = sequencer.tick()
            while tick.more:
                tick = sequencer.tick()
            return sequencer.size()

    def _keep(self, db: Connection, stop: Event) -> None:
        sequencer = Sequencer(db, self._key, register=self.register)
        sweep, full = Due(self._rhythm.sweep), Due(self._rhythm.full_sweep)
        report, history = Due(self._rhythm.report), sequencer.history()
        life = Due(self._rhythm.sign_of_life)
        while not stop.is_set():
            if self.rotated():
                return
            if sweep.now():
                self._note_stragglers(sequencer.sweep_recent())
                history = sequencer.history() if full.now() else history
            for since, until in islice(history, 1):
                # all entries once a day, an hour of them at a time, so that no tick waits long
                self._note_stragglers(sequencer.sweep(since, until))
            tick = sequencer.tick()
            self._note(tick, report)
            if life.now():
                self._seen = self._seen.told(db)
            if not tick.more:
                stop.wait(self._rhythm.tick)
        # those who append are told to stop before us: sign what they wrote last
        self._note(sequencer.tick(), Due(self._rhythm.report))
        self._seen = self._seen.told(db)

    def _note(self, tick: Tick, report: Due) -> None:
        if tick.outcome is not Outcome.SIGNED:
            return
        self._sequenced += tick.sequenced
        self._seen.sequenced += tick.sequenced
        if report.now():
            self._say(f"size {tick.size}, +{self._sequenced}, lag {tick.lag_seconds:.2f} s")
            self._sequenced = 0

    def _note_stragglers(self, tick: Tick) -> None:
        if not tick.sequenced:
            return
        self._seen.stragglers += tick.sequenced
        _LOGGER.error(
            "%d entries were outside the tree and are in now; look for a restore or a promotion",
            tick.sequenced,
        )
        self._say(f"ALARM: {tick.sequenced} entries were outside the tree and are in now")

    def _tell_refusal(self, why: str) -> None:
        """Over a connection of its own: the one that refused is gone, and PostgreSQL may be too."""
        with contextlib.suppress(psycopg.Error), connect(self._dsn) as db:
            self._seen = self._seen.told(db, why)


def connect(dsn: str) -> psycopg.Connection[tuple[object, ...]]:
    """Open the sequencer's connection: autocommit, and no statement or transaction that could hang for long."""
    return psycopg.connect(
        dsn,
        autocommit=True,
        options=_OPTIONS,
        connect_timeout=5,
        application_name="mandate-sequencer",
    )
