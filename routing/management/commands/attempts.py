"""`manage.py attempts …`: attempts that stayed unknown, and the settling of one."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from controlplane.kernel.clock import to_text
from controlplane.kernel.ids import call_name, parse_call_name
from controlplane.kernel.money import format_nano, parse_nano
from policies.bundles.published import published
from policies.engine.pricing import UsageCounts
from policies.management.cli import Command as Base
from policies.management.cli import operator
from routing.exchange import SERVICE_TIERS
from routing.ledger import access
from routing.ledger.commands import Resolution, settle_unknown
from routing.ledger.unknown import page_of_calls

MOST_SHOWN = 10_000


class Command(Base):
    help = "Attempts that were sent and lost: what each holds, and what it cost."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("unknown", help="list them, one object a line, newest call first")
        settle = actions.add_parser("settle", help="say what one cost; the rest is given back")
        settle.add_argument("call", help="call_…")
        settle.add_argument("no", type=int, help="which attempt of the call")
        settle.add_argument("--amount", help="in the organisation's currency, like 0.0148")
        for name in UsageCounts._fields:
            settle.add_argument(f"--{name.replace('_', '-')}", type=int, help="reported tokens")
        settle.add_argument(
            "--service-tier", choices=SERVICE_TIERS, default="", help="at which it was served"
        )
        settle.add_argument("--reason", required=True, help="how you know")

    def handle(self, *, action: str, **options: Any) -> None:
        getattr(self, f"_{action}")(options)

    def _unknown(self, _options: dict[str, Any]) -> None:
        found, _more = page_of_calls(access.unknown_attempts(operator()), MOST_SHOWN, None)
        for row in found:
            place = {"tenant": row.tenant, "route": row.route, "model": row.model}
            money = {"reserved": format_nano(row.reserved_nano), "due": to_text(row.due_at)}
            self.say_json({"call": call_name(row.call), "no": row.no, **place, **money})

    def _settle(self, options: dict[str, Any]) -> None:
        given = [options[name] for name in UsageCounts._fields]
        usage = UsageCounts(*(n or 0 for n in given)) if any(n is not None for n in given) else None
        try:
            call = parse_call_name(options["call"])
            amount = parse_nano(options["amount"]) if options["amount"] else None
        except ValueError as error:
            raise CommandError(str(error)) from None
        wanted = Resolution(
            call=call,
            no=options["no"],
            reason=options["reason"],
            amount_nano=amount,
            usage=usage,
            service_tier=options["service_tier"],
        )
        booked = settle_unknown(operator(), wanted)
        self.stdout.write(f"booked: {format_nano(booked)} {published().currency}")
