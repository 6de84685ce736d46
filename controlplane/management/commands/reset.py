"""`manage.py reset`: stop, and remove all state of MANDATE_HOME. Asks first, unless `--force`."""

import shutil
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from controlplane import env
from controlplane.places import folder_name, temporary_roots
from controlplane.up.installation import CannotStart, stop_running


class Command(BaseCommand):
    help = "stop, and remove the database, keys and logs of MANDATE_HOME for ever"
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--force", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        home = env.home()
        if not home.is_dir():
            self.stdout.write(f"there is nothing at {home}")
            return
        if not (home / env.SERVICES_FILE).is_file():
            self._refuse(
                f"{home} was not made by `up`: it has no {env.SERVICES_FILE}; remove it yourself"
            )
        if not (options["force"] or env.flag("FORCE", default=False)):
            self.stdout.write(f"this removes the database, the keys and the audit log in {home}")
            if input('type "reset" to go on: ').strip() != "reset":
                self._refuse("nothing was removed")
        try:
            stop_running(home)
        except CannotStart as refused:
            self._refuse(str(refused))
        name = folder_name(home)
        shutil.rmtree(home)
        for root in temporary_roots():
            for leftover in root.glob(f"{name}*"):
                shutil.rmtree(leftover, ignore_errors=True)
        self.stdout.write(f"removed {home}")

    def _refuse(self, why: str) -> None:
        self.stderr.write(why)
        sys.exit(1)
