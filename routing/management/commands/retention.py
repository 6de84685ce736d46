"""`manage.py retention …`: legal holds, erasures, and what the documents in force no longer keep."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from audit.retention import commands, read
from audit.retention.models import HOLDS
from audit.retention.repeating import repeat, repeat_if_behind
from controlplane.kernel.clock import to_text
from controlplane.kernel.ids import parse_call_name
from policies.bundles.published import published
from policies.management.cli import Command as Base
from policies.management.cli import operator
from policies.order.lock import mandate_now
from routing.reports.content import store
from routing.retention import erasing
from routing.retention.holding import NewTarget, held
from routing.retention.keeping import keep


class Command(Base):
    help = "Legal holds, erasures, and pruning by the retention of the documents in force."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("keep", help="erase and take away what is over, as every night")
        actions.add_parser("holds", help="the legal holds that stand, one object a line")
        actions.add_parser("erasures", help="what was erased or waits, one object a line")
        again = actions.add_parser(
            "repeat", help="erase again what a restored key store brought back"
        )
        again.add_argument("--if-behind", action="store_true", help="only where it may have")
        hold = actions.add_parser("hold", help="set a legal hold")
        hold.add_argument("kind", choices=HOLDS)
        hold.add_argument("name", nargs="?", default="", help="a use case, a call, a user's id")
        hold.add_argument("--tenant", default="")
        hold.add_argument("--reason", required=True)
        lift = actions.add_parser("lift", help="ask for a hold's lifting, or confirm it")
        lift.add_argument("id", type=UUID)
        confirm = actions.add_parser("confirm", help="confirm an erasure that another asked for")
        confirm.add_argument("id", type=UUID)
        retire = actions.add_parser(
            "retire-key",
            help="let the key service delete the own key of an archived tenant, with no second person",
        )
        retire.add_argument("tenant")
        retire.add_argument("--reason", required=True, help="why nobody could confirm it")

    def handle(self, *, action: str, **options: Any) -> None:
        getattr(self, f"_{action.replace('-', '_')}")(options)

    def _keep(self, _options: dict[str, Any]) -> None:
        done = keep(store(), published(), mandate_now())
        for line in done.stayed:
            self.stderr.write(f"stayed: {line}")
        self.say_json({"erased": done.erased, "dropped": done.dropped, "pruned": done.pruned})

    def _hold(self, options: dict[str, Any]) -> None:
        call = parse_call_name(options["name"]) if options["kind"] == "call" else None
        target = NewTarget(
            kind=options["kind"],
            tenant=options["tenant"],
            name="" if call else options["name"],
            call=call,
            reason=options["reason"],
        )
        self.say_json({"id": str(held(operator(), target).id)})

    def _lift(self, options: dict[str, Any]) -> None:
        alone = published().single_operator
        done = commands.lift_hold(operator(), options["id"], single_operator=alone)
        said = {"done": "lifted", "asked": "asked; another admin or approver confirms it"}
        self.stdout.write(said[done.value])

    def _confirm(self, options: dict[str, Any]) -> None:
        row = erasing.confirm(operator(), options["id"])
        self.stdout.write(f"erased: {row.key}")

    def _retire_key(self, options: dict[str, Any]) -> None:
        tenant = options["tenant"]
        wanted = erasing.retirement(operator(), tenant, options["reason"])
        day = commands.retire_tenant_key(operator(), wanted, store())
        self.stdout.write(
            f"the key service deletes the key of {tenant} on {day}; until then it can be called off there"
        )

    def _holds(self, _options: dict[str, Any]) -> None:
        for row in read.standing():
            facts = {"id": str(row.id), "kind": row.kind, "tenant": row.tenant, "name": row.name}
            more = {"call": row.call.hex if row.call else "", "since": to_text(row.set_at)}
            self.say_json({**facts, **more, "by": row.set_by, "reason": row.reason})

    def _erasures(self, _options: dict[str, Any]) -> None:
        for row in read.visible_erasures(operator()):
            at = to_text(row.erased_at) if row.erased_at else ""
            facts = {"id": str(row.id), "key": row.key, "fingerprint": row.fingerprint}
            self.say_json({**facts, "basis": row.basis, "by": row.erased_by, "erasedOn": at})

    def _repeat(self, options: dict[str, Any]) -> None:
        again = repeat_if_behind if options["if_behind"] else repeat
        found = again(store(), operator().actor)
        if found or not options["if_behind"]:
            self.stdout.write(f"- {found} keys had come back and are gone")
