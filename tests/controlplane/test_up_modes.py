"""An empty organisation for real use, stopping from elsewhere, and removal."""

import json
from pathlib import Path

import pytest

from tests.controlplane.machines import Machine, folder, free_port, get, manage, running

pytestmark = [pytest.mark.machines, pytest.mark.slow]


def test_without_the_demo_there_is_one_admin_and_nothing_else_then_down_and_reset() -> None:
    with folder() as parent:
        machine = Machine(home=parent / "home", port=free_port(), extra={"MANDATE_DEMO": "0"})
        with running(machine) as it:
            said = it.wait_for("Ready after", 240)
            facts = json.loads((machine.home / "welcome.json").read_text())
            assert (facts["keys"], facts["tokens"], facts["route"]) == ({}, {}, "")
            (admin,) = facts["people"]
            assert "admin" in admin["roles"]
            assert admin["password"] in said
            assert "seeding" not in said
            assert [line for line in it.children().values() if "manage.py sandbox" in line] == []
            bundle = next(
                check
                for check in get(machine.port, "/readyz")["checks"]
                if check["name"] == "bundle"
            )
            assert bundle["detail"] == "revision 1"

            told = manage(machine, "down")
            assert told.returncode == 0, told.stderr
            assert told.stdout.startswith("stopped process ")
            assert it.process.wait(60) == 0
            assert it.children() == {}
        assert manage(machine, "down").stdout == "nothing runs from this home\n"

        refused = manage(machine, "reset")
        assert refused.returncode != 0
        assert (machine.home / "postgres").is_dir()
        machine.extra = {"FORCE": "1"}
        assert manage(machine, "reset").stdout.endswith(f"removed {machine.home}\n")
        assert not machine.home.exists()


def test_reset_leaves_a_folder_alone_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("keep me")
    machine = Machine(home=tmp_path, port=1, extra={"FORCE": "1"})
    told = manage(machine, "reset")
    assert told.returncode == 1
    assert "was not made by `up`" in told.stderr
    assert (tmp_path / "letters.txt").read_text() == "keep me"


def test_half_an_address_of_a_database_is_refused(tmp_path: Path) -> None:
    machine = Machine(home=tmp_path, port=free_port(), extra={"DATABASE_URL": "postgresql://x@/y"})
    told = manage(machine, "up")
    assert told.returncode == 1
    assert "set both DATABASE_URL" in told.stderr


def test_a_bad_port_is_refused_in_words(tmp_path: Path) -> None:
    told = manage(Machine(home=tmp_path, port=99999999), "up")
    assert told.returncode == 1
    assert 'PORT is "99999999"; use a whole number from 1 to 65535' in told.stderr
