"""`manage.py history`: what `up` starts once in a new demo, to make the weeks of calls behind it."""

from typing import Any

from django.core.management.base import BaseCommand

from controlplane.up.history import make_it


class Command(BaseCommand):
    help = "Make the weeks behind a demo that was just created. Ends by itself; SIGTERM ends it between two calls."
    requires_system_checks = []

    def handle(self, **options: Any) -> None:
        make_it()
