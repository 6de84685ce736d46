"""Publish every few seconds, in a thread of the sequencer's process: neither disk nor witnesses hold up the sequencing."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

import psycopg

from audit.log.running import connect
from audit.log.sequence import Connection
from audit.publication.folder import Altered
from audit.publication.publish import Publisher, Refused
from audit.publication.reading import Missing
from audit.publication.telling import Told, tell
from audit.publication.witnesses import Witnesses
from audit.register.base import Registered, RegisterError

_LOGGER = logging.getLogger(__name__)
EVERY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where one log is published, and who is asked about it."""

    publisher: Publisher
    folder: str
    register: Registered
    witnesses: Witnesses


class Rounds:
    """Goes round until told to stop; what fails is said, told to the database, and tried again."""

    def __init__(self, dsn: str, outlet: Outlet, say: Callable[[str], None]) -> None:
        self._dsn = dsn
        self._outlet = outlet
        self._say = say
        self._failure = ""

    def run(self, stop: Event, every: float = EVERY_SECONDS) -> None:
        """Round after round. The last one comes after `stop`, so that what was signed at the end is shown."""
        while True:
            last = stop.is_set()
            try:
                with connect(self._dsn) as db:
                    self.once(db)
            except psycopg.Error as error:
                self._note(f"PostgreSQL: {type(error).__name__}")
            if last:
                return
            stop.wait(every)

    def once(self, db: Connection) -> Told:
        """One round, told to the database. Raises psycopg.Error."""
        outlet = self._outlet
        try:
            told = self._published(db)
        except (Refused, RegisterError, Altered, Missing, OSError) as error:
            told = Told(outlet.folder, outlet.register.place, outlet.witnesses.quorum, str(error))
        self._note(told.failure)
        tell(db, told)
        return told

    def _published(self, db: Connection) -> Told:
        outlet = self._outlet
        with db.cursor() as cursor:
            shown = outlet.publisher.publish(cursor, outlet.witnesses.cosign)
        if shown is None:
            return Told(outlet.folder, outlet.register.place, outlet.witnesses.quorum)
        held = outlet.register.last
        return Told(
            outlet.folder,
            outlet.register.place,
            outlet.witnesses.quorum,
            size=shown.size,
            register_size=held.size if held else 0,
            met=bool(outlet.witnesses.quorum) and shown.cosignatures >= outlet.witnesses.quorum,
            checkpoint=shown.checkpoint,
            witnesses=outlet.witnesses.said(),
        )

    def _note(self, failure: str) -> None:
        """Say a failure once, and once that it is over."""
        if failure == self._failure:
            return
        self._failure = failure
        if failure:
            _LOGGER.error("the log is not published: %s", failure)
            self._say(f"not published: {failure}")
        else:
            self._say("published again")
