"""`manage.py up`: everything on this machine, in the foreground."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from controlplane.env import BadEnvironment
from controlplane.places import NoPlace
from controlplane.ports import PortTaken
from controlplane.supervisor import ChildFailed
from controlplane.up.installation import CannotStart, from_environment
from controlplane.up.run import Up


class Command(BaseCommand):
    help = "start PostgreSQL, Valkey and every process of Mandate, and stay until Ctrl-C"
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--demo", action="store_true", help="seed the demo into a database of your own"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            sys.exit(Up(from_environment(demo_asked=options["demo"]), self._out).run())
        except (BadEnvironment, CannotStart, PortTaken, ChildFailed, NoPlace) as refused:
            self.stderr.write(f"cannot start: {refused}")
            sys.exit(1)

    def _out(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
