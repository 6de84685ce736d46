"""Make the database ready, in one process: migrate as the owner, `init`, and seed the demo where it belongs.

    python -m controlplane.up.prepare ANSWER [--demo]

Everything may run twice. Progress lines begin with "- "; what seeding told is written to the file ANSWER as JSON.
"""

import io
import json
import sys
from pathlib import Path

import django
from django.core.management import call_command, get_commands
from django.db import connections

from controlplane.places import write_private


def say(line: str) -> None:
    """One line of progress."""
    sys.stdout.write(f"- {line}\n")
    sys.stdout.flush()


def migrate() -> None:
    """Bring the schema up to date as the owner, and see that the months ahead exist."""
    call_command("migrate", database="owner", interactive=False, verbosity=0)
    connections["owner"].close()
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT make_months()")


def is_empty() -> bool:
    """Whether nothing was ever published here."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM policies_bundle")
        return bool(cursor.fetchone()[0] == 0)


def told_by(name: str, *arguments: str) -> dict[str, object]:
    """Run a command with `--json`; the object in the last line that it prints."""
    if name not in get_commands():
        say(f"there is no `manage.py {name}` yet")
        return {}
    heard = io.StringIO()
    call_command(name, *arguments, "--json", stdout=heard)
    lines = [line for line in heard.getvalue().splitlines() if line.startswith("{")]
    found: dict[str, object] = json.loads(lines[-1]) if lines else {}
    return found


def main(argv: list[str]) -> int:
    """Prepare; the exit code is 0 unless something raised."""
    django.setup()
    say("migrating the database")
    migrate()
    told: dict[str, object] = {}
    if is_empty():
        say("creating the organisation")
        told |= told_by("init")
    if "--demo" in argv:
        say("seeding the demo")
        told |= told_by("demo", "seed")
    write_private(Path(argv[0]), json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
