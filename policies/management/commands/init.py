"""`manage.py init`: once, the first admin and revision 1."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from controlplane.kernel.principal import ROLES
from policies.management.cli import Command as Base
from policies.management.cli import operator
from policies.management.setup import Founding, found
from policies.order.lock import control


class Command(Base):
    help = "Create the organisation, once: its secrets, its first admin with a one-time password, and revision 1."

    def add_arguments(self, parser: CommandParser) -> None:
        demo = settings.MANDATE_DEMO
        parser.add_argument("--currency", default="EUR")
        parser.add_argument("--time-zone", default="UTC")
        parser.add_argument(
            "--admin-email", default="ada@acme.example" if demo else "admin@localhost"
        )
        parser.add_argument("--admin-name", default="")
        parser.add_argument("--json", action="store_true", help="one object on one line")

    def handle(self, **options: Any) -> None:
        if control().revision:
            self._tell(options, {"initialised": False, "revision": control().revision})
            return
        email = options["admin_email"].strip().lower()
        name = options["admin_name"] or email.partition("@")[0].title()
        founding = Founding(
            currency=options["currency"],
            time_zone=options["time_zone"],
            email=email,
            name=name,
        )
        password, outcome = found(operator(), founding)
        person = {"name": name, "email": email, "password": password, "roles": list(ROLES)}
        self._tell(options, {"initialised": True, "revision": outcome.revision, "people": [person]})

    def _tell(self, options: dict[str, Any], facts: dict[str, Any]) -> None:
        if options["json"]:
            self.say_json(facts)
        elif not facts["initialised"]:
            self.stdout.write(f"nothing to do: revision {facts['revision']} is in force")
        else:
            (person,) = facts["people"]
            self.stdout.write(
                f"revision 1 is in force\nfirst admin: {person['email']}\n"
                f"one-time password: {person['password']}"
            )
