"""`manage.py keys create|list|rotate|revoke`: API keys."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser

from controlplane.kernel.clock import to_text
from policies.bundles.people import routes_of
from policies.bundles.published import published
from policies.identity import commands
from policies.identity.credentials import Credential
from policies.identity.models import ApiKey
from policies.management.cli import Command as Base
from policies.management.cli import operator
from policies.order.lock import mandate_now


class Command(Base):
    help = "Make, list, rotate and revoke API keys. A key is shown once."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a key for a team and print it, once")
        create.add_argument("team", metavar="TENANT/TEAM")
        create.add_argument("--name", default="")
        create.add_argument("--days", type=int, help="how long it lasts; for ever by default")
        create.add_argument(
            "--route",
            action="append",
            default=[],
            help="a route it may call; repeat it, or leave it out for all",
        )
        create.add_argument(
            "--label",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a fact for conditions",
        )
        create.add_argument("--json", action="store_true", help='one line: {"id": …, "key": …}')
        listing = actions.add_parser("list", help="list keys, without their secrets")
        listing.add_argument("team", metavar="TENANT[/TEAM]", nargs="?", default="")
        listing.add_argument("--json", action="store_true", help="one object a line")
        rotate = actions.add_parser(
            "rotate", help="make the next key of the same settings and print it, once"
        )
        rotate.add_argument("id")
        rotate.add_argument(
            "--overlap-hours", type=float, default=24.0, help="how long the old one still works"
        )
        rotate.add_argument("--json", action="store_true", help='one line: {"id": …, "key": …}')
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
        labels = dict(_pair(text) for text in options["label"])
        wanted = commands.NewKey(
            tenant=tenant,
            team=team,
            name=options["name"],
            labels=labels,
            scopes=tuple(options["route"]),
            expires_at=ends,
            routes=frozenset(route.name for route in routes_of(published(), tenant)),
        )
        self._show(commands.create_key(operator(), wanted), options)

    def _rotate(self, options: dict[str, Any]) -> None:
        overlap = timedelta(hours=options["overlap_hours"])
        self._show(commands.rotate_key(operator(), options["id"], overlap), options)

    def _show(self, made: Credential, options: dict[str, Any]) -> None:
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
                "routes": row.scopes,
                "lastUsed": to_text(row.last_used_at) if row.last_used_at else "",
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


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f'"{text}" is no label; write NAME=VALUE')
    return name, value
