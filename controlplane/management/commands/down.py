"""`manage.py down`: stop the `up` of MANDATE_HOME, wherever it runs."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from controlplane import env
from controlplane.up.installation import CannotStart, stop_running


class Command(BaseCommand):
    help = "stop what `up` started from MANDATE_HOME"
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            pid = stop_running(env.home())
        except CannotStart as refused:
            self.stderr.write(str(refused))
            sys.exit(1)
        self.stdout.write(f"stopped process {pid}" if pid else "nothing runs from this home")
