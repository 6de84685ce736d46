"""`manage.py stop set|lift|list|expire`: kill switches."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from controlplane.kernel.clock import from_text, to_text
from policies.bundles.read import stoppable
from policies.bundles.snapshot import published
from policies.management.cli import Command as Base
from policies.management.cli import operator
from policies.stops import commands, read
from policies.stops.models import KINDS


class Command(Base):
    help = "Stop a model, provider, route, tenant, key or everything, and lift it again."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        stop = actions.add_parser("set", help="stop it, from this moment on")
        stop.add_argument("kind", choices=KINDS)
        stop.add_argument("name", nargs="?", default="", help="a name, or a key's id")
        stop.add_argument("--tenant", default="", help="whose it is; the organisation's by default")
        stop.add_argument("--reason", required=True)
        stop.add_argument(
            "--until", type=_moment, help="when it ends by itself, as 2026-12-01T08:00Z"
        )
        stop.add_argument("--json", action="store_true", help='one line: {"id": …}')
        lift = actions.add_parser("lift", help="ask for its lifting, or confirm what another asked")
        lift.add_argument("id", type=UUID)
        listing = actions.add_parser("list", help="list the stops that are on")
        listing.add_argument("--json", action="store_true", help="one object a line")
        actions.add_parser("expire", help="lift the stops whose end has passed")

    def handle(self, *, action: str, **options: Any) -> None:
        getattr(self, f"_{action}")(options)

    def _set(self, options: dict[str, Any]) -> None:
        wanted = commands.NewStop(
            kind=options["kind"],
            name=options["name"],
            tenant=options["tenant"],
            reason=options["reason"],
            until=options["until"],
        )
        bundle = published().bundle
        exists = stoppable(bundle, wanted.kind, wanted.tenant, wanted.name)
        row = commands.set_stop(operator(), wanted, exists=exists)
        if options["json"]:
            self.say_json({"id": str(row.id)})
        else:
            self.stdout.write(f"stopped, from now on; lift it with: manage.py stop lift {row.id}")

    def _lift(self, options: dict[str, Any]) -> None:
        alone = published().bundle.organisation.spec["mode"] == "single-operator"
        done = commands.lift_stop(operator(), options["id"], single_operator=alone)
        if done is commands.Lifting.LIFTED:
            self.stdout.write("lifted")
        else:
            self.stdout.write("asked; another admin or approver confirms it")

    def _list(self, options: dict[str, Any]) -> None:
        for row in read.active():
            facts = {
                "id": str(row.id),
                **row.scope,
                "reason": row.reason,
                "by": row.actor,
                "since": to_text(row.set_at),
                "until": to_text(row.until) if row.until else "",
                "liftAskedBy": row.lift_asked_by,
            }
            if options["json"]:
                self.say_json(facts)
            else:
                what = "/".join(filter(None, (row.scope["tenant"], row.scope["name"])))
                self.stdout.write(
                    f"{row.id}  {row.scope['kind']} {what}  {row.actor}: {row.reason}"
                )

    def _expire(self, _options: dict[str, Any]) -> None:
        for stop in commands.lift_expired():
            self.stdout.write(f"lifted {stop}: its end has passed")


def _moment(text: str) -> datetime:
    moment = from_text(text)
    if moment.tzinfo is None:
        raise ValueError(f'"{text}" has no time zone; add Z')
    return moment
