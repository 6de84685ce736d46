"""`manage.py demo seed|traffic`: make the demo, and keep it alive."""

import asyncio
import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from policies.management.cli import Command as Base
from policies.management.cli import operator
from routing.demo.seed import seed
from routing.demo.traffic import Plan, run


class Command(Base):
    help = "Seed Acme Insurance Group, or send calls of its teams."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        seeding = actions.add_parser("seed", help="make people, documents, keys and tokens")
        seeding.add_argument("--sandbox-port", type=int, help="of the sandbox upstream on loopback")
        seeding.add_argument("--early", action="store_true", help="as it stood before its history")
        seeding.add_argument("--json", action="store_true", help="one object on one line")
        traffic = actions.add_parser("traffic", help="send calls over HTTP for a while")
        traffic.add_argument("--seconds", type=float, default=60)
        traffic.add_argument("--rate", type=float, default=2, help="calls a second, on average")
        traffic.add_argument("--seed", type=int, default=0, help="another seed, other calls")
        traffic.add_argument("--json", action="store_true", help="one object on one line")

    def handle(self, *, action: str, **options: Any) -> None:
        getattr(self, f"_{action}")(options)

    def _seed(self, options: dict[str, Any]) -> None:
        port = options["sandbox_port"] or settings.SANDBOX_PORT
        if not 0 < port < 65536:
            raise CommandError("no sandbox is known here; name its port with --sandbox-port")
        facts = seed(operator(), port, early=options["early"]).facts()
        self.stdout.write(
            json.dumps(facts, ensure_ascii=False, indent=None if options["json"] else 2)
        )

    def _traffic(self, options: dict[str, Any]) -> None:
        if not (0 < options["seconds"] <= 86400 and 0 < options["rate"] <= 50):
            raise CommandError("use --seconds up to 86400 and --rate up to 50")
        path = Path(settings.MANDATE_HOME) / "welcome.json"
        if not path.is_file():
            raise CommandError("there is no welcome.json in MANDATE_HOME; start with `make up`")
        welcome = json.loads(path.read_text(encoding="utf-8"))
        plan = Plan(
            api=welcome["api"],
            keys=welcome["keys"],
            seconds=options["seconds"],
            rate=options["rate"],
            seed=options["seed"],
        )
        told = asyncio.run(run(plan))
        if options["json"]:
            self.say_json({"calls": told.total(), "by_status": dict(sorted(told.items()))})
        else:
            self.stdout.write(
                f"{told.total()} calls: " + ", ".join(f"{n} × {s}" for s, n in told.most_common())
            )
