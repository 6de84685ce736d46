"""`manage.py sequencer`: the one process that holds the log's key."""

import signal
from argparse import ArgumentParser
from threading import Event
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from audit.log.running import Loop
from audit.log.sequence import Refused
from audit.log.signing import has_key, signer
from audit.merkle.note import BadKey


class Command(BaseCommand):
    help = "Give every entry its place in the log's tree and sign the heads. Stops on SIGTERM."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="sequence what is there, then stop")

    def handle(self, *, once: bool, **options: Any) -> None:
        try:
            key = signer(settings.MANDATE_KEYS_DIR, settings.MANDATE_LOG_ORIGIN, _place())
        except psycopg.Error as error:
            raise CommandError(f"the database cannot be read: {error}") from error
        except (BadKey, OSError) as error:
            raise CommandError(f"the log's key cannot be read: {error}") from error
        loop = Loop(settings.DATABASE_URL, key, self._say)
        if once:
            try:
                self._say(f"size {loop.once()}")
            except (Refused, psycopg.Error) as error:
                raise CommandError(str(error)) from error
            return
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        loop.run(stop)
        self._say("stopped")

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
