"""`manage.py prices …`: public prices as change requests, and what a price that was corrected backwards would change."""

from argparse import ArgumentParser
from dataclasses import asdict
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from policies.folders.pricebook import proposing
from policies.folders.pricebook.comparing import Compared, compare
from policies.folders.pricebook.snapshot import Snapshot
from policies.management.asking import server_of
from policies.management.cli import Command as Base
from policies.management.cli import operator
from policies.management.proposing import facts
from policies.management.targets import TOKEN
from policies.management.work import read_file
from policies.order.lock import mandate_now
from routing.reconcile import corrections
from routing.reconcile.corrections import Looked


class Command(Base):
    help = "Prices of models: bring public ones in, and propose what was corrected backwards."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        bring = actions.add_parser(
            "import", help="propose what a snapshot of genai-prices (data.json) says otherwise"
        )
        bring.add_argument("file", type=Path)
        bring.add_argument("--dry-run", action="store_true", help="say it, hand nothing in")
        bring.add_argument("--json", action="store_true", help="one object on one line")
        bring.add_argument("--server", default="", help="a server's address instead of here")
        bring.add_argument("--token-file", type=Path, help=f"instead of {TOKEN}")

        again = actions.add_parser(
            "corrections", help="propose what attempts cost at prices that were corrected since"
        )
        again.add_argument("--since", help="admitted from this day on; 400 days else")
        again.add_argument("--tenant", default="", help="of this tenant alone")
        again.add_argument("--dry-run", action="store_true", help="say it, propose nothing")
        again.add_argument("--json", action="store_true", help="one object on one line")

    def handle(self, *, action: str, **options: Any) -> None:
        getattr(self, f"_{action}")(options)

    def _import(self, options: dict[str, Any]) -> None:
        file: Path = options["file"]
        snapshot = Snapshot(read_file(file, "a snapshot"), file.name)
        server = server_of(options) if options["server"] else None
        day = mandate_now().date().isoformat()
        sources = (
            proposing.sources_of(server.published("")["items"])
            if server
            else proposing.sources_here()
        )
        compared = compare(sources, snapshot, day)
        handed: list[dict[str, Any]] = []
        for asked in () if options["dry_run"] else proposing.wanted(compared.new, file.name, day):
            if server is None:
                handed.append(facts(proposing.hand_in(operator(), asked)))
                continue
            body = {
                "title": asked.title,
                "reason": asked.reason,
                "tenant": asked.tenant,
                "documents": asked.documents,
                "submit": True,
            }
            handed.append(server.ask("POST", "change-requests/", body))
        self._tell(compared, handed, as_json=options["json"])

    def _corrections(self, options: dict[str, Any]) -> None:
        since = _day(options["since"]) if options["since"] else None
        if options["dry_run"]:
            found = list(corrections.differing(since, options["tenant"]))
            known = [one for one in found if one.explained]
            told = Looked(
                len(found), len(list(corrections.proposals(known))), len(found) - len(known)
            )
        else:
            told = corrections.look(since, options["tenant"])
        if options["json"]:
            self.say_json(asdict(told))
            return
        verb = "to propose" if options["dry_run"] else "proposed"
        self.stdout.write(
            f"{told.repriced} attempts have another price by now; adjustments {verb}: {told.proposed}"
        )
        if told.unexplained:
            self.stdout.write(
                f"{told.unexplained} were not charged at the price of their day: left alone"
            )

    def _tell(self, found: Compared, handed: list[dict[str, Any]], *, as_json: bool) -> None:
        if as_json:
            self.say_json(
                {
                    "new": [
                        {"tenant": n.tenant, "model": n.name, "price": n.row} for n in found.new
                    ],
                    "same": [{"tenant": tenant, "model": name} for tenant, name in found.same],
                    "left": [
                        {"tenant": n.tenant, "model": n.name, "why": n.why} for n in found.left
                    ],
                    "changes": [{k: one[k] for k in ("id", "tenant", "state")} for one in handed],
                }
            )
            return
        for new in found.new:
            row = new.row
            tiers = f", {len(row['tiers'])} tiers" if "tiers" in row else ""
            line = f"{row['inputPerMillion']} in, {row['outputPerMillion']} out{tiers}"
            self.stdout.write(
                f"+ {_named(new.tenant, new.name)}: {line}, {row['currency']} a million"
            )
        if found.same:
            self.stdout.write(f"{len(found.same)} have the snapshot's price already")
        for left in found.left:
            self.stdout.write(f"- {_named(left.tenant, left.name)}: {left.why}")
        for one in handed:
            self.stdout.write(f"change request {one['id']} is in state {one['state']}")


def _day(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), tzinfo=UTC)
    except ValueError:
        raise CommandError(f'"{text}" is no day; write it like 2026-11-01') from None


def _named(tenant: str, name: str) -> str:
    return f"{tenant}/{name}" if tenant else name
