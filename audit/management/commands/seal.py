"""`manage.py seal`: after `migrate`, close the log's tables against their own owner."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections, transaction

from audit.log.sealing import Sealed, seal

_SAID = {
    Sealed.FIRST: "the log is sealed",
    Sealed.AGAIN: "the log is sealed again",
    Sealed.ALREADY: "the log is sealed already",
}


class Command(BaseCommand):
    help = "Seal the log against its owner, after `migrate --database owner`."
    requires_system_checks = []

    def handle(self, **options: Any) -> None:
        try:
            with transaction.atomic("owner"), connections["owner"].cursor() as cursor:
                sealed = seal(cursor)
        except DatabaseError as error:
            raise CommandError(f"the log cannot be sealed: {error}") from error
        if sealed is Sealed.NO_GUARD:
            self.stderr.write(
                "there is no guard in this database: a superuser must run deploy/guard.sql, else the owner of the tables can "
                "rewrite the log"
            )
        else:
            self.stdout.write(_SAID[sealed])
