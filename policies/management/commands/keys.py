"""`manage.py keys create|list|revoke`: API keys."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser

from controlplane.kernel.clock import to_text
from policies.identity import commands
from policies.identity.models import ApiKey
from policies.management.cli import Command as Base
from policies.management.cli import operator
from policies.order.lock import mandate_now


class Command(Base):
    help = "Make, list and revoke API keys. A key is shown once."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a key for a team and print it, once")
        create.add_argument("team", metavar="TENANT/TEAM")
        create.add_argument("--name", default="")
        create.add_argument("--days", type=int, help="how long it lasts; for ever by default")
        create.add_argument("--json", action="store_true", help='one line: {"id": …, "key": …}')
        listing = actions.add_parser("list", help="list keys, without their secrets")
        listing.add_argument("team", metavar="TENANT[/TEAM]", nargs="?", default="")
        listing.add_argument("--json", action="store_true", help="one object a line")
        revoke = actions.add_parser("revoke", help="end a key, from this moment on")
        revoke.add_argument("id")
        revoke.add_argument("--reason", required=True)

    def handle(self, *, action: str, **options: Any) -> None:
        getattr(self, f"_{action}")(options)

    def _create(self, options: dict[str, Any]) -> None:
        tenant, slash, team = options["team"].partition("/")
        if not slash:
            raise CommandError(f'"{options["team"]}" is not a team; write TENANT/TEAM')
        days = options["days"]
        ends = None if days is None else mandate_now() + timedelta(days=days)
        wanted = commands.NewKey(tenant=tenant, team=team, name=options["name"], expires_at=ends)
        made = commands.create_key(operator(), wanted)
        if options["json"]:
            self.say_json({"id": made.id, "key": made.shown})
        else:
            self.stdout.write(f"{made.shown}\nIt is shown only now; its id is {made.id}.")

    def _list(self, options: dict[str, Any]) -> None:
        tenant, _, team = options["team"].partition("/")
        rows = ApiKey.objects.order_by("tenant", "team", "created_at")
        rows = rows.filter(tenant=tenant) if tenant else rows
        for row in rows.filter(team=team) if team else rows:
            ended = row.revoked_at or row.expires_at
            facts = {
                "id": row.id,
                "team": f"{row.tenant}/{row.team}",
                "name": row.name,
                "created": to_text(row.created_at),
                "revoked": row.revoked_at is not None,
                "ends": to_text(ended) if ended else "",
            }
            if options["json"]:
                self.say_json(facts)
            else:
                state = "revoked" if facts["revoked"] else "ends" if ended else "stands"
                self.stdout.write(
                    f"{row.id}  {facts['team']}  {row.name}  {state} {facts['ends']}".rstrip()
                )

    def _revoke(self, options: dict[str, Any]) -> None:
        commands.revoke_key(operator(), options["id"], options["reason"])
        self.stdout.write(f"key {options['id']} is revoked")
