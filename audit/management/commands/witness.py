"""`manage.py witness`: cosign the heads of other departments' logs. It needs no database."""

from argparse import ArgumentParser, Namespace
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.witness.running import CannotStart, add_arguments, run


class Command(BaseCommand):
    help = (
        "A witness (C2SP tlog-witness): it cosigns what extends the last head that it saw of a log."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_arguments(parser)

    def handle(self, **options: Any) -> None:
        try:
            run(Namespace(**options))
        except CannotStart as error:
            raise CommandError(str(error)) from error
