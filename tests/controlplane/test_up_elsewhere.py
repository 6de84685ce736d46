"""`up` on services of one's own: every PostgreSQL from 15 on that this machine has, over TCP, and another Valkey."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from controlplane import embedded, env
from controlplane.supervisor import Supervisor
from tests import elsewhere
from tests.controlplane.machines import (
    Machine,
    first_call,
    folder,
    free_port,
    get,
    manage,
    running,
)

pytestmark = [pytest.mark.machines, pytest.mark.slow]

DEMO = (sys.executable, "manage.py", "up", "--demo")


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """A Valkey that is not the installation's."""
    supervisor = Supervisor()
    with folder() as home:
        try:
            yield embedded.start(home, embedded.Wanted(postgres=False), supervisor)["redis_url"]
        finally:
            supervisor.stop({}, 5.0)


def machine_on(
    addresses: elsewhere.Addresses, redis_url: str, home: Path, *, demo: bool
) -> Machine:
    extra = {**addresses.environment(), "REDIS_URL": redis_url, "MANDATE_DEMO_HISTORY": "0"}
    given = Machine(home=home, port=free_port(), extra=extra)
    return Machine(home, given.port, command=DEMO, extra=extra) if demo else given


def test_a_database_of_ones_own_stays_empty_until_the_demo_is_asked_for(redis_url: str) -> None:
    release = elsewhere.others()[-1]
    with elsewhere.cluster(release) as addresses, folder() as parent:
        empty = machine_on(addresses, redis_url, parent / "home", demo=False)
        with running(empty) as it:
            said = it.wait_for("Ready after", 240)
            facts = json.loads((empty.home / "welcome.json").read_text())
            assert (facts["keys"], facts["route"], len(facts["people"])) == ({}, "", 1)
            assert "seeding" not in said
            assert "starting PostgreSQL" not in said
            assert "starting Valkey" not in said
            assert [
                line
                for line in it.children().values()
                if "bin/postgres" in line or "valkey-server" in line or "manage.py sandbox" in line
            ] == []
            assert not (empty.home / "postgres").exists()
            assert get(empty.port, "/readyz")["healthy"] is True
            assert it.stop() <= 10.0
        with running(machine_on(addresses, redis_url, empty.home, demo=True)) as it:
            it.wait_for("seeding the demo", 240)
            it.wait_for("Ready after", 240)
            assert first_call(it.machine)
            assert it.stop() <= 10.0
        # what is a demo by now stays one, with its sandbox
        with running(machine_on(addresses, redis_url, empty.home, demo=False)) as it:
            assert "seeding" not in it.wait_for("Ready after", 240)
            assert first_call(it.machine)


def test_every_release_from_15_on_that_is_here_runs_a_governed_call(redis_url: str) -> None:
    assert 16 in elsewhere.installed()  # our wheel brings it, so that this never tests nothing
    for release in elsewhere.others():
        with elsewhere.cluster(release) as addresses, folder() as parent:
            machine = machine_on(addresses, redis_url, parent / "home", demo=True)
            with running(machine) as it:
                it.wait_for("Ready after", 240)
                with psycopg.connect(addresses.app) as link:
                    told = link.execute("SHOW server_version_num").fetchone()
                    assert told is not None
                    assert int(told[0]) // 10000 == release.major
                assert first_call(machine)
                with psycopg.connect(addresses.app) as link:
                    assert link.execute(
                        "SELECT state, count(*) FROM routing_call GROUP BY 1"
                    ).fetchall() == [("completed", 1)]
                    assert link.execute(
                        "SELECT count(*) FROM audit_entry WHERE call IS NOT NULL"
                    ).fetchone() == (4,)
                verified = manage(machine, "audit", "verify")
                assert verified.returncode == 0, verified.stderr
                checked = manage(machine, "check", "--deploy")
                assert checked.returncode == 0, checked.stderr
                assert it.stop() <= 10.0


def test_services_that_are_away_are_named(tmp_path: Path) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    machine = Machine(
        home=tmp_path / "home",
        port=free_port(),
        extra={
            "DATABASE_URL": f"postgresql://mandate_app:secret-word@{nowhere}/mandate",
            "DATABASE_OWNER_URL": f"postgresql://migrator:secret-word@{nowhere}/mandate",
            "REDIS_URL": f"redis://{nowhere}/0",
        },
    )
    with running(machine) as it:
        it.process.wait(90)
        assert it.process.returncode == 1
        said = it.said()
    assert "the database cannot be used: connection failed" in said
    assert "Traceback" not in said
    assert nowhere.partition(":")[2] in said
    assert "secret-word" not in said
    assert env.services(machine.home)["redis_url"] == f"redis://{nowhere}/0"
