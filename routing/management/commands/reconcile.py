"""`manage.py reconcile …`: the ledger beside its attempts and entries, and providers' invoices beside the ledger."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.money import format_nano
from policies.bundles.published import published
from policies.management.cli import Command as Base
from policies.management.cli import operator
from routing.reconcile import tiers
from routing.reconcile.checking import check_ledger
from routing.reconcile.classing import CLASSES
from routing.reconcile.commands import File, import_invoice
from routing.reconcile.read import sums
from routing.reconcile.reading import Form


class Command(Base):
    help = "Whether the money is right: check the ledger, compare what providers billed with it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        check = actions.add_parser(
            "check", help="counters, attempts, postings and entries; ends in 1 where they differ"
        )
        check.add_argument("--whole", action="store_true", help="of 400 days instead of 32")
        bring = actions.add_parser("import", help="compare a provider's file with the ledger")
        bring.add_argument("file", type=Path)
        bring.add_argument("--provider", required=True)
        bring.add_argument("--tenant", default="", help="whose provider it is, if a tenant's own")
        bring.add_argument("--form", choices=[form.value for form in Form], default=Form.CSV.value)
        bring.add_argument("--json", action="store_true", help="one object on one line")

    def handle(self, *, action: str, **options: Any) -> None:
        getattr(self, f"_{action}")(options)

    def _check(self, options: dict[str, Any]) -> None:
        currency = published().currency
        for one in tiers.look():
            self.stdout.write(f"no price: {one.words(currency)}")
        found = check_ledger(whole=options["whole"], actor=operator().actor)
        for line in found.findings:
            self.stdout.write(line)
        if not found.ok:
            raise CommandError(f"the ledger does not hold: {len(found.findings)} findings")
        self.stdout.write("the ledger holds: counters, attempts, postings and entries agree")

    def _import(self, options: dict[str, Any]) -> None:
        path: Path = options["file"]
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InvalidRequest(f'"{path}" cannot be read: {error}') from error
        wanted = File(
            tenant=options["tenant"],
            provider=options["provider"],
            form=options["form"],
            name=path.name,
            data=data,
        )
        row = import_invoice(operator(), wanted)
        classes = {name: format_nano(nano) for name, nano in sums(row).items()}
        if options["json"]:
            days = {"first": row.first.isoformat(), "last": row.last.isoformat()}
            money = {"billed": format_nano(row.billed_nano), "ledger": format_nano(row.ledger_nano)}
            self.say_json({"id": str(row.id), **days, **money, "classes": classes})
            return
        currency = published().currency
        self.stdout.write(f"billed {format_nano(row.billed_nano)} {currency}")
        self.stdout.write(f"ledger {format_nano(row.ledger_nano)} {currency}")
        for name in CLASSES:
            if name in classes:
                self.stdout.write(f"  {name}: {classes[name]}")
