"""Make the database ready, in one process: migrate as the owner, `init`, and seed the demo where it belongs.

    python -m controlplane.up.prepare ANSWER never|empty|always

The second word says when to seed the demo; a seeding that was cut is taken up again. Everything may run twice. Progress
lines begin with "- "; what was told (people, keys, …) and `demo`, whether this is a demo now, go to ANSWER as JSON.
"""

import io
import json
import sys
from pathlib import Path

import django
import psycopg
from django.core.management import call_command
from django.db import DatabaseError, OperationalError, connections, transaction
from django.db.migrations.executor import MigrationExecutor

from audit.log.sealing import Sealed, seal
from audit.log.signing import signer
from audit.witness.running import key_of
from controlplane import checks, env
from controlplane.kernel.clock import system_clock
from controlplane.places import write_private
from controlplane.ports import LOOPBACK
from controlplane.up.installation import (
    HISTORY,
    KNOWN_LOGS,
    WANTED,
    WITNESS_PORT,
    Installation,
    from_environment,
    remember,
)
from policies.order.ids import simulate
from routing.demo import world
from routing.demo.clock import SET, Simulated
from routing.demo.plan import begins

SEALED = "MD011"
"""What the log's guard says with (deploy/guard.sql): a restored dump, an upgrade that was not unsealed, or somebody at work."""
DEMO, SEEDING, SEEDED = "demo", "seeding", "seeded"
WITNESS_NAME = "mandate.invalid/demo-witness"
SEEDED_PORT = "seeded_sandbox_port"


def say(line: str) -> None:
    """One line of progress."""
    sys.stdout.write(f"- {line}\n")
    sys.stdout.flush()


def migrate(*, demo: bool) -> None:
    """Bring the schema up to date as the owner, who also says that this is a demo, seal the log, see that the months exist."""
    _unseal()
    call_command("migrate", database="owner", interactive=False, verbosity=0)
    with transaction.atomic("owner"), connections["owner"].cursor() as cursor:
        if demo:
            cursor.execute("SELECT become_demo()")
        sealed = seal(cursor)
    connections["owner"].close()
    if sealed is Sealed.NO_GUARD:
        say("nothing guards the log against its owner: a superuser should run deploy/guard.sql")
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT make_months()")


def unsound() -> list[str]:
    """What `check --deploy` has against this database, a line each with what to do; a missing guard is only said."""
    return [f"{found.msg}: {found.hint}\n" for found in checks.database()]


def _unseal() -> None:
    """Where PostgreSQL is ours, new migrations may change the log's tables, and an entry says so. Else a superuser unseals."""
    superuser = env.services().get("database_superuser_url")
    executor = MigrationExecutor(connections["owner"])
    if superuser is None or not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return
    with psycopg.connect(superuser, autocommit=True) as link:
        link.execute("SELECT mandate_guard.unseal('migrations of a new version')")


def go_back() -> None:
    """Live some weeks ago from here on: the demo was made then, and its history follows. Its months must be there."""
    clock = Simulated()
    clock.begin(begins(system_clock(), world.ZONE))
    simulate(clock.now)
    with connections["default"].cursor() as cursor:
        cursor.execute(SET, [clock.offset])
        cursor.execute("SELECT make_months()")


def is_empty() -> bool:
    """Whether nothing was ever published here."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM policies_bundle")
        return bool(cursor.fetchone()[0] == 0)


def moved() -> bool:
    """Whether the demo's documents name another port than the one the sandbox listens on by now."""
    known = env.services()
    return known.get(DEMO) == SEEDED and known.get(SEEDED_PORT) != known["sandbox_port"]


def state() -> str:
    """Whether this home is a demo: `seeding`, `seeded`, or not."""
    return env.services().get(DEMO, "")


def told_by(name: str, *arguments: str) -> dict[str, object]:
    """Run a command with `--json`; the object in the last line that it prints."""
    heard = io.StringIO()
    call_command(name, *arguments, "--json", stdout=heard)
    lines = [line for line in heard.getvalue().splitlines() if line.startswith("{")]
    found: dict[str, object] = json.loads(lines[-1]) if lines else {}
    return found


def _seeded() -> None:
    remember(env.home(), **{DEMO: SEEDED, SEEDED_PORT: env.services()["sandbox_port"]})


def main(argv: list[str]) -> int:
    """Prepare; the exit code is 0, 1 when the database is away, whatever else Python makes of what was raised."""
    django.setup()
    say("migrating the database")
    try:
        migrate(demo=argv[1] != "never")
    except OperationalError as away:
        sys.stdout.write(f"the database cannot be used: {away}\n")
        return 1
    except DatabaseError as refused:
        if getattr(refused.__cause__, "sqlstate", "") != SEALED:
            raise
        sys.stdout.write(f"{refused}\nsee docs/runbooks.md\n")
        return 1
    if wrong := unsound():
        sys.stdout.write("the database would break what Mandate promises:\n" + "".join(wrong))
        return 1
    call_command("retention", "repeat", "--if-behind")
    _fill(Path(argv[0]), argv[1])
    return 0


def _fill(answer: Path, when: str) -> None:
    empty = is_empty()
    seeding = when == "always" or (when == "empty" and (empty or state() == SEEDING))
    if seeding:
        remember(env.home(), **{DEMO: SEEDING})
    told: dict[str, object] = {}
    past = empty and seeding and env.flag("MANDATE_DEMO_HISTORY", default=True)
    if past:
        go_back()
        remember(env.home(), **{HISTORY: WANTED})
    if empty:
        say("creating the organisation")
        told |= told_by("init")
    if seeding:
        say("seeding the demo")
        told |= told_by("demo", "seed", *(["--early"] if past else []))
        _seeded()
    elif moved():
        say("moving the demo's providers to the sandbox's new port")
        told |= told_by("demo", "seed")
        _seeded()
    if state():
        introduce(from_environment(demo_asked=False))
    write_private(answer, json.dumps({**told, DEMO: bool(state())}))


def introduce(place: Installation) -> None:
    """Tell a demo's witness the log's keys, and its publisher where the witness is."""
    port = env.services(place.home).get(WITNESS_PORT)
    if port is None:
        return
    key = signer(place.keys, env.text("MANDATE_LOG_ORIGIN"), "demo/")
    witness = key_of(place.witness, WITNESS_NAME)
    write_private(place.witness / KNOWN_LOGS, "".join(f"{known}\n" for known in key.known))
    write_private(place.witnesses, f"http://{LOOPBACK}:{port}/ {witness.verifier}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
