"""`manage.py sequencer`: the one process that holds the log's key."""

import signal
from argparse import ArgumentParser
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from audit.log.running import Loop, connect
from audit.log.sequence import Refused
from audit.log.signing import has_key, key_changed, signer
from audit.merkle.note import BadKey, SignerKey
from audit.publication.folder import Folder
from audit.publication.publish import Publisher
from audit.publication.running import Outlet, Rounds
from audit.publication.witnesses import configured
from audit.register import choose
from audit.register.base import Register, Registered


class Command(BaseCommand):
    help = "Give every entry its place in the log's tree and sign the heads. Stops on SIGTERM."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="sequence what is there, then stop")

    def handle(self, *, once: bool, **options: Any) -> None:
        if once:
            self._once(*self._made())
            return
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            self._run(stop, *self._made())
        self._say("stopped")

    def _made(self) -> tuple[Loop, Rounds]:
        """Everything that hangs on the key; made anew when that was rotated."""
        try:
            key = signer(settings.MANDATE_KEYS_DIR, settings.MANDATE_LOG_ORIGIN, _place())
        except psycopg.Error as error:
            raise CommandError(f"the database cannot be read: {error}") from error
        except (BadKey, OSError) as error:
            raise CommandError(f"the log's key cannot be read: {error}") from error
        try:
            register = choose.register(settings.MANDATE_LOG_REGISTER)
            outlet = self._outlet(register, key)
        except (OSError, ValueError) as error:
            raise CommandError(f"the log cannot be published: {error}") from error
        loop = Loop(settings.DATABASE_URL, key, self._say)
        loop.register = Registered(register, key.known)
        loop.rotated = key_changed(settings.MANDATE_KEYS_DIR)
        return loop, Rounds(settings.DATABASE_URL, outlet, self._say)

    def _outlet(self, register: Register, key: SignerKey) -> Outlet:
        """Where the log is published: with a view of the register of its own, since it is another thread's."""
        folder, view = Folder(settings.MANDATE_LOG_DIR), Registered(register, key.known)
        path = settings.MANDATE_LOG_WITNESSES
        witnesses = configured(Path(path) if path else None, settings.MANDATE_LOG_QUORUM)
        return Outlet(Publisher(folder, key.known, view), str(folder.root), view, witnesses)

    def _once(self, loop: Loop, rounds: Rounds) -> None:
        try:
            self._say(f"size {loop.once()}")
            with connect(settings.DATABASE_URL) as db:
                told = rounds.once(db)
        except (Refused, psycopg.Error) as error:
            raise CommandError(str(error)) from error
        if told.failure:
            raise CommandError(told.failure)

    def _run(self, stop: Event, loop: Loop, rounds: Rounds) -> None:
        published = Event()
        publishing = Thread(target=rounds.run, args=[published], name="publishing")
        publishing.start()
        loop.run(stop)
        # what was signed last is shown before we go
        published.set()
        publishing.join()
        if not stop.is_set():
            self._say("the key was rotated; going on with the new one")

    def _say(self, line: str) -> None:
        self.stdout.write(f"sequencer: {line}")
        self.stdout.flush()


def _place() -> str:
    """A new log's name says that it is a demo's, whose clock may have been moved."""
    if has_key(settings.MANDATE_KEYS_DIR):
        return ""
    with psycopg.connect(settings.DATABASE_URL, connect_timeout=5) as db:
        row = db.execute("SELECT EXISTS (SELECT FROM demo_installation)").fetchone()
    return "demo/" if row and row[0] else ""
